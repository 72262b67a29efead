//! The contract of [`Store`] as tests that every engine runs on an empty store: `for case in CASES { (case.run)(store).await }`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is how a test speaks")]

mod model;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};

use crate::{Compare, Durability, Entry, Error, EventBatch, Op, Revision, Store, Txn, TxnOutcome, prefix_end};

/// One promise and its test.
pub struct Case {
    pub name: &'static str,
    pub run: fn(Arc<dyn Store>) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($function:path),* $(,)?) => {
        &[$(Case { name: stringify!($function), run: |store| $function(store).boxed() }),*]
    };
}

pub const CASES: &[Case] = cases![
    a_key_is_created_read_overwritten_and_deleted,
    compares_decide,
    a_transaction_is_atomic,
    a_key_is_written_once_per_transaction,
    nothing_written_nothing_raised,
    ranges_are_half_open_and_ordered,
    a_limit_makes_pages,
    pages_of_one_revision_show_one_state,
    the_past_is_kept_until_compacted,
    concurrent_writers_lose_no_update,
    the_current_revision_is_of_the_last_write,
    closed_means_closed,
    watching::events_arrive_in_order_and_below_the_prefix,
    watching::a_watch_resumes_from_every_revision,
    watching::a_watch_starts_nowhere_but_in_known_history,
    watching::a_slow_watcher_is_cut_off_and_others_are_not,
    watching::progress_marks_follow_the_events,
    watching::a_dropped_watcher_is_forgotten,
    watching::concurrent_writes_reach_watchers_once_and_in_order,
    watching::lazy_writes_are_seen_at_once,
    model::random_histories_agree_with_a_naive_model,
];

/// Longer than any engine may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn key(name: impl AsRef<str>) -> Bytes {
    Bytes::copy_from_slice(name.as_ref().as_bytes())
}

fn put(name: impl AsRef<str>, value: impl AsRef<str>) -> Op {
    Op::Put { key: key(name), value: key(value) }
}

fn delete(name: impl AsRef<str>) -> Op {
    Op::Delete { key: key(name) }
}

async fn commit(store: &dyn Store, ops: Vec<Op>) -> Revision {
    match store.txn(Txn { ops, ..Txn::default() }).await.unwrap() {
        TxnOutcome::Committed(revision) => revision,
        TxnOutcome::Failed(found) => panic!("refused without compares: {found:?}"),
    }
}

/// As [`commit`], without waiting for the disk: for tests of other things.
async fn commit_lazily(store: &dyn Store, ops: Vec<Op>) -> Revision {
    match store.txn(Txn { ops, durability: Durability::Lazy, ..Txn::default() }).await.unwrap() {
        TxnOutcome::Committed(revision) => revision,
        TxnOutcome::Failed(found) => panic!("refused without compares: {found:?}"),
    }
}

fn entry(name: &str, value: &str, create_revision: Revision, mod_revision: Revision) -> Entry {
    Entry { key: key(name), value: key(value), create_revision, mod_revision }
}

async fn next(stream: &mut BoxStream<'static, Result<EventBatch, Error>>) -> Option<Result<EventBatch, Error>> {
    tokio::time::timeout(PATIENCE, stream.next()).await.expect("an item in time")
}

/// The next batch that is not a progress mark.
async fn batch(stream: &mut BoxStream<'static, Result<EventBatch, Error>>) -> EventBatch {
    loop {
        let batch = next(stream).await.expect("the stream goes on").unwrap();
        if !batch.events.is_empty() {
            return batch;
        }
    }
}

