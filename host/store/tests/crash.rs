//! `kill -9` at any moment loses nothing acknowledged: a child process writes with several tasks and tells each acknowledged
//! write on its standard output; it is killed again and again, and every time the reopened store must show what it told.
//! The child is this test binary itself, started with [`CHILD`].
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use store::redb::{Config, RedbStore};
use store::{Compare, Durability, Error, Op, Store, Txn, TxnOutcome};

/// Names the state file for the child.
const CHILD: &str = "CORACLE_STORE_CRASH_CHILD";

const ROUNDS: u32 = 25;
const WRITERS: u32 = 8;

/// Few keys, so that they are overwritten and history is written and compacted, too.
const KEYS: u64 = 13;

fn config() -> Config {
    Config { history_revisions: 200, cache_bytes: 512 << 10, ..Config::default() }
}

/// Not a test of its own: the process that is killed. Without [`CHILD`] it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = RedbStore::open(PathBuf::from(path), config()).unwrap();
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write_for_ever(store.clone(), writer)));
    futures::future::join_all(writers).await;
}

async fn write_for_ever(store: Arc<RedbStore>, writer: u32) {
    for turn in 0_u64.. {
        let name = format!("/crash/{writer}/{}", turn % KEYS);
        let lazy = turn % 5 == 4;
        let pair = format!("/pair/{writer}/{}", turn % KEYS);
        let mut ops = vec![Op::Put { key: name.clone().into(), value: value(writer, turn) }];
        let kind = match (lazy, turn % 3) {
            (true, _) => "lazy",
            (false, 0) => {
                // Two keys that must always agree.
                ops.push(Op::Put { key: pair.into(), value: value(writer, turn) });
                "pair"
            }
            (false, 1) => "put",
            (false, _) => {
                ops = vec![Op::Delete { key: name.into() }, Op::Delete { key: pair.into() }];
                "delete"
            }
        };
        let durability = if lazy { Durability::Lazy } else { Durability::Durable };
        let revision = match store.txn(Txn { ops, durability, ..Txn::default() }).await.unwrap() {
            TxnOutcome::Committed(revision) => revision,
            other => panic!("{other:?}"),
        };
        // One write call: a line is told whole or not at all.
        std::io::stdout().write_all(format!("ack {kind} {writer} {turn} {revision}\n").as_bytes()).unwrap();
    }
}

fn value(writer: u32, turn: u64) -> Bytes {
    let mut value = format!("{writer}:{turn}:").into_bytes();
    value.resize(200 + (turn % 7) as usize * 300, b'.');
    Bytes::from(value)
}

/// What one round's child told last of each key.
#[derive(Default)]
struct Told {
    /// Highest revision of any acknowledged write, lazy ones, too.
    revision: u64,
    /// Key to (kind, turn, revision) of its last durable write.
    durable: BTreeMap<String, (String, u64, u64)>,
    acknowledged: u64,
}

fn told(output: &str) -> Told {
    let mut told = Told::default();
    // What stands behind the last line end was cut by the kill.
    let whole = output.rfind('\n').map_or("", |end| &output[..end]);
    for line in whole.lines().filter(|line| line.starts_with("ack ")) {
        let fields: Vec<&str> = line.split(' ').collect();
        let (kind, writer, turn, revision) = (fields[1], fields[2], fields[3].parse::<u64>().unwrap(), fields[4].parse().unwrap());
        told.revision = told.revision.max(revision);
        told.acknowledged += 1;
        if kind != "lazy" {
            told.durable.insert(format!("/crash/{writer}/{}", turn % KEYS), (kind.to_owned(), turn, revision));
        }
    }
    told
}

