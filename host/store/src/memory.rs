//! The engine without a disk: tests, and a server that may forget everything. Keeps all history until [`Store::compact`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;

use crate::hub::{Hub, Limits};
use crate::watcher::QueueLimits;
use crate::{Compare, Entry, Error, Event, EventBatch, Op, Page, Revision, Store, Txn, TxnOutcome};

/// All state in maps under one lock. Writes are never durable, whatever they ask for.
pub struct MemoryStore {
    hub: Hub,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    revision: Revision,
    /// Ranges and watches below this revision fail.
    oldest: Revision,
    current: BTreeMap<Bytes, Entry>,
    /// What was overwritten or deleted, by key and by the revision that did it.
    history: BTreeMap<(Bytes, Revision), Entry>,
    closed: bool,
}

impl MemoryStore {
    pub fn new() -> Arc<Self> {
        // All history stays in the ring, as there is no disk behind it.
        let limits = Limits { ring_events: usize::MAX, ring_bytes: usize::MAX, queue: QueueLimits::default() };
        Arc::new(Self { hub: Hub::new(0, limits), state: Mutex::new(State::default()) })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, Error> {
        Ok(self.state.lock().open()?.current.get(key).cloned())
    }

    async fn range(&self, start: &[u8], end: &[u8], limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        let state = self.state.lock();
        state.open()?;
        let at = at.unwrap_or(state.revision);
        if at > state.revision {
            return Err(Error::Future { requested: at, current: state.revision });
        }
        if at < state.oldest {
            return Err(Error::Compacted { requested: at, oldest: state.oldest });
        }
        let limit = if limit == 0 { usize::MAX } else { limit };
        let mut page = Page { revision: at, ..Page::default() };
        let mut take = |entry: &Entry| {
            if page.entries.len() < limit {
                page.entries.push(entry.clone());
            } else {
                page.remaining += 1;
            }
        };
        if start < end {
            if at == state.revision {
                state.current.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end))).for_each(|(_, entry)| take(entry));
            } else {
                state.keys(start, end).iter().filter_map(|key| state.state_at(key, at)).for_each(&mut take);
            }
        }
        page.more = page.remaining > 0;
        Ok(page)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, Error> {
        crate::distinct_keys(&txn)?;
        let mut state = self.state.lock();
        state.open()?;
        let holds = |compare: &Compare| match compare {
            Compare::Absent(key) => !state.current.contains_key(key),
            Compare::ModRevision(key, revision) => state.current.get(key).is_some_and(|entry| entry.mod_revision == *revision),
        };
        if !txn.compares.iter().all(holds) {
            let found = |compare: &Compare| match compare {
                Compare::Absent(key) | Compare::ModRevision(key, _) => state.current.get(key).cloned(),
            };
            return Ok(TxnOutcome::Failed(txn.compares.iter().map(found).collect()));
        }
        let revision = state.revision + 1;
        let events: Vec<Event> = txn.ops.into_iter().filter_map(|op| state.apply(op, revision)).collect();
        if events.is_empty() {
            return Ok(TxnOutcome::Committed(state.revision));
        }
        state.revision = revision;
        self.hub.publish(vec![EventBatch { revision, events }], revision, || ());
        Ok(TxnOutcome::Committed(revision))
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<BoxStream<'static, Result<EventBatch, Error>>, Error> {
        let state = self.state.lock();
        state.open()?;
        if after < state.oldest {
            return Err(Error::Compacted { requested: after, oldest: state.oldest });
        }
        let (stream, _) = self.hub.watch(prefix, after)?;
        Ok(stream.boxed())
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        let mut state = self.state.lock();
        state.open()?;
        if revision > state.revision {
            return Err(Error::Future { requested: revision, current: state.revision });
        }
        state.oldest = state.oldest.max(revision);
        state.history.retain(|(_, superseded), _| *superseded > revision);
        self.hub.trim(revision);
        Ok(())
    }

    async fn progress(&self) -> Result<Revision, Error> {
        self.state.lock().open()?;
        Ok(self.hub.mark())
    }

    fn revision(&self) -> Revision {
        self.hub.revision()
    }

    async fn close(&self) -> Result<(), Error> {
        self.state.lock().closed = true;
        self.hub.close();
        Ok(())
    }
}

impl State {
    fn open(&self) -> Result<&Self, Error> {
        if self.closed { Err(Error::Closed) } else { Ok(self) }
    }

    fn apply(&mut self, op: Op, revision: Revision) -> Option<Event> {
        let (key, value) = match op {
            Op::Put { key, value } => (key, Some(value)),
            Op::Delete { key } => (key, None),
        };
        let previous = self.current.remove(&key);
        if value.is_none() && previous.is_none() {
            return None;
        }
        if let Some(previous) = &previous {
            self.history.insert((key.clone(), revision), previous.clone());
        }
        let create_revision = previous.as_ref().map_or(revision, |entry| entry.create_revision);
        if let Some(value) = &value {
            let entry = Entry { key: key.clone(), value: value.clone(), create_revision, mod_revision: revision };
            self.current.insert(key.clone(), entry);
        }
        Some(Event { key, value, previous, create_revision, revision })
    }

    /// Every key of the range that exists or existed.
    fn keys(&self, start: &[u8], end: &[u8]) -> BTreeSet<Bytes> {
        let from = (Bytes::copy_from_slice(start), 0);
        let to = (Bytes::copy_from_slice(end), 0);
        let past = self.history.range(from..to).map(|((key, _), _)| key.clone());
        let present = self.current.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end))).map(|(key, _)| key.clone());
        past.chain(present).collect()
    }

    /// The first state that was overwritten after `at`, or the present one, if it existed at `at`.
    fn state_at(&self, key: &Bytes, at: Revision) -> Option<&Entry> {
        let overwritten = self.history.range((key.clone(), at + 1)..=(key.clone(), Revision::MAX)).next().map(|(_, entry)| entry);
        overwritten.or_else(|| self.current.get(key)).filter(|entry| entry.mod_revision <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        for case in crate::suite::CASES {
            eprintln!("memory: {}", case.name);
            (case.run)(MemoryStore::new()).await;
        }
    }
}