async fn a_key_is_created_read_overwritten_and_deleted(store: Arc<dyn Store>) {
    let start = store.revision();
    assert_eq!(store.get(b"/a").await.unwrap(), None);
    let created = commit(&*store, vec![put("/a", "1")]).await;
    assert_eq!(created, start + 1);
    assert_eq!(store.get(b"/a").await.unwrap(), Some(entry("/a", "1", created, created)));
    let updated = commit(&*store, vec![put("/a", "2")]).await;
    assert_eq!(store.get(b"/a").await.unwrap(), Some(entry("/a", "2", created, updated)));
    let deleted = commit(&*store, vec![delete("/a")]).await;
    assert_eq!(store.get(b"/a").await.unwrap(), None);
    let again = commit(&*store, vec![put("/a", "")]).await;
    assert_eq!(store.get(b"/a").await.unwrap(), Some(entry("/a", "", again, again)));
    assert_eq!([updated, deleted, again, store.revision()], [start + 2, start + 3, start + 4, start + 4]);
}

async fn compares_decide(store: Arc<dyn Store>) {
    let first = commit(&*store, vec![put("/a", "1")]).await;
    let (a, b) = (key("/a"), key("/b"));
    let found = Some(entry("/a", "1", first, first));
    type Refused = Option<Vec<Option<Entry>>>;
    let table: Vec<(Vec<Compare>, Refused)> = vec![
        (vec![Compare::Absent(a.clone())], Some(vec![found.clone()])),
        (vec![Compare::ModRevision(a.clone(), first + 1)], Some(vec![found.clone()])),
        (vec![Compare::ModRevision(b.clone(), first)], Some(vec![None])),
        (vec![Compare::Absent(b.clone()), Compare::Absent(a.clone())], Some(vec![None, found.clone()])),
        (vec![Compare::Absent(b.clone()), Compare::ModRevision(a.clone(), first)], None),
        (vec![Compare::ModRevision(a.clone(), first)], Some(vec![Some(entry("/a", "2", first, first + 1))])),
    ];
    for (compares, refused) in table {
        let outcome = store.txn(Txn { compares: compares.clone(), ops: vec![put("/a", "2")], ..Txn::default() }).await.unwrap();
        match refused {
            Some(states) => assert_eq!(outcome, TxnOutcome::Failed(states), "{compares:?}"),
            None => assert_eq!(outcome, TxnOutcome::Committed(first + 1), "{compares:?}"),
        }
    }
    assert_eq!(store.revision(), first + 1);
}

async fn a_transaction_is_atomic(store: Arc<dyn Store>) {
    let both = commit(&*store, vec![put("/a", "1"), put("/b", "1")]).await;
    let moved = commit(&*store, vec![delete("/a"), put("/c", "1"), put("/b", "2")]).await;
    let page = store.range(b"/", b"0", 0, None).await.unwrap();
    assert_eq!(page.entries, [entry("/b", "2", both, moved), entry("/c", "1", moved, moved)]);
    let txn = Txn { compares: vec![Compare::Absent(key("/b"))], ops: vec![put("/d", "1"), delete("/c")], ..Txn::default() };
    assert!(matches!(store.txn(txn).await.unwrap(), TxnOutcome::Failed(_)));
    assert_eq!(store.range(b"/", b"0", 0, None).await.unwrap().entries, page.entries);
}

async fn a_key_is_written_once_per_transaction(store: Arc<dyn Store>) {
    let txn = Txn { ops: vec![put("/a", "1"), put("/b", "1"), delete("/a")], ..Txn::default() };
    assert!(matches!(store.txn(txn).await, Err(Error::DuplicateKey { key }) if key == "/a"));
    assert_eq!(store.get(b"/b").await.unwrap(), None);
}

async fn nothing_written_nothing_raised(store: Arc<dyn Store>) {
    let before = commit(&*store, vec![put("/a", "1")]).await;
    assert_eq!(commit(&*store, vec![delete("/none")]).await, before);
    assert_eq!(commit(&*store, vec![]).await, before);
    assert_eq!(store.revision(), before);
    assert_eq!(commit(&*store, vec![delete("/none"), put("/a", "2")]).await, before + 1);
}

