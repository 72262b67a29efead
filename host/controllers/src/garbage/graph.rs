//! Who is owned by whom, by uid: kept up to date by the caches' changes.

use crate::run::Key;
use object::Object;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};

#[derive(Debug, Default)]
pub(super) struct Graph {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    dependents: HashMap<String, HashSet<Key>>,
    /// The owners' uids of each owned object.
    owners: HashMap<Key, Vec<String>>,
}

impl Graph {
    /// Notes the owners of an object; `None` when it is gone.
    pub(super) fn set(&self, key: &Key, object: Option<&Object>) {
        let now: Vec<String> = object.map(|o| o.owners().into_iter().map(|r| r.uid).collect()).unwrap_or_default();
        let mut inner = self.inner.lock();
        let before = if now.is_empty() { inner.owners.remove(key) } else { inner.owners.insert(key.clone(), now.clone()) };
        for uid in before.iter().flatten().filter(|uid| !now.contains(uid)) {
            if let Some(keys) = inner.dependents.get_mut(uid) {
                keys.remove(key);
                if keys.is_empty() {
                    inner.dependents.remove(uid);
                }
            }
        }
        for uid in now {
            inner.dependents.entry(uid).or_default().insert(key.clone());
        }
    }

    pub(super) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.inner.lock().dependents.get(uid).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn relations_follow_the_objects() {
        let graph = Graph::default();
        let owned = |uids: &[&str]| {
            let references: Vec<_> = uids.iter().map(|uid| json!({"uid": uid})).collect();
            Object::from_value(json!({"metadata": {"ownerReferences": references}})).unwrap()
        };
        let key = Key::new("n", "a");
        graph.set(&key, Some(&owned(&["x", "y"])));
        graph.set(&Key::new("n", "b"), Some(&owned(&["x"])));
        assert_eq!(graph.dependents("x").len(), 2);
        graph.set(&key, Some(&owned(&["y", "z"])));
        assert_eq!((graph.dependents("x").len(), graph.dependents("z")), (1, vec![key.clone()]));
        graph.set(&key, None);
        assert!(graph.dependents("y").is_empty() && graph.dependents("z").is_empty());
        assert!(graph.inner.lock().owners.len() == 1);
    }
}
