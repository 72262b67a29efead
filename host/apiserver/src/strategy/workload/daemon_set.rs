//! DaemonSets: `pkg/apis/apps/validation` ValidateDaemonSet, `pkg/registry/apps/daemonset/strategy.go`.

use super::*;
use crate::strategy::{Context, Strategy};

pub struct DaemonSetStrategy;

/// Counts changes of the template, for clients of the first versions (`DeprecatedTemplateGeneration`).
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Strategy for DaemonSetStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        let given = new.annotation(TEMPLATE_GENERATION).and_then(|text| text.parse::<i64>().ok());
        set_template_generation(new, given.unwrap_or(0).max(1));
        let counts = ["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"];
        for field in counts {
            new.set_at(&["status", field], json!(0));
        }
    }

    fn prepare_update(&self, context: &Context, new: &mut Object, old: &Object) {
        if context.subresource.is_some() {
            return;
        }
        let before = old.annotation(TEMPLATE_GENERATION).and_then(|text| text.parse::<i64>().ok()).unwrap_or(1);
        let moved = !same(template(spec(new)), template(spec(old)));
        set_template_generation(new, before + i64::from(moved));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let (spec, at) = (spec(new), At::new("spec"));
        let selector = given(spec, "selector");
        if let Some(selector) = selector {
            selector_at(selector, &at.child("selector"), errors);
        }
        // A selector that is not there selects nothing.
        matches_template(spec, None, &at, errors);
        if let Some(selector) = selector
            && is_empty(selector.get("matchLabels"))
            && is_empty(selector.get("matchExpressions"))
        {
            at.child("selector").invalid(errors, selector.clone(), "empty selector is invalid for daemonset");
        }
        valid_template(spec, &at, errors);
        runs_always(spec, "DaemonSet", &at, errors);
        at.child("minReadySeconds").non_negative(errors, number(spec, "minReadySeconds"));
        update_strategy(spec, &at.child("updateStrategy"), errors);
        at.child("revisionHistoryLimit").non_negative(errors, number(spec, "revisionHistoryLimit"));
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable("selector", new, old, errors);
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let counted = [
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ];
        counts(status(new), &counted, &At::new("status"), errors);
        not_decremented(new, old, errors);
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        warnings_of(template(spec(new)), "spec.template")
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        if changed(new, old) { self.warnings(new) } else { Vec::new() }
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

fn set_template_generation(new: &mut Object, generation: i64) {
    new.set_at(&["metadata", "annotations", TEMPLATE_GENERATION], json!(generation.to_string()));
}

/// `ValidateDaemonSetUpdateStrategy`.
fn update_strategy(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let empty = json!({});
    let strategy = given(spec, "updateStrategy").unwrap_or(&empty);
    let rolling = match text(strategy, "type") {
        "OnDelete" => return,
        "RollingUpdate" => given(strategy, "rollingUpdate"),
        _ => return at.not_supported(errors, strategy.clone(), &["RollingUpdate", "OnDelete"]),
    };
    let below = at.child("rollingUpdate");
    let Some(rolling) = rolling else { return below.required(errors, "") };
    let fields = ["maxUnavailable", "maxSurge"];
    fields.iter().for_each(|field| int_or_percent(rolling.get(field), &below.child(field), errors));
    fields.iter().for_each(|field| at_most_all(rolling.get(field), &below.child(field), errors));
    let surge = rolling.get("maxSurge");
    match (amount(rolling.get("maxUnavailable")) != 0, amount(surge) != 0) {
        (true, true) => {
            let detail = "may not be set when maxUnavailable is non-zero";
            below.child("maxSurge").invalid(errors, surge.cloned().unwrap_or_default(), detail);
        }
        (false, false) => below.child("maxUnavailable").required(errors, "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
}
