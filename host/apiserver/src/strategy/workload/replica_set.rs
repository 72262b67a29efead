//! ReplicaSets: `pkg/apis/apps/validation` ValidateReplicaSet, `pkg/registry/apps/replicaset/strategy.go`.

use super::*;
use crate::strategy::{Context, Strategy};

pub struct ReplicaSetStrategy;

impl Strategy for ReplicaSetStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "replicas": 0 }));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let (spec, at) = (spec(new), At::new("spec"));
        at.child("replicas").non_negative(errors, number(spec, "replicas"));
        at.child("minReadySeconds").non_negative(errors, number(spec, "minReadySeconds"));
        selected(spec, &at, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable("selector", new, old, errors);
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        replica_status(status(new), errors);
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        let template = warnings_of(template(spec(new)), "spec.template");
        name_warning(new).into_iter().chain(template).collect()
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        if changed(new, old) { warnings_of(template(spec(new)), "spec.template") } else { Vec::new() }
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

/// Selector and template, of replica sets and deployments.
pub(super) fn selected(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required_selector(spec, "deployment", at, errors);
    if !selects_all(spec) {
        matches_template(spec, Some("invalid label selector"), at, errors);
    }
    if LabelSelector::from_value(spec.get("selector").unwrap_or(&Value::Null)).is_ok() {
        valid_template(spec, at, errors);
        runs_always(spec, "ReplicaSet", at, errors);
    }
}

/// `ValidateReplicaSetStatus`, the same for ReplicationControllers.
pub(super) fn replica_status(status: &Value, errors: &mut ErrorList) {
    let at = At::new("status");
    let counted = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas", "observedGeneration"];
    counts(status, &counted, &at, errors);
    let within = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    at_most(status, &within, "replicas", "cannot be greater than status.replicas", &at, errors);
    at_most(status, &["availableReplicas"], "readyReplicas", "cannot be greater than readyReplicas", &at, errors);
}
