//! Writes that a cache has not shown yet.
//!
//! A controller that counts what its cache shows and creates what is missing would create twice while the cache is behind.
//! So it remembers, per key, the revision of its newest write and the objects it asked to delete, and does not count until
//! the cache has seen them (upstream: `ControllerExpectations`, which counts events instead).

use crate::run::Key;
use client::Cache;
use object::Object;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};

#[derive(Debug, Default)]
pub(crate) struct Pending {
    keys: Mutex<HashMap<Key, Writes>>,
}

#[derive(Debug, Default)]
struct Writes {
    revision: u64,
    deleted: HashSet<String>,
}

impl Pending {
    /// An object was written and answered with this state.
    pub(crate) fn wrote(&self, key: &Key, answer: &Object) {
        let revision = answer.resource_version().parse().unwrap_or_default();
        let mut keys = self.keys.lock();
        let writes = keys.entry(key.clone()).or_default();
        writes.revision = writes.revision.max(revision);
    }

    /// The deletion of an object was accepted.
    pub(crate) fn deleted(&self, key: &Key, uid: &str) {
        self.keys.lock().entry(key.clone()).or_default().deleted.insert(uid.to_owned());
    }

    /// Whether the cache has seen all writes. When not, the missing change itself brings the key back.
    pub(crate) fn is_seen(&self, key: &Key, cache: &Cache) -> bool {
        let mut keys = self.keys.lock();
        let Some(writes) = keys.get_mut(key) else { return true };
        // A change is told before its revision is noted, both under the cache's lock; passing through the lock orders them.
        let _ = cache.is_empty();
        writes.deleted.retain(|uid| cache.by_uid(uid).is_some_and(|o| !o.is_deleting()));
        let seen = writes.deleted.is_empty() && cache.resource_version() >= writes.revision;
        if seen {
            keys.remove(key);
        }
        seen
    }

    pub(crate) fn forget(&self, key: &Key) {
        self.keys.lock().remove(key);
    }
}
