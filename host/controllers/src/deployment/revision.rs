//! Revisions: the replica set of the current template, and what its annotations tell of its history.
//! `getNewReplicaSet` of `pkg/controller/deployment/sync.go`.

use super::{Deployments, Rollout, numbers, status};
use crate::conditions::Condition;
use crate::error::Error;
use crate::view::{controller_reference, opt_int};
use client::{Type, gvr};
use object::{Map, Object, Value, json};
use std::sync::Arc;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const HASH: &str = "pod-template-hash";

/// Annotations of a deployment that are not handed down to its sets.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    numbers::DESIRED,
    numbers::MAX,
];

/// The revision noted on an object; 0 when there is none.
pub(super) fn of(object: &Object) -> i64 {
    object.annotation(REVISION).and_then(|r| r.parse().ok()).unwrap_or_default()
}

/// Tells the set of the current template from the others (`FindNewReplicaSet`).
pub(super) fn find(deployment: Object, mut sets: Vec<Arc<Object>>) -> Rollout {
    sets.sort_by_key(|s| numbers::created(s));
    let template = without_hash(deployment.at(&["spec", "template"]));
    let at = sets.iter().position(|s| without_hash(s.at(&["spec", "template"])) == template);
    let new = at.map(|at| sets.remove(at));
    Rollout { deployment, new, old: sets }
}

/// A template as it was before the hash was added. Empty maps and absent ones are the same.
fn without_hash(template: Option<&Value>) -> Value {
    let mut template = template.cloned().unwrap_or_default();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH);
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, v| !v.is_null() && v.as_object().is_none_or(|m| !m.is_empty()));
    }
    if let Some(root) = template.as_object_mut() {
        root.retain(|k, v| k != "metadata" || v.as_object().is_some_and(|m| !m.is_empty()));
    }
    template
}

impl Deployments {
    /// Brings the new set's annotations up to date, if there is one.
    pub(super) async fn refresh_new(&self, rollout: &mut Rollout) -> Result<(), Error> {
        let Some(new) = rollout.new.clone() else { return Ok(()) };
        let revision = rollout.old.iter().map(|s| of(s)).max().unwrap_or_default() + 1;
        let mut changed = Object::clone(&new);
        annotate(&mut changed, &rollout.deployment, revision);
        let min_ready = opt_int(&rollout.deployment, &["spec", "minReadySeconds"]);
        if min_ready.unwrap_or_default() != opt_int(&changed, &["spec", "minReadySeconds"]).unwrap_or_default() {
            changed.set_at(&["spec", "minReadySeconds"], json!(min_ready.unwrap_or_default()));
        }
        let current =
            if changed == *new { new } else { Arc::new(self.client.api(&gvr::replica_sets()).update(new.namespace(), &changed).await?) };
        self.note_revision(rollout, of(&current)).await?;
        let deployment = &rollout.deployment;
        if status::deadline(deployment).is_some() && crate::view::condition(deployment, "Progressing").is_none() {
            let words = format!("Found new replica set \"{}\"", current.name());
            self.set_progressing(rollout, Condition::new("Progressing", "True", "FoundNewReplicaSet", words)).await?;
        }
        rollout.new = Some(current);
        Ok(())
    }

