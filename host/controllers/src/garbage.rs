//! Owner references: what is owned goes with its owners. Upstream `pkg/controller/garbagecollector`.
//!
//! Three ways, chosen when the owner is deleted: background (the owner goes, then what it owned), foreground (the owner
//! waits, by finalizer, for what blocks it), orphan (the references are removed, by finalizer, before the owner goes).
//!
//! An owner that no cache shows may be one that no cache has seen yet, so it is read from the API, and compared by uid,
//! before anything is deleted for its absence.

mod graph;

use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, Patch};
use graph::Graph;
use object::gvk::split_api_version;
use object::{Gvk, Gvr, Object, OwnerRef, json};
use parking_lot::RwLock;
use registry::{Kind, Registry, Verb};
use std::collections::HashMap;
use std::sync::Arc;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Written often and owned by nobody who would need them gone: upstream ignores them as well.
const IGNORED: [&str; 1] = ["events"];

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    let registry = context.client.registry().clone();
    Arc::new(GarbageCollector { client: context.client.clone(), registry, caches: RwLock::default(), graph: Graph::default() })
}

fn collected(kind: &Kind) -> bool {
    kind.verbs.contains(&Verb::Watch) && kind.verbs.contains(&Verb::Delete) && !IGNORED.contains(&kind.resource.as_str())
}

struct GarbageCollector {
    client: Client,
    registry: Arc<Registry>,
    /// Of the kinds that are collected now.
    caches: RwLock<HashMap<Gvr, Arc<Cache>>>,
    graph: Graph,
}

/// What is known of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Exists, or is of a kind that is not served: nothing goes for it.
    Solid,
    /// Is being deleted in the foreground and waits for what it owns.
    Waiting,
    Absent,
}

#[async_trait]
impl Controller for GarbageCollector {
    fn watches(&self) -> Vec<Gvr> {
        let kinds: Vec<Gvr> = self.registry.objects().iter().filter(|k| collected(k)).map(|k| k.gvr()).collect();
        *self.caches.write() = kinds.iter().map(|gvr| (gvr.clone(), self.client.cache(gvr))).collect();
        kinds
    }

    fn follows_kinds(&self) -> bool {
        true
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        let key = Key { gvr: gvr.clone(), namespace: change.namespace.clone(), name: change.name.clone() };
        let (old, new) = (change.old.as_deref(), change.new.as_deref());
        self.graph.set(&key, new);
        let mut keys = Vec::new();
        if let Some(gone) = old.filter(|o| new.is_none_or(|n| n.uid() != o.uid())) {
            keys.extend(self.graph.dependents(gone.uid()));
        }
        let owners = |o: Option<&Object>| o.and_then(|o| o.at(&["metadata", "ownerReferences"]).cloned());
        let relations_changed = owners(old) != owners(new);
        // Who waits for this one to go, or to be no longer owned.
        if let Some(before) = old.filter(|_| new.is_none() || relations_changed) {
            keys.extend(before.owners().iter().filter_map(|o| self.waiting_owner(before.namespace(), o)));
        }
        if let Some(now) = new {
            let owned = old.is_none_or(|_| relations_changed) && owners(new).is_some();
            let ends = now.is_deleting() && now.finalizers().iter().any(|f| [FOREGROUND, ORPHAN].contains(f));
            if owned || ends {
                keys.push(key);
            }
        }
        keys
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(object) = self.cached(&key.gvr, &key.namespace, &key.name) else { return Ok(Next::done()) };
        if object.is_deleting() {
            return match object.finalizers() {
                finalizers if finalizers.contains(&ORPHAN) => self.orphan(key, &object).await,
                finalizers if finalizers.contains(&FOREGROUND) => self.wait_for_dependents(key, &object).await,
                _ => Ok(Next::done()),
            };
        }
        self.check_owners(key, &object).await
    }
}

impl GarbageCollector {
    fn cached(&self, gvr: &Gvr, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.caches.read().get(gvr)?.get(namespace, name)
    }