async fn the_current_revision_is_of_the_last_write(store: Arc<dyn Store>) {
    for _ in 0..3 {
        let revision = commit(&*store, vec![put("/a", "")]).await;
        let many = futures::future::join_all((0..20).map(|_| store.current_revision())).await;
        assert!(many.into_iter().all(|found| found.unwrap() == revision));
    }
}

async fn names(store: &dyn Store, start: &str, end: &str) -> Vec<String> {
    let page = store.range(start.as_bytes(), end.as_bytes(), 0, None).await.unwrap();
    page.entries.iter().map(|entry| String::from_utf8_lossy(&entry.key).into_owned()).collect()
}

async fn ranges_are_half_open_and_ordered(store: Arc<dyn Store>) {
    commit(&*store, ["/b", "/a/2", "/a/10", "/a", "/a/1", "/a0"].map(|name| put(name, "")).into()).await;
    assert_eq!(names(&*store, "/a/", "/a0").await, ["/a/1", "/a/10", "/a/2"]);
    assert_eq!(names(&*store, "/a/1", "/a/2").await, ["/a/1", "/a/10"]);
    assert_eq!(names(&*store, "/b", "/a").await, [""; 0]);
    assert_eq!(names(&*store, "/c", "/d").await, [""; 0]);
    let everything = prefix_end(b"");
    assert_eq!(store.range(b"", &everything, 0, None).await.unwrap().entries.len(), 6);
}

async fn a_limit_makes_pages(store: Arc<dyn Store>) {
    commit(&*store, (0..10).map(|index| put(format!("/k/{index}"), "")).collect()).await;
    for (limit, expect) in [(0, (10, false, 0)), (1, (1, true, 9)), (9, (9, true, 1)), (10, (10, false, 0)), (11, (10, false, 0))] {
        let page = store.range(b"/k/", b"/k0", limit, None).await.unwrap();
        assert_eq!((page.entries.len(), page.more, page.remaining), expect, "limit {limit}");
        assert_eq!(page.revision, store.revision());
    }
}

async fn pages_of_one_revision_show_one_state(store: Arc<dyn Store>) {
    let before = commit(&*store, (0..200).map(|index| put(format!("/k/{index:03}"), "old")).collect()).await;
    let mut found: Vec<Entry> = Vec::new();
    let (mut start, mut turn) = (b"/k/".to_vec(), 0);
    loop {
        let page = store.range(&start, b"/k0", 30, Some(before)).await.unwrap();
        assert_eq!(page.revision, before);
        assert_eq!(page.remaining as usize, 200 - found.len() - page.entries.len());
        found.extend(page.entries.iter().cloned());
        if !page.more {
            break;
        }
        start = [&page.entries.last().unwrap().key[..], &[0]].concat();
        // Whatever happens meanwhile, before and behind the page.
        let ops = (0..20).map(|index| match index % 3 {
            0 => put(format!("/k/{:03}", (turn * 37 + index * 11) % 200), "new"),
            1 => delete(format!("/k/{:03}", (turn * 37 + index * 11) % 200)),
            _ => put(format!("/k/{:03}x", turn * 20 + index), "new"),
        });
        let mut ops: Vec<Op> = ops.collect();
        ops.sort_by_key(|op| match op {
            Op::Put { key, .. } | Op::Delete { key } => key.clone(),
        });
        ops.dedup_by_key(|op| match op {
            Op::Put { key, .. } | Op::Delete { key } => key.clone(),
        });
        commit(&*store, ops).await;
        turn += 1;
    }
    let expect: Vec<Entry> = (0..200).map(|index| entry(&format!("/k/{index:03}"), "old", before, before)).collect();
    assert_eq!(found, expect);
}

