//! Pods (`pkg/registry/core/pod/strategy.go`).

mod difference;
mod ephemeral;
mod qos;
mod resize;
mod status;
mod update;
mod warnings;

pub use qos::qos_class;
pub use warnings::of_template as template_warnings;

use super::pod_spec::{self, annotation_changes, annotations_valid};
use super::{Context, Strategy};
use crate::strategy::at::At;
use object::field::ErrorList;
use object::{Map, Object, Value, json};

pub use difference::same;

pub struct PodStrategy;

impl Strategy for PodStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        let class = qos_class(new);
        new.set_at(&["status"], json!({ "phase": "Pending", "qosClass": class }));
        // Held back by its gates, and told so from the first moment.
        if new.at(&["spec", "schedulingGates"]).and_then(Value::as_array).is_some_and(|g| !g.is_empty()) {
            let condition = json!({
                "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates", "observedGeneration": new.generation(),
            });
            new.set_at(&["status", "conditions"], json!([condition]));
        }
        match_label_keys(new);
    }

    fn prepare_update(&self, context: &Context, new: &mut Object, old: &Object) {
        match context.subresource {
            Some("status") => status::prepare(new, old),
            Some("ephemeralcontainers") => ephemeral::prepare(new, old),
            Some("resize") => resize::prepare(new, old),
            _ => {}
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        pod_spec::validate_pod(new, errors);
    }

    fn validate_create(&self, new: &Object, errors: &mut ErrorList) {
        pod_spec::validate_new_pod(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        annotation_changes(annotations(new), annotations(old), &At::new("metadata.annotations"), errors);
        update::validate(new, old, errors);
    }

    fn validate_subresource(&self, subresource: &str, new: &Object, old: &Object, errors: &mut ErrorList) {
        match subresource {
            "ephemeralcontainers" => ephemeral::validate(new, old, errors),
            "resize" => resize::validate(new, old, errors),
            _ => {}
        }
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let at = At::new("metadata.annotations");
        annotation_changes(annotations(new), annotations(old), &at, errors);
        let empty = Value::Null;
        annotations_valid(annotations(new), new.at(&["spec"]).unwrap_or(&empty), &at, errors);
        status::validate(new, old, errors);
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        let empty = Value::Null;
        warnings::of_pod(new.at(&["metadata"]).unwrap_or(&empty), new.at(&["spec"]).unwrap_or(&empty))
    }

    /// Only new ones: agents and controllers update pods all the time.
    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        if new.at(&["spec"]) == old.at(&["spec"]) && annotations(new) == annotations(old) { Vec::new() } else { self.warnings(new) }
    }

    fn grace_period(&self, object: &Object, asked: Option<i64>) -> Option<i64> {
        let spec = object.at(&["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64);
        let mut grace = asked.or(spec).unwrap_or(0);
        // Nobody runs it: there is nothing to wait for.
        if object.str_at(&["spec", "nodeName"]).is_empty() || matches!(object.str_at(&["status", "phase"]), "Failed" | "Succeeded") {
            grace = 0;
        }
        // A negative period means at once, but not by force.
        Some(if grace < 0 { 1 } else { grace })
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

fn annotations(pod: &Object) -> Option<&Map<String, Value>> {
    pod.at(&["metadata", "annotations"]).and_then(Value::as_object)
}

/// `applyMatchLabelKeysAndMismatchLabelKeys`: keys of the pod's own labels become terms of its selectors, so that the
/// scheduler need not know of them. Keys that the pod has no label of say nothing.
fn match_label_keys(pod: &mut Object) {
    let (Some(labels), Some(before)) = (pod.labels(), pod.at(&["spec", "affinity"])) else { return };
    let mut affinity = before.clone();
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(terms) = affinity.get_mut(kind) else { continue };
        for field in ["requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"] {
            for term in terms.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                let term = if field.starts_with("preferred") { term.get_mut("podAffinityTerm") } else { Some(term) };
                if let Some(term) = term {
                    add_label_terms(term, "matchLabelKeys", "In", labels);
                    add_label_terms(term, "mismatchLabelKeys", "NotIn", labels);
                }
            }
        }
    }
    pod.set_at(&["spec", "affinity"], affinity);
}

fn add_label_terms(term: &mut Value, field: &str, operator: &str, labels: &Map<String, Value>) {
    let keys: Vec<String> =
        term.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let Some(selector) = term.get_mut("labelSelector").and_then(Value::as_object_mut) else { return };
    for key in keys {
        let Some(value) = labels.get(&key) else { continue };
        let list = selector.entry("matchExpressions").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(json!({ "key": key, "operator": operator, "values": [value] }));
        }
    }
}
