//! The objects of one kind by name, by uid and by their controller's uid.

use super::{Change, ChangeKind};
use object::Object;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

type Key = (String, String);

#[derive(Default)]
pub(super) struct Index {
    /// Namespace, then name.
    objects: BTreeMap<String, BTreeMap<String, Arc<Object>>>,
    by_uid: HashMap<String, Key>,
    by_owner: HashMap<String, BTreeSet<Key>>,
    count: usize,
}

impl Index {
    pub(super) fn get(&self, ns: &str, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(ns)?.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn list(&self, ns: &str) -> Vec<Arc<Object>> {
        if ns.is_empty() {
            self.objects.values().flat_map(BTreeMap::values).cloned().collect()
        } else {
            self.objects.get(ns).map(|n| n.values().cloned().collect()).unwrap_or_default()
        }
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<Arc<Object>> {
        let (ns, name) = self.by_uid.get(uid)?;
        self.get(ns, name).cloned()
    }

    pub(super) fn by_owner(&self, uid: &str) -> Vec<Arc<Object>> {
        let keys = self.by_owner.get(uid);
        keys.map(|k| k.iter().filter_map(|(ns, name)| self.get(ns, name).cloned()).collect()).unwrap_or_default()
    }

    /// `None` when the object is already known in this version.
    pub(super) fn upsert(&mut self, object: Arc<Object>) -> Option<Change> {
        let known = self.get(object.namespace(), object.name());
        if known.is_some_and(|k| k.resource_version() == object.resource_version() && k.uid() == object.uid()) {
            return None;
        }
        // Deleted and made again unseen is told as a modification, as informers tell it: compare uids where it matters.
        let old = self.take(object.namespace(), object.name());
        let key = (object.namespace().to_owned(), object.name().to_owned());
        if !object.uid().is_empty() {
            self.by_uid.insert(object.uid().to_owned(), key.clone());
        }
        if let Some(owner) = object.controller() {
            self.by_owner.entry(owner.uid).or_default().insert(key.clone());
        }
        self.objects.entry(key.0).or_default().insert(key.1, object.clone());
        self.count += 1;
        let kind = if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        Some(Change::of(kind, old, Some(object)))
    }

    pub(super) fn remove(&mut self, ns: &str, name: &str) -> Option<Change> {
        let old = self.take(ns, name)?;
        Some(Change::of(ChangeKind::Deleted, Some(old), None))
    }

    /// The changes that lead from what is known to `objects`.
    pub(super) fn replace(&mut self, objects: Vec<Arc<Object>>) -> Vec<Change> {
        let kept: BTreeSet<(&str, &str)> = objects.iter().map(|o| (o.namespace(), o.name())).collect();
        let gone: Vec<Arc<Object>> = self.list("").into_iter().filter(|o| !kept.contains(&(o.namespace(), o.name()))).collect();
        let mut changes: Vec<Change> = gone.iter().filter_map(|o| self.remove(o.namespace(), o.name())).collect();
        changes.extend(objects.into_iter().filter_map(|o| self.upsert(o)));
        changes
    }

    fn take(&mut self, ns: &str, name: &str) -> Option<Arc<Object>> {
        let names = self.objects.get_mut(ns)?;
        let old = names.remove(name)?;
        if names.is_empty() {
            self.objects.remove(ns);
        }
        self.count -= 1;
        self.by_uid.remove(old.uid());
        if let Some(owner) = old.controller()
            && let Some(keys) = self.by_owner.get_mut(&owner.uid)
        {
            keys.remove(&(ns.to_owned(), name.to_owned()));
            if keys.is_empty() {
                self.by_owner.remove(&owner.uid);
            }
        }
        Some(old)
    }
}
