//! Deployments: rollouts of pod templates by replica sets. Upstream `pkg/controller/deployment`.
//!
//! `numbers.rs` computes (how many, which first), `revision.rs` finds and makes the replica set of the current template,
//! `rolling.rs` and `scale.rs` change sizes, `status.rs` tells what came of it.

mod numbers;
mod revision;
mod rolling;
mod scale;
mod status;

use crate::claim::Claimer;
use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{flag, pod};
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, Recorder, Type, gvr};
use object::selector::LabelSelector;
use object::{Gvr, Object, Value, json};
use std::sync::Arc;

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(Deployments {
        client: context.client.clone(),
        deployments: context.client.cache(&gvr::deployments()),
        sets: context.client.cache(&gvr::replica_sets()),
        pods: context.client.cache(&gvr::pods()),
        events: context.client.recorder("deployment-controller", ""),
    })
}

struct Deployments {
    client: Client,
    deployments: Arc<Cache>,
    sets: Arc<Cache>,
    pods: Arc<Cache>,
    events: Recorder,
}

/// A deployment with its replica sets, during one reconcile.
struct Rollout {
    deployment: Object,
    /// Of the current template.
    new: Option<Arc<Object>>,
    /// Of earlier templates, oldest first.
    old: Vec<Arc<Object>>,
}

#[async_trait]
impl Controller for Deployments {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::deployments(), gvr::replica_sets(), gvr::pods()]
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        match gvr.resource.as_str() {
            "deployments" => vec![Key::changed(change)],
            "replicasets" => self.keys_of_set(change),
            // A deployment that recreates waits for its last old pod to go.
            _ if change.new.is_none() => self.keys_of_gone_pod(change),
            _ => Vec::new(),
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(cached) = self.deployments.get(&key.namespace, &key.name) else { return Ok(Next::done()) };
        let selector = selector(&cached);
        if selector.is_everything() {
            let words = "This deployment is selecting all pods. A non-empty selector is required.";
            self.events.event(&cached.reference(), Type::Warning, "SelectingAll", words);
            return Ok(Next::done());
        }
        let candidates = self.sets.list(&key.namespace);
        let sets =
            Claimer::new(&self.client, gvr::deployments(), &cached, selector).claim(&gvr::replica_sets(), candidates, |_| true).await?;
        let deployment = Object::clone(&cached);
        if deployment.is_deleting() {
            let rollout = revision::find(deployment, sets);
            return self.write_status(&rollout, false).await;
        }
        let deployment = self.note_pause(deployment).await?;
        let found = revision::find(deployment, sets);
        if flag(&found.deployment, &["spec", "paused"]) || numbers::is_scaling(&found) {
            return self.scale_only(found).await;
        }
        match found.deployment.str_at(&["spec", "strategy", "type"]) {
            "Recreate" => self.recreate(found).await,
            _ => self.roll(found).await,
        }
    }
}

impl Deployments {
    fn keys_of_set(&self, change: &Change) -> Vec<Key> {
        let controlled = |set: &Arc<Object>| set.controller().filter(|c| c.kind == "Deployment");
        let mut keys: Vec<Key> = [&change.old, &change.new]
            .into_iter()
            .flatten()
            .filter_map(controlled)
            .filter(|c| self.deployments.get(&change.namespace, &c.name).is_some_and(|d| d.uid() == c.uid))
            .map(|c| Key::new(&change.namespace, &c.name))
            .collect();
        if let Some(orphan) = change.new.as_ref().filter(|s| s.controller().is_none()) {
            let all = self.deployments.list(&change.namespace);
            keys.extend(all.iter().filter(|d| selector(d).matches_object(orphan)).map(|d| Key::of(d)));
        }
        keys
    }

    fn keys_of_gone_pod(&self, change: &Change) -> Vec<Key> {
        let set = change.old.as_ref().and_then(|p| p.controller()).filter(|c| c.kind == "ReplicaSet");
        let set = set.and_then(|c| self.sets.get(&change.namespace, &c.name).filter(|s| s.uid() == c.uid));
        let deployment = set.and_then(|s| s.controller()).and_then(|c| self.deployments.get(&change.namespace, &c.name));
        let recreates = deployment.filter(|d| d.str_at(&["spec", "strategy", "type"]) == "Recreate");
        recreates.map(|d| Key::of(&d)).into_iter().collect()
    }

