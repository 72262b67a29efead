//! StatefulSets: `pkg/apis/apps/validation` ValidateStatefulSet, `pkg/registry/apps/statefulset/strategy.go`.

use super::*;
use crate::strategy::{Context, Strategy};

pub struct StatefulSetStrategy;

/// What an update may change.
const MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

const ONLY: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
    'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

impl Strategy for StatefulSetStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "replicas": 0, "availableReplicas": 0 }));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let (spec, at) = (spec(new), At::new("spec"));
        match text(spec, "podManagementPolicy") {
            "" => at.child("podManagementPolicy").required(errors, ""),
            "OrderedReady" | "Parallel" => {}
            other => at.child("podManagementPolicy").invalid(errors, other, "must be 'OrderedReady' or 'Parallel'"),
        }
        update_strategy(spec, &at.child("updateStrategy"), errors);
        if let Some(policy) = given(spec, "persistentVolumeClaimRetentionPolicy") {
            let at = at.child("persistentVolumeClaimRetentionPolicy");
            for field in ["whenDeleted", "whenScaled"] {
                at.child(field).one_of_given(errors, Some(text(policy, field)), &["Retain", "Delete"]);
            }
        }
        at.child("replicas").non_negative(errors, number(spec, "replicas"));
        at.child("minReadySeconds").non_negative(errors, number(spec, "minReadySeconds"));
        if let Some(ordinals) = given(spec, "ordinals") {
            at.child("ordinals.start").non_negative(errors, number(ordinals, "start"));
        }
        required_selector(spec, "statefulset", &at, errors);
        if !selects_all(spec) {
            matches_template(spec, Some(""), &at, errors);
        }
        // Of the pods only metadata is checked: their volumes come from the claims.
        if let Some(template) = template(spec) {
            pod_spec::template_metadata(template, &at.child("template"), errors);
        }
        runs_always(spec, "StatefulSet", &at, errors);
    }

    fn validate_create(&self, new: &Object, errors: &mut ErrorList) {
        // Pods' host names begin with it.
        if names::dns1123_subdomain(new.name()).is_empty() {
            At::new("metadata.name").invalid_all(errors, new.name(), &names::dns1123_label(new.name()));
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let fixed = |object: &Object| {
            let mut spec = spec(object).clone();
            if let Some(map) = spec.as_object_mut() {
                MUTABLE.iter().for_each(|field| drop(map.remove(*field)));
            }
            spec
        };
        if !same(Some(&fixed(new)), Some(&fixed(old))) {
            At::new("spec").forbidden(errors, ONLY);
        }
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let (status, at) = (status(new), At::new("status"));
        let counted = [
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ];
        counts(status, &counted, &at, errors);
        let within = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
        at_most(status, &within, "replicas", "cannot be greater than status.replicas", &at, errors);
        at_most(status, &["availableReplicas"], "readyReplicas", "cannot be greater than status.readyReplicas", &at, errors);
        not_decremented(new, old, errors);
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        let mut told = warnings_of(template(spec(new)), "spec.template");
        if number(spec(new), "revisionHistoryLimit").is_some_and(|limit| limit < 0) {
            let warning = "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended";
            told.push(warning.to_owned());
        }
        told
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        if changed(new, old) { self.warnings(new) } else { Vec::new() }
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

fn update_strategy(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let empty = json!({});
    let strategy = given(spec, "updateStrategy").unwrap_or(&empty);
    let rolling = given(strategy, "rollingUpdate");
    let below = at.child("rollingUpdate");
    match (text(strategy, "type"), rolling) {
        ("", _) => at.required(errors, ""),
        ("OnDelete", Some(rolling)) => below.invalid(errors, rolling.clone(), "only allowed for updateStrategy 'RollingUpdate'"),
        ("RollingUpdate", Some(rolling)) => {
            below.child("partition").non_negative(errors, number(rolling, "partition"));
            let unavailable = given(rolling, "maxUnavailable");
            let place = below.child("maxUnavailable");
            int_or_percent(unavailable, &place, errors);
            if let Some(value) = unavailable.filter(|value| amount(Some(value)) == 0) {
                place.invalid(errors, value.clone(), "cannot be 0");
            }
            at_most_all(unavailable, &place, errors);
        }
        ("OnDelete" | "RollingUpdate", None) => {}
        _ => at.invalid(errors, strategy.clone(), "must be 'RollingUpdate' or 'OnDelete'"),
    }
}
