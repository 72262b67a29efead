//! Deployments: `pkg/apis/apps/validation` ValidateDeployment, `pkg/registry/apps/deployment/strategy.go`.

use super::replica_set::selected;
use super::*;
use crate::strategy::{Context, Strategy};

pub struct DeploymentStrategy;

impl Strategy for DeploymentStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({}));
    }

    fn prepare_update(&self, context: &Context, new: &mut Object, old: &Object) {
        if context.subresource == Some("status") {
            // Annotations go through, labels do not.
            match old.at(&["metadata", "labels"]) {
                Some(labels) => new.set_at(&["metadata", "labels"], labels.clone()),
                None => {
                    new.remove_at(&["metadata", "labels"]);
                }
            }
        } else if new.at(&["metadata", "annotations"]) != old.at(&["metadata", "annotations"]) {
            // They are copied to replica sets, so they count as wanted.
            new.set_at(&["metadata", "generation"], json!(old.generation() + 1));
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let (spec, at) = (spec(new), At::new("spec"));
        at.child("replicas").non_negative(errors, number(spec, "replicas"));
        selected(spec, &at, errors);
        strategy(spec, &at.child("strategy"), errors);
        let ready = number(spec, "minReadySeconds");
        at.child("minReadySeconds").non_negative(errors, ready);
        at.child("revisionHistoryLimit").non_negative(errors, number(spec, "revisionHistoryLimit"));
        if let Some(deadline) = number(spec, "progressDeadlineSeconds") {
            let at = at.child("progressDeadlineSeconds");
            at.non_negative(errors, Some(deadline));
            if deadline <= ready.unwrap_or(0) {
                at.invalid(errors, deadline, "must be greater than minReadySeconds");
            }
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable("selector", new, old, errors);
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let (status, at) = (status(new), At::new("status"));
        let counted = [
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ];
        counts(status, &counted, &at, errors);
        let within = ["updatedReplicas", "readyReplicas", "availableReplicas"];
        at_most(status, &within, "replicas", "cannot be greater than status.replicas", &at, errors);
        at_most(status, &["availableReplicas"], "readyReplicas", "cannot be greater than readyReplicas", &at, errors);
        not_decremented(new, old, errors);
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

/// `ValidateDeploymentStrategy`.
fn strategy(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let empty = json!({});
    let strategy = given(spec, "strategy").unwrap_or(&empty);
    let rolling = given(strategy, "rollingUpdate");
    let below = at.child("rollingUpdate");
    match (text(strategy, "type"), rolling) {
        ("Recreate", None) => {}
        ("Recreate", Some(_)) => below.forbidden(errors, "may not be specified when strategy `type` is 'Recreate'"),
        ("RollingUpdate", None) => below.required(errors, "this should be defaulted and never be nil"),
        ("RollingUpdate", Some(rolling)) => {
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            let place = below.child("maxUnavailable");
            int_or_percent(unavailable, &place, errors);
            int_or_percent(surge, &below.child("maxSurge"), errors);
            if amount(unavailable) == 0 && amount(surge) == 0 {
                place.invalid(errors, unavailable.cloned().unwrap_or_default(), "may not be 0 when `maxSurge` is 0");
            }
            at_most_all(unavailable, &place, errors);
        }
        _ => at.not_supported(errors, strategy.clone(), &["Recreate", "RollingUpdate"]),
    }
}
