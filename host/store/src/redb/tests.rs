use std::fs;
use std::path::PathBuf;

use bytes::Bytes;

use super::*;
use crate::{Compare, Durability, LAZY_DELAY, Op};

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place { path: folder.path().join("state.redb"), _folder: folder }
}

fn open(path: &Path) -> Arc<RedbStore> {
    RedbStore::open(path, Config::default()).unwrap()
}

fn put(key: &str, value: impl AsRef<[u8]>, durability: Durability) -> Txn {
    let op = Op::Put { key: Bytes::copy_from_slice(key.as_bytes()), value: Bytes::copy_from_slice(value.as_ref()) };
    Txn { compares: Vec::new(), ops: vec![op], durability }
}

async fn commit(store: &RedbStore, txn: Txn) -> Revision {
    match store.txn(txn).await.unwrap() {
        TxnOutcome::Committed(revision) => revision,
        other => panic!("{other:?}"),
    }
}

/// The file as a power loss at this moment would leave it.
fn crash_image(path: &Path, to: &Path) {
    fs::copy(path, to).unwrap();
}

async fn suite(config: Config) {
    for case in crate::suite::CASES {
        eprintln!("redb: {}", case.name);
        let place = place();
        (case.run)(RedbStore::open(&place.path, config.clone()).unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    suite(Config::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_when_watchers_resume_from_the_disk() {
    suite(Config { recent_events: 0, cache_bytes: 256 << 10, ..Config::default() }).await;
}

#[tokio::test]
async fn state_and_history_survive_a_restart() {
    let place = place();
    let store = open(&place.path);
    let one = commit(&store, put("/a", "1", Durability::Durable)).await;
    let two = commit(&store, put("/a", "2", Durability::Lazy)).await;
    store.close().await.unwrap();
    let store = open(&place.path);
    assert_eq!(store.revision(), two, "a clean stop skips no revision");
    assert_eq!(store.get(b"/a").await.unwrap().unwrap().value, "2");
    assert_eq!(store.range(b"/", b"0", 0, Some(one)).await.unwrap().entries[0].value, "1");
    let mut stream = store.watch(b"/", one).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().revision, two);
    drop(stream);
    drop(store);
    assert_eq!(open(&place.path).revision(), two, "dropping stops cleanly, too");
}

#[tokio::test]
async fn a_crash_takes_lazy_writes_but_never_a_revision() {
    let place = place();
    let image = place.path.with_file_name("image.redb");
    let store = open(&place.path);
    let durable = commit(&store, put("/pod", "1", Durability::Durable)).await;
    commit(&store, put("/lease", "0", Durability::Lazy)).await;
    let lazy = commit(&store, put("/lease", "1", Durability::Lazy)).await;
    crash_image(&place.path, &image);

    let crashed = open(&image);
    assert!(crashed.revision() >= lazy, "{} was given out", lazy);
    assert_eq!(crashed.get(b"/pod").await.unwrap().unwrap().mod_revision, durable);
    // Who saw the lost revision must list again.
    assert!(matches!(crashed.watch(b"/", lazy).await.err(), Some(Error::Compacted { .. })));
    assert!(matches!(crashed.range(b"/", b"0", 0, Some(lazy)).await, Err(Error::Compacted { .. })));
    // Who saw nothing of it may go on.
    let mut stream = crashed.watch(b"/", durable).await.unwrap();
    let next = commit(&crashed, put("/pod", "2", Durability::Durable)).await;
    let events = loop {
        let batch = stream.next().await.unwrap().unwrap();
        if batch.revision == next {
            break batch.events;
        }
    };
    assert_eq!(events[0].value.as_deref(), Some(b"2".as_slice()));
    drop(stream);
    drop(crashed);
    assert_eq!(open(&image).revision(), next);
}

#[tokio::test]
async fn a_lazy_write_reaches_the_disk_in_time() {
    let place = place();
    let image = place.path.with_file_name("image.redb");
    let store = open(&place.path);
    commit(&store, put("/lease", "0", Durability::Lazy)).await;
    // The sooner of two dates counts, and takes along what has more time.
    let beat = commit(&store, put("/beat", "0", Durability::Heartbeat)).await;
    let lazy = commit(&store, put("/lease", "1", Durability::Lazy)).await;
    let started = std::time::Instant::now();
    let mut late = tokio::time::interval(std::time::Duration::from_millis(200));
    loop {
        late.tick().await;
        crash_image(&place.path, &image);
        // A copy of a file that is being written may be torn, as no disk leaves it; then look again.
        if let Ok(crashed) = RedbStore::open(&image, Config::default())
            && let Ok(Some(found)) = crashed.get(b"/lease").await
            && found.mod_revision == lazy
        {
            assert_eq!(crashed.get(b"/beat").await.unwrap().unwrap().mod_revision, beat);
            break;
        }
        assert!(started.elapsed() < LAZY_DELAY * 4, "not on disk yet");
    }
}

#[tokio::test]
async fn a_durable_write_takes_lazy_ones_along() {
    let place = place();
    let image = place.path.with_file_name("image.redb");
    let store = open(&place.path);
    commit(&store, put("/lease", "0", Durability::Lazy)).await;
    commit(&store, put("/lease", "1", Durability::Lazy)).await;
    commit(&store, put("/pod", "1", Durability::Durable)).await;
    crash_image(&place.path, &image);
    assert_eq!(open(&image).get(b"/lease").await.unwrap().unwrap().value, "1");
}

#[tokio::test]
async fn a_file_is_held_by_one() {
    let place = place();
    let store = open(&place.path);
    let error = RedbStore::open(&place.path, Config::default()).err().unwrap();
    assert!(matches!(&error, Error::InUse { path } if *path == place.path.display().to_string()), "{error}");
    drop(store);
    open(&place.path);
}

#[tokio::test]
async fn another_format_is_refused_and_left_alone() {
    let place = place();
    drop(open(&place.path));
    let database = ::redb::Database::open(&place.path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(tables::META).unwrap().insert(tables::FORMAT_KEY, 7).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&place.path, Config::default()).err().unwrap();
    assert!(matches!(error, Error::Format { found: 7, expected: tables::FORMAT, .. }), "{error}");
    // Whoever wrote it can still read it.
    assert_eq!(tables::open(&place.path, 1 << 20).err().map(|error| error.to_string()), Some(error.to_string()));
    fs::write(&place.path, b"this is no database, just a file that stands in the way").unwrap();
    let error = RedbStore::open(&place.path, Config::default()).err().unwrap();
    assert!(matches!(error, Error::Engine { .. }), "{error}");
}

#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let _store = open(&place.path);
    assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn history_is_dropped_bit_by_bit() {
    let place = place();
    let config = Config { history_revisions: 50, recent_events: 10, ..Config::default() };
    let store = RedbStore::open(&place.path, config).unwrap();
    for turn in 0..300 {
        commit(&store, put("/a", format!("{turn}"), Durability::Durable)).await;
    }
    let now = store.revision();
    assert!(matches!(store.range(b"/", b"0", 0, Some(now - 60)).await, Err(Error::Compacted { .. })));
    let page = store.range(b"/", b"0", 0, Some(now - 40)).await.unwrap();
    assert_eq!(page.entries[0].mod_revision, now - 40);
    assert!(matches!(store.watch(b"/", now - 60).await.err(), Some(Error::Compacted { .. })));
    assert_eq!(store.watch(b"/", now - 40).await.unwrap().next().await.unwrap().unwrap().revision, now - 39);
}

#[tokio::test]
async fn compares_see_the_group_they_are_in() {
    let place = place();
    let store = open(&place.path);
    let create = || Txn { compares: vec![Compare::Absent(Bytes::from_static(b"/a"))], ..put("/a", "1", Durability::Durable) };
    let outcomes = futures::future::join_all((0..32).map(|_| store.txn(create()))).await;
    let won = outcomes.iter().filter(|outcome| matches!(outcome, Ok(TxnOutcome::Committed(_)))).count();
    assert_eq!(won, 1);
    assert_eq!(store.revision(), 1);
}

/// A file system of a few MiB; `None` where it cannot be mounted.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount(bytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        match rustix::mount::mount("tmpfs", folder.path(), "tmpfs", rustix::mount::MountFlags::empty(), &*options) {
            Ok(()) => Some(Self(folder)),
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: a tmpfs cannot be mounted here: {error}");
                None
            }
            Err(error) => panic!("a tmpfs cannot be mounted: {error}"),
        }
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

/// Fills, checks that reads go on and nothing is half-written, makes room, goes on writing.
async fn full_disk(config: Config, margin: u64) {
    let Some(tiny) = Tiny::mount(24 << 20) else { return };
    let path = tiny.0.path().join("state.redb");
    let ballast = tiny.0.path().join("ballast");
    fs::write(&ballast, vec![0; (4 << 20) + margin as usize]).unwrap();
    let store = RedbStore::open(&path, config.clone()).unwrap();
    let value = vec![b'x'; 100 << 10];
    let mut stored: Vec<String> = Vec::new();
    let error = loop {
        let name = format!("/k/{:04}", stored.len());
        match store.txn(put(&name, &value, Durability::Durable)).await {
            Ok(_) => stored.push(name),
            Err(error) => break error,
        }
        assert!(stored.len() < 1000, "the disk never filled");
    };
    assert!(matches!(error, Error::Full(_)), "{error}");
    assert!(stored.len() > 10, "only {} fitted", stored.len());
    let revision = store.revision();
    let check = async |store: &RedbStore| {
        let page = store.range(b"/k/", b"/k0", 0, None).await.unwrap();
        let found: Vec<String> = page.entries.iter().map(|entry| String::from_utf8_lossy(&entry.key).into_owned()).collect();
        assert_eq!(found, stored);
        assert!(page.entries.iter().all(|entry| entry.value == value));
    };
    check(&store).await;
    assert!(matches!(store.txn(put("/k/x", &value, Durability::Durable)).await, Err(Error::Full(_))));
    assert_eq!(store.revision(), revision);
    fs::remove_file(&ballast).unwrap();
    let next = commit(&store, put("/later", "1", Durability::Durable)).await;
    assert_eq!(next, revision + 1);
    check(&store).await;
    drop(store);
    let store = RedbStore::open(&path, config).unwrap();
    assert_eq!(store.get(b"/later").await.unwrap().unwrap().mod_revision, next);
    check(&store).await;
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    full_disk(Config::default(), 0).await;
}

/// As when another program takes the last bytes between the check and the write: redb itself fails and is opened again.
#[tokio::test]
async fn a_failed_commit_loses_nothing() {
    full_disk(Config { min_free_bytes: 0, ..Config::default() }, 0).await;
}

#[tokio::test]
async fn deletes_and_lazy_writes_go_on_when_the_disk_is_nearly_full() {
    let Some(tiny) = Tiny::mount(24 << 20) else { return };
    let store = RedbStore::open(tiny.0.path().join("state.redb"), Config::default()).unwrap();
    commit(&store, put("/lease", "0", Durability::Lazy)).await;
    commit(&store, put("/a", "1", Durability::Durable)).await;
    let free = rustix::fs::statvfs(tiny.0.path()).map(|found| found.f_bavail * found.f_frsize).unwrap();
    fs::write(tiny.0.path().join("ballast"), vec![0; free as usize - (1 << 20)]).unwrap();
    assert!(matches!(store.txn(put("/b", "1", Durability::Durable)).await, Err(Error::Full(_))));
    commit(&store, put("/lease", "1", Durability::Lazy)).await;
    let delete = Txn { ops: vec![Op::Delete { key: Bytes::from_static(b"/a") }], ..Txn::default() };
    commit(&store, delete).await;
    assert_eq!(store.get(b"/a").await.unwrap(), None);
}
