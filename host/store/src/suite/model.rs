//! Seeded random transactions on the engine and on a model that keeps every state whole.

use std::collections::BTreeMap;

use super::*;

/// xorshift64*: enough to choose from, and the same everywhere.
struct Choice(u64);

impl Choice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

type State = BTreeMap<Bytes, Entry>;

struct Model {
    first: Revision,
    /// The state after each revision from `first` on.
    states: Vec<State>,
    batches: Vec<EventBatch>,
    oldest: Revision,
}

impl Model {
    fn revision(&self) -> Revision {
        self.first + self.states.len() as u64 - 1
    }

    fn now(&self) -> &State {
        self.states.last().unwrap()
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
            let (Op::Put { key, .. } | Op::Delete { key }) = op;
            let previous = state.remove(key);
            let create_revision = previous.as_ref().map_or(revision, |entry| entry.create_revision);
            let value = match op {
                Op::Put { value, .. } => Some(value.clone()),
                Op::Delete { .. } => None,
            };
            if let Some(value) = value.clone() {
                state.insert(key.clone(), Entry { key: key.clone(), value, create_revision, mod_revision: revision });
            } else if previous.is_none() {
                continue;
            }
            events.push(crate::Event { key: key.clone(), value, previous, create_revision, revision });
        }
        if events.is_empty() {
            return TxnOutcome::Committed(self.revision());
        }
        self.states.push(state);
        self.batches.push(EventBatch { revision, events });
        TxnOutcome::Committed(revision)
    }

    fn range(&self, start: &Bytes, end: &Bytes, limit: usize, at: Revision) -> (Vec<Entry>, u64) {
        let state = &self.states[(at - self.first) as usize];
        let all: Vec<Entry> = state.values().filter(|entry| entry.key >= start && entry.key < end).cloned().collect();
        let kept = if limit == 0 { all.len() } else { limit.min(all.len()) };
        (all[..kept].to_vec(), (all.len() - kept) as u64)
    }
}

fn some_key(choice: &mut Choice) -> Bytes {
    let names = ["", "/", "/a", "/a\0", "/a/", "/a/b", "/a/b\0\0\0\0\0\0\0\x01", "/ab", "/b", "/b/c", "\u{7f}", "/z"];
    key(names[choice.below(names.len() as u64) as usize])
}

fn some_txn(choice: &mut Choice, model: &Model) -> Txn {
    let mut ops: Vec<Op> = Vec::new();
    for _ in 0..=choice.below(4) {
        let key = some_key(choice);
        let written = |op: &Op| matches!(op, Op::Put { key: other, .. } | Op::Delete { key: other } if *other == key);
        if ops.iter().any(written) {
            continue;
        }
        ops.push(match choice.below(3) {
            0 => Op::Delete { key },
            _ => Op::Put { key, value: Bytes::from(vec![b'v'; choice.below(5000) as usize]) },
        });
    }
    let mut compares = Vec::new();
    for _ in 0..choice.below(3) {
        let key = some_key(choice);
        compares.push(match model.now().get(&key) {
            // Mostly true, so that something happens.
            Some(entry) => Compare::ModRevision(key, entry.mod_revision + u64::from(choice.below(8) == 0)),
            None if choice.below(8) == 0 => Compare::ModRevision(key, 1),
            None => Compare::Absent(key),
        });
    }
    let durability = if choice.below(10) == 0 { Durability::Durable } else { Durability::Lazy };
    Txn { compares, ops, durability }
}

pub(super) async fn random_histories_agree_with_a_naive_model(store: Arc<dyn Store>) {
    for seed in 1..=4_u64 {
        let mut choice = Choice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // What an earlier seed left is the model's first state.
        let left = store.range(b"", &prefix_end(b""), 0, None).await.unwrap();
        let state = left.entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let mut model = Model { first: left.revision, states: vec![state], batches: Vec::new(), oldest: left.revision };
        for step in 0..250 {
            let said = format!("seed {seed} step {step}");
            match choice.below(10) {
                0 => {
                    let revision = model.oldest + choice.below(model.revision() - model.oldest + 1) / 2;
                    store.compact(revision).await.unwrap();
                    model.oldest = revision;
                }
                1..=3 => {
                    let (start, end) = (some_key(&mut choice), some_key(&mut choice));
                    let limit = choice.below(5) as usize;
                    let at = model.first + choice.below(model.revision() - model.first + 1);
                    match store.range(&start, &end, limit, Some(at)).await {
                        Ok(page) => {
                            assert!(at >= model.oldest, "{said}: {at} is compacted");
                            let (entries, remaining) = model.range(&start, &end, limit, at);
                            assert_eq!((page.entries, page.remaining), (entries, remaining), "{said}: {start:?}..{end:?} at {at}");
                        }
                        Err(Error::Compacted { .. }) => assert!(at < model.oldest, "{said}: {at} is kept"),
                        Err(error) => panic!("{said}: {error}"),
                    }
                }
                4 => {
                    let prefix = some_key(&mut choice);
                    let after = model.oldest + choice.below(model.revision() - model.oldest + 1);
                    let mut stream = store.watch(&prefix, after).await.unwrap();
                    for expect in model.batches.iter().filter(|batch| batch.revision > after) {
                        let mut expect = expect.clone();
                        expect.events.retain(|event| event.key.starts_with(&prefix));
                        if !expect.events.is_empty() {
                            assert_eq!(batch(&mut stream).await, expect, "{said}: watch of {prefix:?} after {after}");
                        }
                    }
                }
                _ => {
                    let txn = some_txn(&mut choice, &model);
                    let outcome = store.txn(txn.clone()).await.unwrap();
                    assert_eq!(outcome, model.txn(&txn), "{said}: {txn:?}");
                    let key = some_key(&mut choice);
                    assert_eq!(store.get(&key).await.unwrap(), model.now().get(&key).cloned(), "{said}");
                }
            }
            assert_eq!(store.revision(), model.revision(), "{said}");
        }
    }
}
