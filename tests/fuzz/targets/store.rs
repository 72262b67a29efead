//! Both engines against a model that keeps the state after every revision whole, with compaction and reopening.

#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use futures::StreamExt;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Compare, Durability, Entry, Error, Event, EventBatch, Op, Revision, Store, Txn, TxnOutcome, memory, redb};

#[derive(Arbitrary, Debug)]
enum Step {
    Txn { compares: Vec<(u8, bool)>, ops: Vec<(u8, Option<u16>)>, durable: bool },
    Range { start: u8, end: u8, limit: u8, at: u16 },
    Watch { prefix: u8, after: u16 },
    Compact { to: u16 },
    Reopen,
}

/// Enough for a history, few enough for a thousand runs a second in memory.
const STEPS: usize = 48;

fuzz_target!(|steps: Vec<Step>| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        run(Engine::Memory(memory::MemoryStore::new()), &steps).await;
        run(Engine::redb(), &steps).await;
    });
});

enum Engine {
    Memory(Arc<memory::MemoryStore>),
    Redb { dir: tempfile::TempDir, store: Arc<redb::RedbStore> },
}

impl Engine {
    fn redb() -> Self {
        // In memory where that is possible: this is about what the engine says, not about the disk.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        let store = Self::open(&dir);
        Self::Redb { dir, store }
    }

    fn open(dir: &tempfile::TempDir) -> Arc<redb::RedbStore> {
        // Small rings, so that watches are replayed from the disk, too.
        let config = redb::Config { recent_events: 8, ..redb::Config::default() };
        redb::RedbStore::open(dir.path().join("state.redb"), config).expect("it opens")
    }

    fn store(&self) -> &dyn Store {
        match self {
            Self::Memory(store) => store.as_ref(),
            Self::Redb { store, .. } => store.as_ref(),
        }
    }
}

type State = BTreeMap<Bytes, Entry>;

#[derive(Default)]
struct Model {
    /// The state after each revision.
    states: Vec<State>,
    batches: Vec<EventBatch>,
    oldest: Revision,
    /// What was compacted in an earlier run of the engine may still be there.
    surely_gone: Revision,
}

fn key(choice: u8) -> Bytes {
    const KEYS: [&str; 8] = ["/", "/a", "/a\0", "/a/", "/a/b", "/ab", "/b/c", "/z"];
    Bytes::from_static(KEYS[choice as usize % KEYS.len()].as_bytes())
}

async fn run(mut engine: Engine, steps: &[Step]) {
    let mut model = Model { states: vec![State::new()], ..Model::default() };
    for step in steps.iter().take(STEPS) {
        if let Step::Reopen = step {
            let Engine::Redb { dir, store } = engine else { continue };
            store.close().await.expect("it closes");
            drop(store);
            let store = Engine::open(&dir);
            engine = Engine::Redb { dir, store };
            model.surely_gone = 0;
        } else {
            model.step(engine.store(), step).await;
        }
        assert_eq!(engine.store().revision(), model.revision(), "after {step:?}");
    }
}

impl Model {
    fn revision(&self) -> Revision {
        self.states.len() as Revision - 1
    }

    fn now(&self) -> &State {
        &self.states[self.states.len() - 1]
    }