    /// Paused, or resized: sizes follow, but no new revision is begun (`sync`).
    async fn scale_only(&self, mut rollout: Rollout) -> Result<Next, Error> {
        self.refresh_new(&mut rollout).await?;
        self.scale(&mut rollout).await?;
        if flag(&rollout.deployment, &["spec", "paused"]) {
            self.clean_up(&rollout).await?;
        }
        self.write_status(&rollout, false).await
    }

    /// `rolloutRolling`: at most one step up or down at a time, then the status; the change of a set brings the next.
    async fn roll(&self, mut rollout: Rollout) -> Result<Next, Error> {
        self.ensure_new(&mut rollout).await?;
        let moved = self.grow_new(&mut rollout).await? || self.shrink_old(&mut rollout).await?;
        if !moved && status::is_complete(&rollout.deployment, status::current(&rollout.deployment)) {
            self.clean_up(&rollout).await?;
        }
        self.write_status(&rollout, true).await
    }

    /// `rolloutRecreate`: all old pods end before the first new one begins.
    async fn recreate(&self, mut rollout: Rollout) -> Result<Next, Error> {
        self.refresh_new(&mut rollout).await?;
        if self.shrink_old_to_zero(&mut rollout).await? || self.old_pods_run(&rollout) {
            return self.write_status(&rollout, true).await;
        }
        self.ensure_new(&mut rollout).await?;
        let wanted = numbers::replicas(&rollout.deployment);
        if let Some(new) = rollout.new.clone() {
            rollout.new = Some(self.resize(&rollout.deployment, &new, wanted).await?.0);
        }
        if status::is_complete(&rollout.deployment, status::current(&rollout.deployment)) {
            self.clean_up(&rollout).await?;
        }
        self.write_status(&rollout, true).await
    }

    fn old_pods_run(&self, rollout: &Rollout) -> bool {
        let running = |set: &Arc<Object>| self.pods.by_owner(set.uid()).iter().any(|p| !pod::is_terminal(p));
        rollout.old.iter().any(running)
    }

    /// Deletes the oldest empty sets beyond `revisionHistoryLimit` (`cleanupDeployment`).
    async fn clean_up(&self, rollout: &Rollout) -> Result<(), Error> {
        let Some(limit) = rollout.deployment.at(&["spec", "revisionHistoryLimit"]).and_then(Value::as_u64) else { return Ok(()) };
        let mut sets: Vec<&Arc<Object>> = rollout.old.iter().filter(|s| !s.is_deleting()).collect();
        let surplus = sets.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        sets.sort_by_key(|s| revision::of(s));
        for set in sets.into_iter().take(surplus).filter(|s| numbers::is_empty(s)) {
            let options = DeleteOptions { uid: Some(set.uid().to_owned()), ..DeleteOptions::default() };
            match self.client.api(&gvr::replica_sets()).delete(set.namespace(), set.name(), &options).await {
                Err(e) if !e.is_not_found() => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Sets a size and the annotations that proportional scaling reads; tells whether the size changed
    /// (`scaleReplicaSet`).
    async fn resize(&self, deployment: &Object, set: &Arc<Object>, size: i64) -> Result<(Arc<Object>, bool), Error> {
        let before = numbers::replicas(set);
        let mut changed = Object::clone(set);
        numbers::annotate_sizes(&mut changed, deployment);
        changed.set_at(&["spec", "replicas"], json!(size));
        if changed == **set {
            return Ok((set.clone(), false));
        }
        let written = Arc::new(self.client.api(&gvr::replica_sets()).update(set.namespace(), &changed).await?);
        if size != before {
            let direction = if size > before { "up" } else { "down" };
            let words = format!("Scaled {direction} replica set {} from {before} to {size}", set.name());
            self.events.event(&deployment.reference(), Type::Normal, "ScalingReplicaSet", &words);
        }
        Ok((written, size != before))
    }
}

impl Rollout {
    fn all(&self) -> Vec<Arc<Object>> {
        self.old.iter().chain(&self.new).cloned().collect()
    }
    /// Puts a written state in place of the one it was made of.
    fn replace(&mut self, set: Arc<Object>) {
        let old = self.old.iter_mut().chain(&mut self.new);
        for slot in old.filter(|s| s.uid() == set.uid()) {
            *slot = set.clone();
        }
    }
}

/// A selector that cannot be read selects nothing: the API refuses to store one.
fn selector(deployment: &Object) -> LabelSelector {
    let written = deployment.at(&["spec", "selector"]).unwrap_or(&Value::Null);
    LabelSelector::from_value(written).unwrap_or_else(|_| LabelSelector::nothing())
}