/// Starts the child, kills it after a while, and gives what it told.
fn round(path: &Path, folder: &Path, alive: Duration) -> Told {
    let output = folder.join("told");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .stdout(Stdio::from(std::fs::File::create(&output).unwrap()))
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    // Time runs from the first acknowledged write.
    let started = std::time::Instant::now();
    while !std::fs::read_to_string(&output).unwrap().contains("ack ") {
        assert!(started.elapsed() < Duration::from_secs(60), "the child wrote nothing");
        assert!(child.try_wait().unwrap().is_none(), "the child ended");
        std::thread::yield_now();
    }
    std::thread::sleep(alive);
    child.kill().unwrap();
    child.wait().unwrap();
    told(&std::fs::read_to_string(&output).unwrap())
}

#[tokio::test]
async fn kill_9_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let (mut highest, mut acknowledged) = (0, 0);
    for number in 0..ROUNDS {
        let told = round(&path, folder.path(), Duration::from_millis(u64::from(number * 37 % 90)));
        acknowledged += told.acknowledged;
        highest = highest.max(told.revision);

        let store = RedbStore::open(&path, config()).unwrap();
        assert!(store.revision() >= highest, "round {number}: revision {} after {highest} was given out", store.revision());
        for (key, (kind, turn, revision)) in &told.durable {
            let found = store.get(key.as_bytes()).await.unwrap();
            // Later writes of the same key may be there, acknowledged or not; earlier ones may not.
            match (kind.as_str(), found) {
                ("delete", None) => {}
                (_, None) => {
                    // Only a later delete, told or not, can have taken it.
                    assert!(was_deleted_after(&store, key, *revision).await, "round {number}: {key} of turn {turn} at {revision} is lost");
                }
                (_, Some(entry)) => assert!(
                    entry.mod_revision > *revision || entry.mod_revision == *revision && kind != "delete",
                    "round {number}: {key} shows {} but {kind} of {revision} was acknowledged",
                    entry.mod_revision
                ),
            }
        }
        whole(&store, number).await;
        // And the next write continues above everything.
        let compares = vec![Compare::Absent(format!("/round/{number}").into())];
        let ops = vec![Op::Put { key: format!("/round/{number}").into(), value: Bytes::from_static(b"1") }];
        let outcome = store.txn(Txn { compares, ops, ..Txn::default() }).await.unwrap();
        assert!(matches!(outcome, TxnOutcome::Committed(revision) if revision > highest), "round {number}: {outcome:?}");
        highest = store.revision();
        drop(store);
    }
    eprintln!("{ROUNDS} kills, {acknowledged} acknowledged writes, none lost");
    assert!(acknowledged > u64::from(ROUNDS) * 10);
}

async fn was_deleted_after(store: &RedbStore, key: &str, revision: u64) -> bool {
    use futures::StreamExt;
    let mut stream = match store.watch(key.as_bytes(), revision).await {
        Ok(stream) => stream,
        Err(Error::Compacted { .. }) => return true,
        Err(error) => panic!("{error}"),
    };
    let now = store.progress().await.unwrap();
    let mut deleted = false;
    while let Some(batch) = stream.next().await {
        let batch = batch.unwrap();
        deleted |= batch.events.iter().any(|event| event.key == key && event.value.is_none());
        if batch.revision >= now {
            break;
        }
    }
    deleted
}

/// Values are whole, and what was written in one transaction is there together.
async fn whole(store: &RedbStore, number: u32) {
    let page = store.range(b"/crash/", b"/crash0", 0, None).await.unwrap();
    for entry in page.entries {
        let text = String::from_utf8_lossy(&entry.value).into_owned();
        let mut parts = text.split(':');
        let (writer, turn) = (parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse::<u64>().unwrap());
        assert_eq!(entry.value, value(writer, turn), "round {number}: {:?}", entry.key);
        if turn % 5 != 4 && turn.is_multiple_of(3) {
            let pair = store.get(format!("/pair/{writer}/{}", turn % KEYS).as_bytes()).await.unwrap();
            assert_eq!(pair.map(|pair| (pair.value, pair.mod_revision)), Some((entry.value, entry.mod_revision)), "round {number}");
        }
    }
}