    async fn step(&mut self, store: &dyn Store, step: &Step) {
        match step {
            Step::Txn { compares, ops, durable } => {
                let txn = self.make(compares, ops, *durable);
                let outcome = store.txn(txn.clone()).await.expect("a transaction");
                assert_eq!(outcome, self.txn(&txn), "{txn:?}");
                for (choice, _) in ops.iter().take(4) {
                    assert_eq!(store.get(&key(*choice)).await.expect("a get"), self.now().get(&key(*choice)).cloned());
                }
            }
            Step::Range { start, end, limit, at } => {
                let (start, end, limit) = (key(*start), key(*end), usize::from(*limit % 5));
                let at = Revision::from(*at) % (self.revision() + 2);
                match store.range(&start, &end, limit, Some(at)).await {
                    Ok(page) => {
                        assert!(at >= self.surely_gone && at <= self.revision(), "{at} is not kept");
                        let all: Vec<Entry> =
                            self.states[at as usize].values().filter(|e| e.key >= start && e.key < end).cloned().collect();
                        let kept = if limit == 0 { all.len() } else { limit.min(all.len()) };
                        assert_eq!(page.entries, all[..kept], "{step:?}");
                        assert_eq!((page.remaining, page.more), ((all.len() - kept) as u64, kept < all.len()), "{step:?}");
                        assert_eq!(page.revision, at);
                    }
                    Err(Error::Compacted { .. }) => assert!(at < self.oldest, "{at} is kept"),
                    Err(Error::Future { .. }) => assert!(at > self.revision()),
                    Err(error) => panic!("{step:?}: {error}"),
                }
            }
            Step::Watch { prefix, after } => {
                let (prefix, after) = (key(*prefix), Revision::from(*after) % (self.revision() + 1));
                let mut stream = match store.watch(&prefix, after).await {
                    Ok(stream) => stream,
                    Err(Error::Compacted { .. }) => return assert!(after < self.oldest, "{after} is kept"),
                    Err(error) => panic!("{step:?}: {error}"),
                };
                assert!(after >= self.surely_gone, "{after} is compacted");
                for batch in self.batches.iter().filter(|batch| batch.revision > after) {
                    let mut expect = batch.clone();
                    expect.events.retain(|event| event.key.starts_with(&prefix));
                    if expect.events.is_empty() {
                        continue;
                    }
                    let got = loop {
                        match stream.next().await.expect("the stream goes on").expect("a batch") {
                            mark if mark.events.is_empty() => {}
                            batch => break batch,
                        }
                    };
                    assert_eq!(got, expect, "{step:?}");
                }
            }
            Step::Compact { to } => {
                let to = Revision::from(*to) % (self.revision() + 1);
                store.compact(to).await.expect("a compaction");
                self.oldest = self.oldest.max(to);
                self.surely_gone = self.surely_gone.max(to);
            }
            Step::Reopen => {}
        }
    }

    fn make(&self, compares: &[(u8, bool)], ops: &[(u8, Option<u16>)], durable: bool) -> Txn {
        let compares = compares.iter().take(3).map(|(choice, true_one)| match self.now().get(&key(*choice)) {
            Some(entry) => Compare::ModRevision(key(*choice), entry.mod_revision + u64::from(!true_one)),
            None if *true_one => Compare::Absent(key(*choice)),
            None => Compare::ModRevision(key(*choice), 1),
        });
        let mut distinct: BTreeMap<Bytes, Option<u16>> = BTreeMap::new();
        for (choice, size) in ops.iter().take(4) {
            distinct.insert(key(*choice), *size);
        }
        let ops = distinct.into_iter().map(|(key, size)| match size {
            // Some values are larger than a page of the file.
            Some(size) => Op::Put { key, value: Bytes::from(vec![b'v'; usize::from(size % 9000)]) },
            None => Op::Delete { key },
        });
        let durability = if durable { Durability::Durable } else { Durability::Lazy };
        Txn { compares: compares.collect(), ops: ops.collect(), durability }
    }

    fn txn(&mut self, txn: &Txn) -> TxnOutcome {
        let found = |compare: &Compare| match compare {
            Compare::Absent(key) | Compare::ModRevision(key, _) => self.now().get(key).cloned(),
        };
        let states: Vec<Option<Entry>> = txn.compares.iter().map(found).collect();
        let holds = txn.compares.iter().zip(&states).all(|(compare, state)| match compare {
            Compare::Absent(_) => state.is_none(),
            Compare::ModRevision(_, revision) => state.as_ref().is_some_and(|entry| entry.mod_revision == *revision),
        });
        if !holds {
            return TxnOutcome::Failed(states);
        }
        let revision = self.revision() + 1;
        let mut state = self.now().clone();
        let mut events = Vec::new();
        for op in &txn.ops {
            let (key, value) = match op {
                Op::Put { key, value } => (key, Some(value.clone())),
                Op::Delete { key } => (key, None),
            };
            let previous = state.remove(key);
            let create_revision = previous.as_ref().map_or(revision, |entry| entry.create_revision);
            if let Some(value) = value.clone() {
                state.insert(key.clone(), Entry { key: key.clone(), value, create_revision, mod_revision: revision });
            } else if previous.is_none() {
                continue;
            }
            events.push(Event { key: key.clone(), value, previous, create_revision, revision });
        }
        if events.is_empty() {
            return TxnOutcome::Committed(self.revision());
        }
        self.states.push(state);
        self.batches.push(EventBatch { revision, events });
        TxnOutcome::Committed(revision)
    }
}
