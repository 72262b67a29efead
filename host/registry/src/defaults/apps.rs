//! Group apps: `pkg/apis/apps/v1/defaults.go`.

use super::{child, child_or_new, pod, set, text};
use object::{Map, Value};

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
    template(spec);
}

pub(super) fn replica_set(root: &mut Map<String, Value>) {
    let Some(spec) = child_or_new(root, "spec") else { return };
    set(spec, "replicas", 1);
    template(spec);
}

fn template(spec: &mut Map<String, Value>) {
    if let Some(pod_spec) = child(spec, "template").and_then(|t| child(t, "spec")) {
        pod::spec(pod_spec);
    }
}