    /// Deletes an object whose owners are all gone, and removes references to gone owners where others remain
    /// (`attemptToDeleteItem`).
    async fn check_owners(&self, key: &Key, object: &Object) -> Result<Next, Error> {
        if self.classify(object).await?.iter().all(|(_, owner)| *owner == Owner::Solid) {
            return Ok(Next::done());
        }
        // From here on something is written: decide on the live state.
        let api = self.client.api(&key.gvr);
        let live = match api.get(&key.namespace, &key.name).await {
            Ok(live) if live.uid() == object.uid() && !live.is_deleting() => live,
            Ok(_) => return Ok(Next::done()),
            Err(e) if e.is_not_found() => return Ok(Next::done()),
            Err(e) => return Err(e.into()),
        };
        let owners = self.classify(&live).await?;
        if owners.is_empty() || owners.iter().all(|(_, owner)| *owner == Owner::Solid) {
            return Ok(Next::done());
        }
        if owners.iter().any(|(_, owner)| *owner == Owner::Solid) {
            let kept: Vec<&OwnerRef> = owners.iter().filter(|(_, owner)| *owner == Owner::Solid).map(|(reference, _)| reference).collect();
            return self.set_owners(key, &live, &json!(kept)).await;
        }
        let waiting = owners.iter().any(|(_, owner)| *owner == Owner::Waiting);
        let dependents = !self.graph.dependents(live.uid()).is_empty();
        let live = if waiting && self.may_be_in_a_cycle(&live) { self.unblock(key, live).await? } else { live };
        let policy = match live.finalizers() {
            // The owner waits in the foreground: what this one owns goes before it, too.
            _ if waiting && dependents => "Foreground",
            finalizers if finalizers.contains(&ORPHAN) => "Orphan",
            finalizers if finalizers.contains(&FOREGROUND) => "Foreground",
            _ => "Background",
        };
        tracing::debug!(kind = live.kind(), namespace = live.namespace(), name = live.name(), policy, "no owner is left");
        let options = DeleteOptions {
            uid: Some(live.uid().to_owned()),
            resource_version: Some(live.resource_version().to_owned()),
            propagation: Some(policy.to_owned()),
            ..DeleteOptions::default()
        };
        match api.delete(&key.namespace, &key.name, &options).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(Next::done()),
        }
    }

    /// What is owned waits in the foreground as the owner does: perhaps each for the other. Upstream's test, which is true more
    /// often than there is a cycle; then an owner only waits for less than it could.
    fn may_be_in_a_cycle(&self, object: &Object) -> bool {
        let dependents = self.graph.dependents(object.uid());
        let mut present = dependents.iter().filter_map(|d| self.cached(&d.gvr, &d.namespace, &d.name));
        present.any(|dependent| state(&dependent) == Owner::Waiting)
    }

    /// No owner waits for the object any more (`unblockOwnerReferencesStrategicMergePatch`).
    async fn unblock(&self, key: &Key, live: Object) -> Result<Object, Error> {
        let mut owners = live.owners();
        if owners.iter().all(|o| o.block_owner_deletion != Some(true)) {
            return Ok(live);
        }
        owners.iter_mut().filter(|o| o.block_owner_deletion == Some(true)).for_each(|o| o.block_owner_deletion = Some(false));
        self.set_owners(key, &live, &json!(owners)).await?;
        match self.client.api(&key.gvr).get(&key.namespace, &key.name).await {
            Ok(changed) => Ok(changed),
            Err(e) if e.is_not_found() => Ok(live),
            Err(e) => Err(e.into()),
        }
    }

    /// Foreground: sends what is owned on its way, and ends the wait when nothing blocks any more
    /// (`processDeletingDependentsItem`).
    async fn wait_for_dependents(&self, key: &Key, object: &Object) -> Result<Next, Error> {
        let mut also = Vec::new();
        let mut blocked = false;
        for dependent in self.graph.dependents(object.uid()) {
            let Some(present) = self.cached(&dependent.gvr, &dependent.namespace, &dependent.name) else {
                continue;
            };
            blocked |= present.owners().iter().any(|o| o.uid == object.uid() && o.block_owner_deletion == Some(true));
            if !present.is_deleting() {
                also.push(dependent);
            }
        }
        if !blocked {
            self.remove_finalizer(key, object, FOREGROUND).await?;
        }
        Ok(Next { after: None, also })
    }

    /// Orphan: what is owned loses the reference, then the owner may go (`attemptToOrphan`).
    async fn orphan(&self, key: &Key, object: &Object) -> Result<Next, Error> {
        for dependent in self.graph.dependents(object.uid()) {
            let live = match self.client.api(&dependent.gvr).get(&dependent.namespace, &dependent.name).await {
                Ok(live) => live,
                Err(e) if e.is_not_found() => continue,
                Err(e) => return Err(e.into()),
            };
            let kept: Vec<OwnerRef> = live.owners().into_iter().filter(|o| o.uid != object.uid()).collect();
            if kept.len() != live.owners().len() {
                self.set_owners(&dependent, &live, &json!(kept)).await?;
            }
        }
        self.remove_finalizer(key, object, ORPHAN).await?;
        Ok(Next::done())
    }

    async fn set_owners(&self, key: &Key, live: &Object, owners: &object::Value) -> Result<Next, Error> {
        let owners = if owners.as_array().is_none_or(Vec::is_empty) { json!(null) } else { owners.clone() };
        let metadata = json!({ "uid": live.uid(), "resourceVersion": live.resource_version(), "ownerReferences": owners });
        self.patch(key, json!({ "metadata": metadata })).await
    }

    async fn remove_finalizer(&self, key: &Key, object: &Object, finalizer: &str) -> Result<(), Error> {
        let kept: Vec<&str> = object.finalizers().into_iter().filter(|f| *f != finalizer).collect();
        let kept = if kept.is_empty() { json!(null) } else { json!(kept) };
        let metadata = json!({ "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": kept });
        self.patch(key, json!({ "metadata": metadata })).await.map(drop)
    }

    async fn patch(&self, key: &Key, patch: object::Value) -> Result<Next, Error> {
        match self.client.api(&key.gvr).patch(&key.namespace, &key.name, None, &Patch::Merge(patch)).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(Next::done()),
        }
    }

    async fn classify(&self, object: &Object) -> Result<Vec<(OwnerRef, Owner)>, Error> {
        let mut classified = Vec::new();
        for reference in object.owners() {
            let owner = self.owner(object.namespace(), &reference).await?;
            classified.push((reference, owner));
        }
        Ok(classified)
    }

    async fn owner(&self, namespace: &str, reference: &OwnerRef) -> Result<Owner, Error> {
        let Some(kind) = self.kind(reference) else { return Ok(Owner::Solid) };
        // An owner in a namespace cannot own what is in none: such a reference is a mistake, not an absence.
        if kind.is_namespaced() && namespace.is_empty() {
            return Ok(Owner::Solid);
        }
        let place = if kind.is_namespaced() { namespace } else { "" };
        let gvr = kind.gvr();
        let cached = self.cached(&gvr, place, &reference.name).filter(|o| o.uid() == reference.uid);
        if let Some(owner) = cached {
            return Ok(state(&owner));
        }
        match self.client.api(&gvr).get(place, &reference.name).await {
            Ok(live) if live.uid() == reference.uid => Ok(state(&live)),
            Ok(_) => Ok(Owner::Absent),
            Err(e) if e.is_not_found() => Ok(Owner::Absent),
            Err(e) => Err(e.into()),
        }
    }

    fn waiting_owner(&self, namespace: &str, reference: &OwnerRef) -> Option<Key> {
        let kind = self.kind(reference)?;
        let place = if kind.is_namespaced() { namespace } else { "" };
        let owner = self.cached(&kind.gvr(), place, &reference.name)?;
        let waits = owner.uid() == reference.uid && state(&owner) == Owner::Waiting;
        waits.then(|| Key { gvr: kind.gvr(), namespace: place.to_owned(), name: reference.name.clone() })
    }

    fn kind(&self, reference: &OwnerRef) -> Option<Arc<Kind>> {
        let (group, version) = split_api_version(&reference.api_version);
        self.registry.kind_of(&Gvk::new(group, version, &reference.kind))
    }
}

fn state(owner: &Object) -> Owner {
    if owner.is_deleting() && owner.finalizers().contains(&FOREGROUND) { Owner::Waiting } else { Owner::Solid }
}