async fn the_past_is_kept_until_compacted(store: Arc<dyn Store>) {
    let one = commit(&*store, vec![put("/a", "1")]).await;
    let two = commit(&*store, vec![put("/a", "2"), put("/b", "1")]).await;
    let three = commit(&*store, vec![delete("/a")]).await;
    let four = commit(&*store, vec![put("/a", "3")]).await;
    let at = async |revision| store.range(b"/", b"0", 0, Some(revision)).await.map(|page| page.entries);
    assert_eq!(at(one).await.unwrap(), [entry("/a", "1", one, one)]);
    assert_eq!(at(two).await.unwrap(), [entry("/a", "2", one, two), entry("/b", "1", two, two)]);
    assert_eq!(at(three).await.unwrap(), [entry("/b", "1", two, two)]);
    assert_eq!(at(four).await.unwrap(), [entry("/a", "3", four, four), entry("/b", "1", two, two)]);
    assert!(matches!(at(four + 1).await, Err(Error::Future { requested, current }) if requested == four + 1 && current == four));
    assert!(matches!(store.compact(four + 1).await, Err(Error::Future { .. })));
    store.compact(three).await.unwrap();
    assert!(matches!(at(two).await, Err(Error::Compacted { requested, oldest }) if requested == two && oldest == three));
    assert_eq!(at(three).await.unwrap(), [entry("/b", "1", two, two)]);
    store.compact(one).await.unwrap();
    store.compact(four).await.unwrap();
    assert!(matches!(at(three).await, Err(Error::Compacted { .. })));
    assert_eq!(store.get(b"/a").await.unwrap(), Some(entry("/a", "3", four, four)));
    let five = commit(&*store, vec![put("/a", "4")]).await;
    assert_eq!(at(four).await.unwrap(), [entry("/a", "3", four, four), entry("/b", "1", two, two)]);
    assert_eq!(at(five).await.unwrap().len(), 2);
}

async fn concurrent_writers_lose_no_update(store: Arc<dyn Store>) {
    const WRITERS: usize = 8;
    const TURNS: usize = 25;
    commit(&*store, vec![put("/counter", "0")]).await;
    let count = async |store: Arc<dyn Store>| {
        for _ in 0..TURNS {
            loop {
                let now = store.get(b"/counter").await.unwrap().unwrap();
                let value: usize = std::str::from_utf8(&now.value).unwrap().parse().unwrap();
                let compares = vec![Compare::ModRevision(now.key.clone(), now.mod_revision)];
                let txn = Txn { compares, ops: vec![put("/counter", (value + 1).to_string())], ..Txn::default() };
                match store.txn(txn).await.unwrap() {
                    TxnOutcome::Committed(_) => break,
                    // The answer shows a state after the one that was read.
                    TxnOutcome::Failed(found) => assert!(found[0].as_ref().unwrap().mod_revision > now.mod_revision),
                }
            }
        }
    };
    futures::future::join_all((0..WRITERS).map(|_| count(store.clone()))).await;
    assert_eq!(store.get(b"/counter").await.unwrap().unwrap().value, (WRITERS * TURNS).to_string());
}

async fn closed_means_closed(store: Arc<dyn Store>) {
    let revision = commit(&*store, vec![put("/a", "1")]).await;
    let mut stream = store.watch(b"/", revision - 1).await.unwrap();
    store.close().await.unwrap();
    // What the engine had not yet read for the watcher may be missing, but the end is said.
    let end = loop {
        match next(&mut stream).await.expect("an error before the end") {
            Ok(batch) => assert_eq!(batch.revision, revision),
            Err(error) => break error,
        }
    };
    assert!(matches!(end, Error::Closed), "{end}");
    assert!(next(&mut stream).await.is_none());
    assert!(matches!(store.get(b"/a").await, Err(Error::Closed)));
    assert!(matches!(store.range(b"/", b"0", 0, None).await, Err(Error::Closed)));
    assert!(matches!(store.txn(Txn::default()).await, Err(Error::Closed)));
    assert!(matches!(store.watch(b"/", revision).await, Err(Error::Closed)));
    assert!(matches!(store.compact(revision).await, Err(Error::Closed)));
    assert!(matches!(store.progress().await, Err(Error::Closed)));
    store.close().await.unwrap();
}
