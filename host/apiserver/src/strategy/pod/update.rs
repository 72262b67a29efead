//! What may change in a pod: `ValidatePodUpdate`.

use super::difference::{same, unified};
use crate::strategy::at::At;
use crate::strategy::pod_spec::given;
use crate::strategy::read::{items, number, text};
use object::field::ErrorList;
use object::{Map, Object, Value};
use std::collections::HashSet;

/// What an update may change, as upstream words it.
const ONLY: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

pub fn validate(new: &Object, old: &Object, errors: &mut ErrorList) {
    let (Some(spec), Some(before)) = (new.at(&["spec"]), old.at(&["spec"])) else { return };
    if spec == before {
        return;
    }
    let at = At::new("spec");
    for list in ["containers", "initContainers"] {
        if items(spec, list).count() != items(before, list).count() {
            return at.child(list).forbidden(errors, "pod updates may not add or remove containers");
        }
    }
    if !deadline(spec, before, &at.child("activeDeadlineSeconds"), errors) {
        return;
    }
    only_added_tolerations(spec, before, &at.child("tolerations"), errors);
    only_removed_gates(spec, before, &at.child("schedulingGates"), errors);

    // The new specification with everything that may change put back must be the old one.
    let mut munged = spec.clone();
    let Some(fields) = munged.as_object_mut() else { return };
    for list in ["containers", "initContainers"] {
        for (index, container) in items(before, list) {
            let slot = fields.get_mut(list).and_then(|l| l.get_mut(index)).and_then(Value::as_object_mut);
            if let Some(slot) = slot {
                put_back(slot, container, "image");
            }
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        put_back(fields, before, field);
    }
    let grace = |spec: &Value| number(spec, "terminationGracePeriodSeconds");
    if grace(before).is_some_and(|g| g < 0) && grace(spec) == Some(1) {
        put_back(fields, before, "terminationGracePeriodSeconds");
    }
    // While it is held back, where it may run can be narrowed (KEP-3838).
    if items(before, "schedulingGates").next().is_some() {
        narrowed(fields, spec, before, &at, errors);
    }
    if !same(Some(&munged), Some(before)) {
        at.forbidden(errors, &format!("{ONLY}\n{}", unified(before, &munged)));
    }
}

fn put_back(fields: &mut Map<String, Value>, before: &Value, field: &str) {
    match before.get(field) {
        Some(value) => fields.insert(field.to_owned(), value.clone()),
        None => fields.remove(field),
    };
}

/// Set once, and only ever shortened. Whether to go on.
fn deadline(spec: &Value, before: &Value, at: &At<'_>, errors: &mut ErrorList) -> bool {
    match (number(before, "activeDeadlineSeconds"), number(spec, "activeDeadlineSeconds")) {
        (_, Some(now)) if !(0..=i64::from(i32::MAX)).contains(&now) => {
            at.invalid(errors, now, &format!("must be between 0 and {}, inclusive", i32::MAX));
            return false;
        }
        (Some(was), Some(now)) if was < now => {
            at.invalid(errors, now, "must be less than or equal to previous value");
            return false;
        }
        (Some(_), None) => at.invalid(errors, Value::Null, "must not update from a positive integer to nil value"),
        _ => {}
    }
    true
}

/// `validateOnlyAddedTolerations`: of those there were, only the seconds may change.
fn only_added_tolerations(spec: &Value, before: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let plain = |toleration: &Value| {
        let mut plain = toleration.clone();
        if let Some(map) = plain.as_object_mut() {
            map.remove("tolerationSeconds");
        }
        plain
    };
    let now: Vec<Value> = items(spec, "tolerations").map(|(_, t)| plain(t)).collect();
    if items(before, "tolerations").any(|(_, old)| !now.contains(&plain(old))) {
        at.forbidden(errors, "existing toleration can not be modified except its tolerationSeconds");
    }
}

fn only_removed_gates(spec: &Value, before: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let were: HashSet<&str> = items(before, "schedulingGates").map(|(_, gate)| text(gate, "name")).collect();
    for (index, gate) in items(spec, "schedulingGates").filter(|(_, gate)| !were.contains(text(*gate, "name"))) {
        let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", text(gate, "name"));
        at.index(index).child("name").forbidden(errors, &detail);
    }
}

/// Additions to the node selector and to the terms of node affinity; puts back what was allowed.
fn narrowed(fields: &mut Map<String, Value>, spec: &Value, before: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if !same(spec.get("nodeSelector"), before.get("nodeSelector")) {
        let now = spec.get("nodeSelector");
        let kept = before.get("nodeSelector").and_then(Value::as_object).into_iter().flatten();
        if kept.into_iter().any(|(key, value)| now.and_then(|n| n.get(key)) != Some(value)) {
            let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            at.child("nodeSelector").invalid(errors, now.cloned().unwrap_or_default(), detail);
        }
        put_back(fields, before, "nodeSelector");
    }
    let node = |spec: &'_ Value| given(spec, "affinity").and_then(|a| given(a, "nodeAffinity")).cloned();
    let (is, was) = (node(spec), node(before));
    if same(is.as_ref(), was.as_ref()) {
        return;
    }
    node_affinity(is.as_ref(), was.as_ref(), &at.child("affinity.nodeAffinity"), errors);
    let mut affinity = given(spec, "affinity").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    if let Some(map) = affinity.as_object_mut() {
        match was {
            Some(was) => map.insert("nodeAffinity".to_owned(), was),
            None => map.remove("nodeAffinity"),
        };
    }
    fields.insert("affinity".to_owned(), affinity);
}

fn node_affinity(is: Option<&Value>, was: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    let terms = |affinity: Option<&'_ Value>| -> Vec<Value> {
        let required = affinity.and_then(|a| given(a, REQUIRED));
        required.map(|r| items(r, "nodeSelectorTerms").map(|(_, t)| t.clone()).collect()).unwrap_or_default()
    };
    let (is, was) = (terms(is), terms(was));
    if was.is_empty() {
        return;
    }
    let at = at.child(REQUIRED);
    let at = at.child("nodeSelectorTerms");
    if is.len() != was.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return at.invalid(errors, Value::Array(is), detail);
    }
    for (index, (is, was)) in is.iter().zip(&was).enumerate() {
        if !only_additions(is, was) {
            at.index(index).invalid(errors, is.clone(), "only additions are allowed (no mutations or deletions)");
        }
    }
}

/// `validateNodeSelectorTermHasOnlyAdditions`. An empty term matches nothing, and goes on doing so.
fn only_additions(is: &Value, was: &Value) -> bool {
    let list = |term: &'_ Value, field: &str| items(term, field).map(|(_, r)| r.clone()).collect::<Vec<_>>();
    let fields = ["matchExpressions", "matchFields"];
    if fields.iter().all(|field| list(was, field).is_empty()) && fields.iter().any(|field| !list(is, field).is_empty()) {
        return false;
    }
    fields.iter().all(|field| list(is, field).starts_with(&list(was, field)))
}
