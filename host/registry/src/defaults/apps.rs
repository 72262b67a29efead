//! Group apps: `pkg/apis/apps/v1/defaults.go`.

use super::{child, child_or_new, items, labels_of_template, pod, set, text, volume};
use object::{Map, Value, json};

pub(super) fn deployment(root: &mut Map<String, Value>) {
    let Some(spec) = child_or_new(root, "spec") else { return };
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
    if let Some(strategy) = child_or_new(spec, "strategy") {
        set(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate"
            && let Some(rolling) = child_or_new(strategy, "rollingUpdate")
        {
            set(rolling, "maxUnavailable", "25%");
            set(rolling, "maxSurge", "25%");
        }
    }
    pod::template(spec);
}

pub(super) fn replica_set(root: &mut Map<String, Value>) {
    let Some(spec) = child_or_new(root, "spec") else { return };
    set(spec, "replicas", 1);
    pod::template(spec);
}

pub(super) fn stateful_set(root: &mut Map<String, Value>) {
    let Some(spec) = child_or_new(root, "spec") else { return };
    set(spec, "podManagementPolicy", "OrderedReady");
    if let Some(strategy) = child_or_new(spec, "updateStrategy") {
        if text(strategy, "type").is_empty() {
            set(strategy, "type", "RollingUpdate");
            set(strategy, "rollingUpdate", json!({}));
        }
        if text(strategy, "type") == "RollingUpdate"
            && let Some(rolling) = child(strategy, "rollingUpdate")
        {
            set(rolling, "partition", 0);
            set(rolling, "maxUnavailable", 1);
        }
    }
    if let Some(policy) = child_or_new(spec, "persistentVolumeClaimRetentionPolicy") {
        set(policy, "whenDeleted", "Retain");
        set(policy, "whenScaled", "Retain");
    }
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    for claim in items(spec, "volumeClaimTemplates") {
        // Claims name their kind, as references do (`pkg/apis/apps/v1/conversion.go`).
        set(claim, "apiVersion", "v1");
        set(claim, "kind", "PersistentVolumeClaim");
        volume::claim(claim);
    }
    pod::template(spec);
}

pub(super) fn daemon_set(root: &mut Map<String, Value>) {
    let Some(spec) = child_or_new(root, "spec") else { return };
    if let Some(strategy) = child_or_new(spec, "updateStrategy") {
        set(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate"
            && let Some(rolling) = child_or_new(strategy, "rollingUpdate")
        {
            set(rolling, "maxUnavailable", 1);
            set(rolling, "maxSurge", 0);
        }
    }
    set(spec, "revisionHistoryLimit", 10);
    pod::template(spec);
}

/// Its selector and labels follow the template (`SetDefaults_ReplicationController`).
pub(super) fn replication_controller(root: &mut Map<String, Value>) {
    let Some(spec) = child_or_new(root, "spec") else { return };
    set(spec, "replicas", 1);
    let labels = child(spec, "template").and_then(|t| child(t, "metadata")).and_then(|m| m.get("labels").cloned());
    if let Some(labels) = labels.as_ref().filter(|l| l.as_object().is_some_and(|l| !l.is_empty()))
        && spec.get("selector").and_then(Value::as_object).is_none_or(Map::is_empty)
    {
        spec.insert("selector".to_owned(), labels.clone());
    }
    pod::template(spec);
    labels_of_template(root, labels);
}
