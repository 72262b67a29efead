//! What a watcher may rely on.

use super::*;

pub(super) async fn events_arrive_in_order_and_below_the_prefix(store: Arc<dyn Store>) {
    let mut pods = store.watch(b"/pods/", store.revision()).await.unwrap();
    let mut all = store.watch(b"", store.revision()).await.unwrap();
    let one = commit(&*store, vec![put("/pods/a", "1"), put("/nodes/n", "1")]).await;
    let two = commit(&*store, vec![put("/nodes/n", "2")]).await;
    let three = commit(&*store, vec![put("/pods/a", "2"), put("/pods/b", "1")]).await;
    let four = commit(&*store, vec![delete("/pods/a")]).await;
    let five = commit(&*store, vec![put("/pods/a", "3")]).await;
    let event = |name: &str, value: Option<&str>, previous: Option<Entry>, create_revision, revision| crate::Event {
        key: key(name),
        value: value.map(key),
        previous,
        create_revision,
        revision,
    };
    let expect = [
        EventBatch { revision: one, events: vec![event("/pods/a", Some("1"), None, one, one)] },
        EventBatch {
            revision: three,
            events: vec![
                event("/pods/a", Some("2"), Some(entry("/pods/a", "1", one, one)), one, three),
                event("/pods/b", Some("1"), None, three, three),
            ],
        },
        EventBatch { revision: four, events: vec![event("/pods/a", None, Some(entry("/pods/a", "2", one, three)), one, four)] },
        EventBatch { revision: five, events: vec![event("/pods/a", Some("3"), None, five, five)] },
    ];
    for expect in expect {
        assert_eq!(batch(&mut pods).await, expect);
    }
    for revision in [one, two, three, four, five] {
        assert_eq!(batch(&mut all).await.revision, revision);
    }
}

/// Several keys that are prefixes of each other, written, deleted and written again.
async fn some_history(store: &dyn Store) -> Vec<EventBatch> {
    let mut stream = store.watch(b"/k", store.revision()).await.unwrap();
    let mut batches = Vec::new();
    for turn in 0..40_u32 {
        let name = |index: u32| ["/k", "/k/a", "/k/a-b", "/k/a/b", "/k/\0"][(index % 5) as usize];
        let mut ops = vec![match turn % 4 {
            3 => delete(name(turn / 3)),
            _ => put(name(turn), format!("{turn}")),
        }];
        if turn % 4 != 3 && turn % 7 == 0 {
            ops.push(put(name(turn + 1), format!("{turn}+")));
        }
        let before = store.revision();
        let revision = commit(store, ops).await;
        if revision > before {
            batches.push(batch(&mut stream).await);
            assert_eq!(batches.last().unwrap().revision, revision);
        }
        commit(store, vec![put("/other", format!("{turn}"))]).await;
    }
    batches
}

pub(super) async fn a_watch_resumes_from_every_revision(store: Arc<dyn Store>) {
    let start = store.revision();
    let history = some_history(&*store).await;
    assert!(history.len() > 30);
    for after in start..=store.revision() {
        let mut stream = store.watch(b"/k", after).await.unwrap();
        for expect in history.iter().filter(|batch| batch.revision > after) {
            assert_eq!(&batch(&mut stream).await, expect, "resumed after {after}");
        }
        // And it is live behind the replay.
        let revision = commit_lazily(&*store, vec![put("/kz", "")]).await;
        loop {
            let batch = batch(&mut stream).await;
            assert!(batch.events.iter().all(|event| event.key == "/kz"), "{batch:?}");
            if batch.revision == revision {
                break;
            }
        }
    }
}

pub(super) async fn a_watch_starts_nowhere_but_in_known_history(store: Arc<dyn Store>) {
    for value in ["1", "2", "3", "4"] {
        commit(&*store, vec![put("/a", value)]).await;
    }
    let now = store.revision();
    assert!(
        matches!(store.watch(b"/", now + 1).await.err(), Some(Error::Future { requested, current }) if requested == now + 1 && current == now)
    );
    store.compact(now - 1).await.unwrap();
    assert!(
        matches!(store.watch(b"/", now - 2).await.err(), Some(Error::Compacted { requested, oldest }) if requested == now - 2 && oldest == now - 1)
    );
    let mut stream = store.watch(b"/", now - 1).await.unwrap();
    assert_eq!(batch(&mut stream).await.revision, now);
    let mut stream = store.watch(b"/", now).await.unwrap();
    let next = commit(&*store, vec![put("/a", "5")]).await;
    assert_eq!(batch(&mut stream).await.revision, next);
}