    /// Makes the new set when there is none.
    pub(super) async fn ensure_new(&self, rollout: &mut Rollout) -> Result<(), Error> {
        if rollout.new.is_some() {
            return self.refresh_new(rollout).await;
        }
        let deployment = &rollout.deployment;
        let revision = rollout.old.iter().map(|s| of(s)).max().unwrap_or_default() + 1;
        let size = numbers::new_size(deployment, &rollout.old, 0);
        let set = new_set(deployment, revision, size);
        let api = self.client.api(&gvr::replica_sets());
        let (made, is_fresh) = match api.create(set.namespace(), &set).await {
            Ok(made) => (made, true),
            Err(e) if e.is_already_exists() => {
                let present = api.get(set.namespace(), set.name()).await?;
                let ours = present.controller().is_some_and(|c| c.uid == deployment.uid());
                let same = without_hash(present.at(&["spec", "template"])) == without_hash(deployment.at(&["spec", "template"]));
                if !(ours && same) {
                    self.raise_collisions(rollout).await?;
                    return Err(Error::HashCollision { namespace: set.namespace().to_owned(), name: set.name().to_owned() });
                }
                (present, false)
            }
            Err(e) if e.is_namespace_terminating() => return Err(e.into()),
            Err(e) => {
                let words = format!("Failed to create new replica set \"{}\": {}", set.name(), e.chain());
                if status::deadline(deployment).is_some() {
                    self.set_progressing(rollout, Condition::new("Progressing", "False", "ReplicaSetCreateError", words.as_str())).await?;
                }
                self.events.event(&rollout.deployment.reference(), Type::Warning, "ReplicaSetCreateError", &words);
                return Err(e.into());
            }
        };
        if is_fresh && size > 0 {
            let words = format!("Scaled up replica set {} from 0 to {size}", made.name());
            self.events.event(&deployment.reference(), Type::Normal, "ScalingReplicaSet", &words);
        }
        self.note_revision(rollout, of(&made)).await?;
        if is_fresh && status::deadline(&rollout.deployment).is_some() {
            let words = format!("Created new replica set \"{}\"", made.name());
            self.set_progressing(rollout, Condition::new("Progressing", "True", "NewReplicaSetCreated", words)).await?;
        }
        rollout.new = Some(Arc::new(made));
        Ok(())
    }

    /// The deployment tells the revision of its new set (`SetDeploymentRevision`).
    async fn note_revision(&self, rollout: &mut Rollout, revision: i64) -> Result<(), Error> {
        let deployment = &rollout.deployment;
        if of(deployment) == revision {
            return Ok(());
        }
        let mut changed = deployment.clone();
        changed.set_at(&["metadata", "annotations", REVISION], json!(revision.to_string()));
        let written = self.client.api(&gvr::deployments()).update(changed.namespace(), &changed).await?;
        take_over(&mut rollout.deployment, written);
        Ok(())
    }

    async fn set_progressing(&self, rollout: &mut Rollout, condition: Condition) -> Result<(), Error> {
        let mut changed = rollout.deployment.clone();
        status::set_condition(&mut changed, &condition);
        if changed != rollout.deployment {
            let written = self.client.api(&gvr::deployments()).update_status(changed.namespace(), &changed).await?;
            take_over(&mut rollout.deployment, written);
        }
        Ok(())
    }

    async fn raise_collisions(&self, rollout: &mut Rollout) -> Result<(), Error> {
        let mut changed = rollout.deployment.clone();
        let count = opt_int(&changed, &["status", "collisionCount"]).unwrap_or_default() + 1;
        changed.set_at(&["status", "collisionCount"], json!(count));
        self.client.api(&gvr::deployments()).update_status(changed.namespace(), &changed).await?;
        Ok(())
    }

    /// Tells that a pause began or ended, so that the time paused does not count against the deadline
    /// (`checkPausedConditions`).
    pub(super) async fn note_pause(&self, deployment: Object) -> Result<Object, Error> {
        if status::deadline(&deployment).is_none() {
            return Ok(deployment);
        }
        let reason = crate::view::condition(&deployment, "Progressing").map(|c| crate::view::text(c, "reason")).unwrap_or_default();
        let paused = crate::view::flag(&deployment, &["spec", "paused"]);
        let condition = match (paused, reason) {
            (_, "ProgressDeadlineExceeded") => return Ok(deployment),
            (true, "DeploymentPaused") => return Ok(deployment),
            (true, _) => Condition::new("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"),
            (false, "DeploymentPaused") => Condition::new("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"),
            (false, _) => return Ok(deployment),
        };
        let mut changed = deployment;
        status::set_condition(&mut changed, &condition);
        Ok(self.client.api(&gvr::deployments()).update_status(changed.namespace(), &changed).await?)
    }
}

/// Takes what a write answered, but keeps deciding on the spec that this reconcile began with: a newer one brings the key
/// back anyway.
fn take_over(deployment: &mut Object, written: Object) {
    let spec = deployment.at(&["spec"]).cloned().unwrap_or_default();
    let generation = deployment.generation();
    *deployment = written;
    deployment.set_at(&["spec"], spec);
    deployment.set_at(&["metadata", "generation"], json!(generation));
}

