//! Replica sets: as many pods of a template as wanted. Upstream `pkg/controller/replicaset/replica_set.go`.

mod rank;
mod status;

use crate::claim::Claimer;
use crate::error::Error;
use crate::pending::Pending;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{controller_reference, int, opt_int, pod};
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, Recorder, Type, gvr};
use futures::future::join_all;
use object::selector::LabelSelector;
use object::{Gvr, Map, Object, Value, json};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

/// At most so many pods are created or deleted at one go (`BurstReplicas`).
const BURST: usize = 500;

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(ReplicaSets {
        client: context.client.clone(),
        sets: context.client.cache(&gvr::replica_sets()),
        pods: context.client.cache(&gvr::pods()),
        events: context.client.recorder("replicaset-controller", ""),
        pending: Pending::default(),
        orphans: Mutex::default(),
    })
}

struct ReplicaSets {
    client: Client,
    sets: Arc<Cache>,
    pods: Arc<Cache>,
    events: Recorder,
    pending: Pending,
    /// Pods that nobody controls, by namespace: the only ones that can be adopted.
    orphans: Mutex<HashMap<String, HashSet<String>>>,
}

#[async_trait]
impl Controller for ReplicaSets {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::replica_sets(), gvr::pods()]
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        if gvr.resource == "replicasets" {
            let replaced = change.old.as_ref().zip(change.new.as_ref()).is_some_and(|(old, new)| old.uid() != new.uid());
            if change.new.is_none() || replaced {
                self.pending.forget(&Key::changed(change));
            }
            return vec![Key::changed(change)];
        }
        self.note_orphan(change);
        let owner = |pod: &Arc<Object>| pod.controller().filter(|c| c.kind == "ReplicaSet");
        let mut keys: Vec<Key> = [&change.old, &change.new]
            .into_iter()
            .flatten()
            .filter_map(owner)
            .filter(|c| self.sets.get(&change.namespace, &c.name).is_some_and(|rs| rs.uid() == c.uid))
            .map(|c| Key::new(&change.namespace, &c.name))
            .collect();
        if let Some(orphan) = change.new.as_ref().filter(|p| p.controller().is_none()) {
            let sets = self.sets.list(&change.namespace);
            keys.extend(sets.iter().filter(|rs| selector(rs).matches_object(orphan)).map(|rs| Key::of(rs)));
        }
        keys
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(set) = self.sets.get(&key.namespace, &key.name) else { return Ok(Next::done()) };
        let selector = selector(&set);
        if selector.is_nothing() {
            return Ok(Next::done());
        }
        let counts = self.pending.is_seen(key, &self.pods);
        let owned = Claimer::new(&self.client, gvr::replica_sets(), &set, selector)
            .claim(&gvr::pods(), self.candidates(&set), pod::is_active)
            .await?;
        let active: Vec<Arc<Object>> = owned.iter().filter(|p| pod::is_active(p)).cloned().collect();
        let failure = if counts && !set.is_deleting() { self.manage(key, &set, &active).await.err() } else { None };
        self.write_status(&set, &owned, failure.as_ref()).await?;
        if let Some(Failure { error, .. }) = failure {
            return Err(error);
        }
        let now = SystemTime::now();
        let min_ready = int(&set, &["spec", "minReadySeconds"]);
        let soonest = active.iter().filter_map(|p| pod::until_available(p, min_ready, now)).filter(|d| !d.is_zero()).min();
        Ok(Next::done().sooner(soonest))
    }
}

/// Why pods could not all be created or deleted.
struct Failure {
    reason: &'static str,
    error: Error,
}

impl ReplicaSets {
    /// What the set may own: what it controls, and the namespace's orphans.
    fn candidates(&self, set: &Object) -> Vec<Arc<Object>> {
        let mut candidates = self.pods.by_owner(set.uid());
        let orphans: Vec<String> = self.orphans.lock().get(set.namespace()).map(|o| o.iter().cloned().collect()).unwrap_or_default();
        candidates.extend(orphans.iter().filter_map(|name| self.pods.get(set.namespace(), name)));
        candidates
    }

    fn note_orphan(&self, change: &Change) {
        let mut orphans = self.orphans.lock();
        if change.new.as_ref().is_some_and(|p| p.controller().is_none() && pod::is_active(p)) {
            orphans.entry(change.namespace.clone()).or_default().insert(change.name.clone());
        } else if let Some(names) = orphans.get_mut(&change.namespace) {
            names.remove(&change.name);
            if names.is_empty() {
                orphans.remove(&change.namespace);
            }
        }
    }

    async fn manage(&self, key: &Key, set: &Object, active: &[Arc<Object>]) -> Result<(), Failure> {
        let wanted = usize::try_from(opt_int(set, &["spec", "replicas"]).unwrap_or(1)).unwrap_or_default();
        if active.len() < wanted {
            let missing = (wanted - active.len()).min(BURST);
            self.create(key, set, missing).await.map_err(|error| Failure { reason: "FailedCreate", error })
        } else if active.len() > wanted {
            let surplus = (active.len() - wanted).min(BURST);
            let related = self.related(set);
            let doomed = rank::to_delete(active, &related, surplus, SystemTime::now());
            self.delete(key, set, &doomed).await.map_err(|error| Failure { reason: "FailedDelete", error })
        } else {
            Ok(())
        }
    }