pub(super) async fn a_slow_watcher_is_cut_off_and_others_are_not(store: Arc<dyn Store>) {
    let start = store.revision();
    let mut slow = store.watch(b"/a", start).await.unwrap();
    let mut other = store.watch(b"/b", start).await.unwrap();
    // More bytes than any engine queues for one watcher.
    let value = Bytes::from(vec![b'x'; 1 << 20]);
    for _ in 0..40 {
        let ops = vec![Op::Put { key: key("/a"), value: value.clone() }];
        store.txn(Txn { ops, durability: Durability::Lazy, ..Txn::default() }).await.unwrap();
    }
    let last = commit(&*store, vec![put("/b", "1")]).await;
    assert_eq!(batch(&mut other).await.revision, last);
    let mut reached = start;
    let error = loop {
        match next(&mut slow).await.expect("an error before the end") {
            Ok(batch) => {
                assert!(batch.revision > reached);
                reached = batch.revision;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Slow { at } if at == reached), "{error} after {reached}");
    assert!(next(&mut slow).await.is_none());
    // It may start again where it was cut off.
    let mut resumed = store.watch(b"/a", reached).await.unwrap();
    assert_eq!(batch(&mut resumed).await.revision, reached + 1);
}

pub(super) async fn progress_marks_follow_the_events(store: Arc<dyn Store>) {
    let mut quiet = store.watch(b"/quiet", store.revision()).await.unwrap();
    let mut busy = store.watch(b"/busy", store.revision()).await.unwrap();
    let first = commit(&*store, vec![put("/busy", "1")]).await;
    let second = commit(&*store, vec![put("/busy", "2")]).await;
    assert_eq!(store.progress().await.unwrap(), second);
    loop {
        let mark = next(&mut quiet).await.unwrap().unwrap();
        assert_eq!(mark.events, []);
        if mark.revision == second {
            break;
        }
    }
    assert_eq!(batch(&mut busy).await.revision, first);
    assert_eq!(batch(&mut busy).await.revision, second);
    assert_eq!(next(&mut busy).await.unwrap().unwrap(), EventBatch { revision: second, events: vec![] });
}

pub(super) async fn a_dropped_watcher_is_forgotten(store: Arc<dyn Store>) {
    for _ in 0..100 {
        drop(store.watch(b"/", store.revision()).await.unwrap());
    }
    let mut kept = store.watch(b"/", store.revision()).await.unwrap();
    let revision = commit(&*store, vec![put("/a", "1")]).await;
    assert_eq!(batch(&mut kept).await.revision, revision);
}

pub(super) async fn concurrent_writes_reach_watchers_once_and_in_order(store: Arc<dyn Store>) {
    const WRITERS: u64 = 16;
    const TURNS: u64 = 40;
    let start = store.revision();
    let end = start + WRITERS * TURNS;
    let write = async |store: Arc<dyn Store>, writer: u64| {
        for turn in 0..TURNS {
            let durability = if (writer + turn).is_multiple_of(3) { Durability::Lazy } else { Durability::Durable };
            let ops = vec![put(format!("/k/{writer}"), format!("{turn}"))];
            store.txn(Txn { ops, durability, ..Txn::default() }).await.unwrap();
        }
    };
    let read = async |store: Arc<dyn Store>, delay: u64| {
        // Starts somewhere in the middle.
        while store.revision() < start + delay {
            tokio::task::yield_now().await;
        }
        let page = store.range(b"/k/", b"/k0", 0, None).await.unwrap();
        let mut state: std::collections::BTreeMap<Bytes, Bytes> =
            page.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        let mut stream = store.watch(b"/k/", page.revision).await.unwrap();
        let mut reached = page.revision;
        while reached < end {
            let batch = batch(&mut stream).await;
            assert_eq!(batch.revision, reached + 1, "no event is left out or doubled");
            reached = batch.revision;
            for event in batch.events {
                assert_eq!(event.previous.map(|entry| entry.value), state.get(&event.key).cloned());
                state.insert(event.key, event.value.unwrap());
            }
        }
        assert!(state.values().all(|value| *value == (TURNS - 1).to_string()));
    };
    let writers = futures::future::join_all((0..WRITERS).map(|writer| write(store.clone(), writer)));
    let readers = futures::future::join_all([0, 0, 1, 100, 333, 600].map(|delay| read(store.clone(), delay)));
    tokio::time::timeout(PATIENCE, futures::future::join(writers, readers)).await.expect("done in time");
    assert_eq!(store.revision(), end);
}

pub(super) async fn lazy_writes_are_seen_at_once(store: Arc<dyn Store>) {
    let mut stream = store.watch(b"/lease", store.revision()).await.unwrap();
    let durable = commit(&*store, vec![put("/pod", "1")]).await;
    let one = commit_lazily(&*store, vec![put("/lease", "1")]).await;
    assert_eq!(one, durable + 1);
    assert_eq!(store.get(b"/lease").await.unwrap(), Some(entry("/lease", "1", one, one)));
    let two = commit_lazily(&*store, vec![put("/lease", "2")]).await;
    assert_eq!(store.range(b"/", b"0", 0, Some(one)).await.unwrap().entries[0].value, "1");
    assert_eq!(store.range(b"/", b"0", 0, None).await.unwrap().entries[0].value, "2");
    assert_eq!([batch(&mut stream).await.revision, batch(&mut stream).await.revision], [one, two]);
}
