//! The cache of one kind: current items and the ring of recent changes.

use super::item::{Change, ChangeType, Item};
use crate::crd;
use parking_lot::RwLock;
use registry::Kind;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Entry;
use tokio::sync::watch;

/// Changes kept for watchers at most. A burst of a few thousand pods times their status changes fits.
const RING_MAX: usize = 16_384;
/// Bytes of JSON that the ring keeps alive at most, so that an edge board's memory is not eaten by history.
const RING_BYTES: usize = 16 * 1024 * 1024;
/// Changes younger than this are kept within the bounds above; older ones are dropped. Upstream keeps at least 75 s.
const RING_AGE: Duration = Duration::from_secs(180);

pub struct KindCache {
    pub kind: Arc<Kind>,
    state: RwLock<State>,
    /// The revision of the last change, or the epoch's end: wakes watchers.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    items: BTreeMap<Arc<str>, Arc<Item>>,
    ring: VecDeque<(Instant, Arc<Change>)>,
    ring_bytes: usize,
    /// The ring holds every change after this revision.
    oldest: u64,
    /// Of the last change.
    revision: u64,
    /// Raised when the cache was loaded anew: watchers of an older epoch end.
    epoch: u64,
    /// No more changes come: watchers are told what is left, and end.
    ended: bool,
}

/// Items of one moment.
pub struct Snapshot {
    pub items: Vec<Arc<Item>>,
    /// Of the kind's last change.
    pub revision: u64,
    /// Items left in the range after a limit.
    pub remaining: usize,
}

/// What a watcher finds at its cursor.
pub enum Ahead {
    Changes(Vec<Arc<Change>>),
    /// The cursor lies before the ring.
    Behind,
    /// The cache was loaded anew since.
    Gone,
}

impl KindCache {
    pub fn new(kind: Arc<Kind>) -> Self {
        Self { kind, state: RwLock::default(), changed: watch::Sender::new(0) }
    }

    pub fn get(&self, key: &str) -> Option<Arc<Item>> {
        self.state.read().items.get(key).cloned()
    }

    /// Items of a namespace (`""`: all) after a key, that the filter takes, at most `limit` (0: all).
    pub fn snapshot(&self, namespace: &str, after: Option<&str>, limit: usize, filter: impl Fn(&Item) -> bool) -> Snapshot {
        let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        let (found, revision) = {
            let state = self.state.read();
            let from = match after {
                Some(after) => Bound::Excluded(after),
                None => Bound::Included(prefix.as_str()),
            };
            let range = state.items.range::<str, _>((from, Bound::Unbounded));
            let found: Vec<Arc<Item>> = range.take_while(|(key, _)| key.starts_with(&prefix)).map(|(_, item)| item.clone()).collect();
            (found, state.revision)
        };
        // Selectors are asked outside the lock.
        let mut items: Vec<Arc<Item>> = found.into_iter().filter(|item| filter(item)).collect();
        let remaining = if limit > 0 { items.len().saturating_sub(limit) } else { 0 };
        if limit > 0 {
            items.truncate(limit);
        }
        Snapshot { items, revision, remaining }
    }

    pub fn len(&self) -> usize {
        self.state.read().items.len()
    }

    /// Of the last change of this kind.
    pub fn revision(&self) -> u64 {
        self.state.read().revision
    }