/// `SetNewReplicaSetAnnotations`: what the deployment hands down, and the revision with its history.
fn annotate(set: &mut Object, deployment: &Object, revision: i64) {
    for (key, value) in crate::view::map_at(deployment, &["metadata", "annotations"]).into_iter().flatten() {
        if !NOT_COPIED.contains(&key.as_str()) && set.at(&["metadata", "annotations", key]) != Some(value) {
            set.set_at(&["metadata", "annotations", key], value.clone());
        }
    }
    let before = of(set);
    if before >= revision {
        return;
    }
    // A set that becomes current again, by a rollback, remembers the revisions it was.
    if before > 0 {
        let history = match set.annotation(REVISION_HISTORY) {
            Some(history) if !history.is_empty() => format!("{history},{before}"),
            _ => before.to_string(),
        };
        set.set_at(&["metadata", "annotations", REVISION_HISTORY], json!(history));
    }
    set.set_at(&["metadata", "annotations", REVISION], json!(revision.to_string()));
}

fn new_set(deployment: &Object, revision: i64, size: i64) -> Object {
    let mut template = deployment.at(&["spec", "template"]).cloned().unwrap_or_else(|| json!({}));
    let collisions = opt_int(deployment, &["status", "collisionCount"]).and_then(|c| i32::try_from(c).ok());
    let hash = object::hash::pod_template_hash(&template, collisions);
    let mut labels = template.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
    labels.insert(HASH.to_owned(), json!(hash));
    template["metadata"]["labels"] = Value::Object(labels.clone());
    let mut selector = deployment.at(&["spec", "selector"]).cloned().unwrap_or_else(|| json!({}));
    selector["matchLabels"][HASH] = json!(hash);
    let mut spec = json!({ "replicas": size, "selector": selector, "template": template });
    if let Some(seconds) = opt_int(deployment, &["spec", "minReadySeconds"]) {
        spec["minReadySeconds"] = json!(seconds);
    }
    let metadata = json!({
        "name": format!("{}-{hash}", deployment.name()), "namespace": deployment.namespace(),
        "labels": labels, "ownerReferences": [controller_reference(deployment)],
    });
    let root = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec });
    let mut set = Object::from_value(root).unwrap_or_default();
    annotate(&mut set, deployment, revision);
    numbers::annotate_sizes(&mut set, deployment);
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(template: Value) -> Object {
        Object::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "namespace": "n", "uid": "u", "annotations": {"a": "b", REVISION: "7"}},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"x": "y"}}, "template": template,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
        }))
        .unwrap()
    }

    #[test]
    fn a_set_is_found_by_its_template() {
        let d = deployment(json!({"metadata": {"labels": {"x": "y"}}, "spec": {"a": 1}}));
        let made = new_set(&d, 1, 2);
        let hash = made.label(HASH).unwrap().to_owned();
        assert_eq!(made.name(), format!("d-{hash}"));
        assert_eq!(made.str_at(&["spec", "selector", "matchLabels", HASH]), hash);
        assert_eq!((of(&made), made.annotation("a"), made.annotation(numbers::MAX)), (1, Some("b"), Some("3")));
        let other = Arc::new(new_set(&deployment(json!({"metadata": {"labels": {"x": "y"}}, "spec": {"a": 2}})), 1, 2));
        let found = find(d, vec![other, Arc::new(made)]);
        assert_eq!((found.new.unwrap().label(HASH).unwrap(), found.old.len()), (hash.as_str(), 1));
    }

    #[test]
    fn a_rollback_keeps_the_history() {
        let d = deployment(json!({}));
        let mut set = new_set(&d, 1, 0);
        annotate(&mut set, &d, 3);
        annotate(&mut set, &d, 5);
        assert_eq!((of(&set), set.annotation(REVISION_HISTORY)), (5, Some("1,3")));
        annotate(&mut set, &d, 4);
        assert_eq!(of(&set), 5, "revisions never go back");
    }
}
