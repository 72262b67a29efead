//! When a job fails or succeeds early: `validatePodFailurePolicy` (KEP-3329), `validateSuccessPolicy` (KEP-3998).

use super::{container_names, indexes};
use crate::strategy::at::At;
use crate::strategy::pod_spec::{given, is_empty_list};
use crate::strategy::read::{items, number, text};
use object::Value;
use object::field::ErrorList;
use std::collections::HashSet;

/// All of it is read for each failed pod.
const RULES: usize = 20;
const EXIT_CODES: usize = 255;
const CONDITIONS: usize = 20;
/// Bytes of a list of indexes.
const INDEXES: usize = 64 * 1024;

pub fn failure(spec: &Value, policy: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list = at.child("rules");
    let rules = items(policy, "rules").count();
    if rules > RULES {
        list.too_many(errors, rules, RULES);
    }
    let names = container_names(spec);
    for (index, rule) in items(policy, "rules") {
        failure_rule(spec, rule, &names, &list.index(index), errors);
    }
}

fn failure_rule(spec: &Value, rule: &Value, names: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    let place = at.child("action");
    let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
    match text(rule, "action") {
        "" => place.required(errors, "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]"),
        "FailIndex" if number(spec, "backoffLimitPerIndex").is_none() => {
            place.invalid(errors, "FailIndex", "requires the backoffLimitPerIndex to be set");
        }
        action => place.one_of_given(errors, Some(action), &actions),
    }
    let codes = given(rule, "onExitCodes");
    if let Some(codes) = codes {
        exit_codes(codes, names, &at.child("onExitCodes"), errors);
    }
    let conditions = items(rule, "onPodConditions").count();
    let list = at.child("onPodConditions");
    if conditions > CONDITIONS {
        list.too_many(errors, conditions, CONDITIONS);
    }
    for (index, pattern) in items(rule, "onPodConditions") {
        let at = list.index(index);
        at.child("type").qualified(errors, text(pattern, "type"));
        match text(pattern, "status") {
            "" => at.child("status").required(errors, "valid values: [\"False\" \"True\" \"Unknown\"]"),
            status => at.child("status").one_of_given(errors, Some(status), &["False", "True", "Unknown"]),
        }
    }
    match (codes.is_some(), conditions > 0) {
        (true, true) => at.invalid_as_a_whole(errors, "specifying both OnExitCodes and OnPodConditions is not supported"),
        (false, false) => at.invalid_as_a_whole(errors, "specifying one of OnExitCodes and OnPodConditions is required"),
        _ => {}
    }
}

fn exit_codes(codes: &Value, names: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    let operator = text(codes, "operator");
    match operator {
        "" => at.child("operator").required(errors, "valid values: [\"In\" \"NotIn\"]"),
        operator => at.child("operator").one_of_given(errors, Some(operator), &["In", "NotIn"]),
    }
    if let Some(name) = codes.get("containerName").and_then(Value::as_str).filter(|name| !names.contains(name)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        at.child("containerName").invalid(errors, name, detail);
    }
    let list = at.child("values");
    let value = || codes.get("values").cloned().unwrap_or_default();
    let values: Vec<i64> = items(codes, "values").map(|(_, v)| v.as_i64().unwrap_or(0)).collect();
    if values.is_empty() {
        list.invalid(errors, value(), "at least one value is required");
    } else if values.len() > EXIT_CODES {
        list.too_many(errors, values.len(), EXIT_CODES);
    }
    let mut seen = HashSet::new();
    for (index, code) in values.iter().enumerate() {
        let at = list.index(index);
        if operator == "In" && *code == 0 {
            at.invalid(errors, 0, "must not be 0 for the In operator");
        }
        if !seen.insert(code) {
            at.duplicate(errors, *code);
        }
    }
    if !values.is_sorted() {
        list.invalid(errors, value(), "must be ordered");
    }
}

pub fn success(spec: &Value, policy: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list = at.child("rules");
    if is_empty_list(policy, "rules") {
        list.required(errors, "at least one rules must be specified when the successPolicy is specified");
    }
    let rules = items(policy, "rules").count();
    if rules > RULES {
        list.too_many(errors, rules, RULES);
    }
    // Without completions there is nothing to compare with; that is told elsewhere.
    let Some(completions) = number(spec, "completions") else { return };
    for (index, rule) in items(policy, "rules") {
        success_rule(rule, completions, &list.index(index), errors);
    }
}

fn success_rule(rule: &Value, completions: i64, at: &At<'_>, errors: &mut ErrorList) {
    let (wanted, list) = (number(rule, "succeededCount"), rule.get("succeededIndexes").and_then(Value::as_str));
    if wanted.is_none() && list.is_none() {
        at.required(errors, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut named = 0;
    if let Some(list) = list {
        let at = at.child("succeededIndexes");
        if list.len() > INDEXES {
            at.too_long(errors, INDEXES);
        }
        match indexes::count(list, completions) {
            Ok(count) => named = count,
            Err(error) => at.invalid(errors, list, &format!("error parsing succeededIndexes: {error}")),
        }
    }
    let Some(wanted) = wanted else { return };
    let at = at.child("succeededCount");
    at.non_negative(errors, Some(wanted));
    if wanted > completions {
        at.invalid(errors, wanted, &format!("must be less than or equal to {completions} (the number of specified completions)"));
    }
    if list.is_some() && wanted > named {
        let detail = format!("must be less than or equal to {named} (the number of indexes in the specified succeededIndexes field)");
        at.invalid(errors, wanted, &detail);
    }
}
