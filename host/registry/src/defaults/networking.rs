//! Groups networking.k8s.io and scheduling.k8s.io: `pkg/apis/networking/v1/defaults.go`,
//! `pkg/apis/scheduling/v1/defaults.go`.

use super::{child, items, set};
use object::{Map, Value, json};

pub(super) fn network_policy(root: &mut Map<String, Value>) {
    let Some(spec) = child(root, "spec") else { return };
    for direction in ["ingress", "egress"] {
        for rule in items(spec, direction) {
            items(rule, "ports").for_each(|port| set(port, "protocol", "TCP"));
        }
    }
    let filled = |spec: &Map<String, Value>, field: &str| spec.get(field).and_then(Value::as_array).is_some_and(|l| !l.is_empty());
    if !filled(spec, "policyTypes") {
        let types = if filled(spec, "egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".to_owned(), types);
    }
}

pub(super) fn ingress_class(root: &mut Map<String, Value>) {
    if let Some(parameters) = child(root, "spec").and_then(|s| child(s, "parameters")) {
        set(parameters, "scope", "Cluster");
    }
}

pub(super) fn priority_class(root: &mut Map<String, Value>) {
    set(root, "preemptionPolicy", "PreemptLowerPriority");
}