    pub fn epoch(&self) -> u64 {
        self.state.read().epoch
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Changes after a revision.
    pub fn ahead(&self, after: u64, epoch: u64) -> Ahead {
        let state = self.state.read();
        if state.epoch != epoch {
            return Ahead::Gone;
        }
        if after < state.oldest {
            return Ahead::Behind;
        }
        let from = state.ring.partition_point(|(_, change)| change.revision <= after);
        Ahead::Changes(state.ring.range(from..).map(|(_, change)| change.clone()).collect())
    }

    /// Loads the kind anew.
    pub fn replace(&self, entries: Vec<Entry>, revision: u64) {
        let prefix = self.kind.storage_prefix();
        let items = entries.into_iter().filter_map(|entry| {
            let key: Arc<str> = std::str::from_utf8(&entry.key).ok()?.strip_prefix(&prefix)?.into();
            match Item::from_stored(key.clone(), &crd::shown(&self.kind, &entry.value), entry.create_revision, entry.mod_revision) {
                Ok(item) => Some((key, Arc::new(item))),
                Err(error) => {
                    tracing::error!(%error, %key, "a stored object is unreadable");
                    None
                }
            }
        });
        let items: BTreeMap<_, _> = items.collect();
        let mut state = self.state.write();
        let epoch = state.epoch + 1;
        *state = State { items, oldest: revision, revision, epoch, ..State::default() };
        drop(state);
        self.changed.send_replace(revision);
    }

    pub fn is_ended(&self) -> bool {
        self.state.read().ended
    }

    /// Its row is gone or another one: watchers end.
    pub fn end(&self) {
        let revision = {
            let mut state = self.state.write();
            state.ended = true;
            state.revision
        };
        self.changed.send_replace(revision);
    }

    /// Lets go of changes that are too old.
    pub fn trim(&self) {
        self.state.write().trim();
    }

    /// One write of the store.
    pub fn apply(&self, key: &str, value: Option<&[u8]>, create_revision: u64, revision: u64) {
        let new = match value.map(|v| Item::from_stored(key.into(), &crd::shown(&self.kind, v), create_revision, revision)).transpose() {
            Ok(item) => item.map(Arc::new),
            Err(error) => {
                tracing::error!(%error, %key, "a stored object is unreadable");
                return;
            }
        };
        let mut state = self.state.write();
        let change = match new {
            Some(item) => {
                let previous = state.items.insert(item.key.clone(), item.clone());
                let ty = if previous.is_some() { ChangeType::Modified } else { ChangeType::Added };
                Change::new(ty, item, previous)
            }
            None => {
                let Some(previous) = state.items.remove(key) else { return };
                let Ok(last) = previous.at(revision) else { return };
                Change::new(ChangeType::Deleted, Arc::new(last), Some(previous))
            }
        };
        state.revision = revision;
        state.ring_bytes += weight(&change);
        state.ring.push_back((Instant::now(), Arc::new(change)));
        state.trim();
        drop(state);
        self.changed.send_replace(revision);
    }
}

fn weight(change: &Change) -> usize {
    change.item.json.len()
}

impl State {
    fn trim(&mut self) {
        while let Some((at, change)) = self.ring.front() {
            let fits = self.ring.len() <= RING_MAX && self.ring_bytes <= RING_BYTES && at.elapsed() < RING_AGE;
            // The last change always stays: its watchers have not seen it yet.
            if fits || self.ring.len() == 1 {
                return;
            }
            self.oldest = change.revision;
            self.ring_bytes = self.ring_bytes.saturating_sub(weight(change));
            self.ring.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored;
    use object::{Object, json};

    fn value(name: &str) -> bytes::Bytes {
        let object = Object::from_value(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } })).unwrap();
        stored::encode(&object).unwrap()
    }

    fn cache() -> KindCache {
        let registry = registry::Registry::builtin();
        KindCache::new(registry.resource_by_name("", "v1", "configmaps").unwrap())
    }

    fn told(cache: &KindCache, after: u64) -> String {
        match cache.ahead(after, cache.epoch()) {
            Ahead::Changes(changes) => changes.iter().map(|c| format!("{}@{} ", c.ty.as_str(), c.revision)).collect(),
            Ahead::Behind => "behind".to_owned(),
            Ahead::Gone => "gone".to_owned(),
        }
    }

    #[test]
    fn a_cursor_finds_what_is_ahead() {
        let cache = cache();
        cache.replace(Vec::new(), 3);
        let first = cache.epoch();
        cache.apply("ns/a", Some(&value("a")), 5, 5);
        cache.apply("ns/a", Some(&value("a")), 5, 7);
        cache.apply("ns/b", None, 0, 8);
        cache.apply("ns/a", None, 0, 9);
        assert_eq!(told(&cache, 2), "behind");
        assert_eq!(told(&cache, 3), "ADDED@5 MODIFIED@7 DELETED@9 ");
        assert_eq!(told(&cache, 5), "MODIFIED@7 DELETED@9 ");
        assert_eq!(told(&cache, 9), "");
        assert_eq!((cache.len(), cache.revision()), (0, 9));
        cache.replace(Vec::new(), 12);
        assert!(matches!(cache.ahead(9, first), Ahead::Gone));
    }

    #[test]
    fn the_ring_is_bounded() {
        let cache = cache();
        cache.replace(Vec::new(), 0);
        let value = value("a");
        let last = RING_MAX as u64 + 100;
        for revision in 1..=last {
            cache.apply("ns/a", Some(&value), 1, revision);
        }
        // Who stayed at the start is too slow; who kept up sees the rest.
        assert_eq!(told(&cache, 99), "behind");
        assert!(matches!(cache.ahead(100, cache.epoch()), Ahead::Changes(changes) if changes.len() == RING_MAX));
        assert_eq!(told(&cache, last - 1), format!("MODIFIED@{last} "));
    }
}