    /// Batches of 1, 2, 4, …: a create that always fails is not tried hundreds of times (`slowStartBatch`).
    async fn create(&self, key: &Key, set: &Object, missing: usize) -> Result<(), Error> {
        let pod = pod_of(set);
        let api = self.client.api(&gvr::pods());
        let (mut left, mut batch) = (missing, 1_usize);
        while left > 0 {
            let size = batch.min(left);
            let answers = join_all((0..size).map(|_| api.create(set.namespace(), &pod))).await;
            let mut failed = None;
            for answer in answers {
                match answer {
                    Ok(made) => {
                        self.pending.wrote(key, &made);
                        self.events.event(&set.reference(), Type::Normal, "SuccessfulCreate", &format!("Created pod: {}", made.name()));
                    }
                    // The namespace goes, and the set with it.
                    Err(e) if e.is_namespace_terminating() => return Ok(()),
                    Err(e) => {
                        self.events.event(&set.reference(), Type::Warning, "FailedCreate", &format!("Error creating: {}", e.chain()));
                        failed = Some(e);
                    }
                }
            }
            if let Some(error) = failed {
                return Err(error.into());
            }
            left -= size;
            batch *= 2;
        }
        Ok(())
    }

    async fn delete(&self, key: &Key, set: &Object, doomed: &[Arc<Object>]) -> Result<(), Error> {
        let api = self.client.api(&gvr::pods());
        let one = async |pod: &Object| {
            let options = DeleteOptions { uid: Some(pod.uid().to_owned()), ..DeleteOptions::default() };
            match api.delete(pod.namespace(), pod.name(), &options).await {
                Ok(()) => {
                    self.pending.deleted(key, pod.uid());
                    self.events.event(&set.reference(), Type::Normal, "SuccessfulDelete", &format!("Deleted pod: {}", pod.name()));
                    Ok(())
                }
                Err(e) if e.is_not_found() || e.is_conflict() => Ok(()),
                Err(e) => {
                    self.events.event(&set.reference(), Type::Warning, "FailedDelete", &format!("Error deleting: {}", e.chain()));
                    Err(e)
                }
            }
        };
        let answers = join_all(doomed.iter().map(|pod| one(pod))).await;
        answers.into_iter().collect::<Result<(), _>>().map_err(Error::from)
    }

    /// Active pods of all sets with the same controller: one rollout spreads its deletions over nodes.
    fn related(&self, set: &Object) -> Vec<Arc<Object>> {
        let siblings = match set.controller() {
            Some(controller) => self.sets.by_owner(&controller.uid),
            None => Vec::new(),
        };
        let uids = siblings.iter().map(|rs| rs.uid().to_owned()).chain([set.uid().to_owned()]);
        let uids: HashSet<String> = uids.collect();
        uids.iter().flat_map(|uid| self.pods.by_owner(uid)).filter(|p| pod::is_active(p)).collect()
    }

    async fn write_status(&self, set: &Object, owned: &[Arc<Object>], failure: Option<&Failure>) -> Result<(), Error> {
        let told = failure.map(|f| (f.reason, f.error.to_string()));
        let new = status::of(set, owned, told, SystemTime::now());
        let unchanged = set.at(&["status"]).is_some_and(|old| status::same(old, &new));
        if unchanged {
            return Ok(());
        }
        let mut changed = Object::clone(set);
        changed.set_at(&["status"], new);
        match self.client.api(&gvr::replica_sets()).update_status(set.namespace(), &changed).await {
            Ok(_) => Ok(()),
            Err(e) if e.is_not_found() => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// A selector that cannot be read selects nothing: the API refuses to store one.
fn selector(set: &Object) -> LabelSelector {
    let written = set.at(&["spec", "selector"]).unwrap_or(&Value::Null);
    LabelSelector::from_value(written).unwrap_or_else(|_| LabelSelector::nothing())
}

/// A pod of the set's template: `GetPodFromTemplate`.
fn pod_of(set: &Object) -> Object {
    let mut metadata = Map::new();
    for part in ["labels", "annotations", "finalizers"] {
        if let Some(value) = set.at(&["spec", "template", "metadata", part]).filter(|v| !v.is_null()) {
            metadata.insert(part.to_owned(), value.clone());
        }
    }
    metadata.insert("generateName".to_owned(), json!(format!("{}-", set.name())));
    metadata.insert("namespace".to_owned(), json!(set.namespace()));
    metadata.insert("ownerReferences".to_owned(), json!([controller_reference(set)]));
    let mut root = Map::new();
    root.insert("apiVersion".to_owned(), json!("v1"));
    root.insert("kind".to_owned(), json!("Pod"));
    root.insert("metadata".to_owned(), Value::Object(metadata));
    root.insert("spec".to_owned(), set.at(&["spec", "template", "spec"]).cloned().unwrap_or_else(|| json!({})));
    Object::from_map(root)
}
