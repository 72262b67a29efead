//! Affinity of pods to nodes and to each other, and selectors: `validateAffinity`, `ValidateLabelSelector`.

use super::{given, is_empty_list, labels};
use crate::strategy::at::At;
use crate::strategy::read::{items, number, text};
use object::field::{ErrorList, Path};
use object::{Value, names};
use std::collections::HashSet;

pub const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

const NEEDS_VALUES: &str = "must be specified when `operator` is 'In' or 'NotIn'";
const NO_VALUES: &str = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
const NO_OPERATOR: &str = "not a valid selector operator";

pub(super) fn validate(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(affinity) = given(spec, "affinity") else { return };
    if let Some(node) = given(affinity, "nodeAffinity") {
        let at = at.child("nodeAffinity");
        if let Some(required) = given(node, REQUIRED) {
            node_selector(required, &at.child(REQUIRED), errors);
        }
        for (index, preferred) in items(node, PREFERRED) {
            let list = at.child(PREFERRED);
            let at = list.index(index);
            weight(preferred, &at, errors);
            let empty = Value::Null;
            // Values that are no labels are let through here: they only prefer nothing.
            node_term(preferred.get("preference").unwrap_or(&empty), false, &at.child("preference"), errors);
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = given(affinity, kind) else { continue };
        let at = at.child(kind);
        for (index, term) in items(pods, REQUIRED) {
            pod_term(term, &at.child(REQUIRED).index(index), errors);
        }
        for (index, preferred) in items(pods, PREFERRED) {
            let list = at.child(PREFERRED);
            let at = list.index(index);
            weight(preferred, &at, errors);
            let empty = Value::Null;
            pod_term(preferred.get("podAffinityTerm").unwrap_or(&empty), &at.child("podAffinityTerm"), errors);
        }
    }
}

fn weight(preferred: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let weight = number(preferred, "weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        at.child("weight").invalid(errors, weight, "must be in the range 1-100");
    }
}

/// `ValidateNodeSelector`.
pub fn node_selector(selector: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("nodeSelectorTerms");
    if is_empty_list(selector, "nodeSelectorTerms") {
        return at.required(errors, "must have at least one node selector term");
    }
    items(selector, "nodeSelectorTerms").for_each(|(index, term)| node_term(term, true, &at.index(index), errors));
}

/// `ValidateNodeSelectorTerm`.
fn node_term(term: &Value, strict: bool, at: &At<'_>, errors: &mut ErrorList) {
    for (index, requirement) in items(term, "matchExpressions") {
        let list = at.child("matchExpressions");
        let at = list.index(index);
        let values = items(requirement, "values").count();
        match text(requirement, "operator") {
            "In" | "NotIn" if values == 0 => at.child("values").required(errors, NEEDS_VALUES),
            "Exists" | "DoesNotExist" if values > 0 => at.child("values").forbidden(errors, NO_VALUES),
            "Gt" | "Lt" if values != 1 => {
                at.child("values").required(errors, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => at.child("operator").invalid(errors, other, NO_OPERATOR),
        }
        at.child("key").qualified(errors, text(requirement, "key"));
        if strict {
            label_values(requirement, &at, errors);
        }
    }
    for (index, requirement) in items(term, "matchFields") {
        let list = at.child("matchFields");
        let at = list.index(index);
        match text(requirement, "operator") {
            "In" | "NotIn" if items(requirement, "values").count() != 1 => {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                at.child("values").required(errors, detail);
            }
            "In" | "NotIn" => {}
            other => at.child("operator").invalid(errors, other, NO_OPERATOR),
        }
        let key = text(requirement, "key");
        if key != "metadata.name" {
            at.child("key").invalid(errors, key, "not a valid field selector key");
            continue;
        }
        for (index, value) in items(requirement, "values") {
            let value = value.as_str().unwrap_or_default();
            at.child("values").index(index).invalid_all(errors, value, &names::dns1123_subdomain(value));
        }
    }
}

fn label_values(requirement: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (index, value) in items(requirement, "values") {
        let value = value.as_str().unwrap_or_default();
        at.child("values").index(index).invalid_all(errors, value, &names::label_value(value));
    }
}

/// `validatePodAffinityTerm`.
fn pod_term(term: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for field in ["labelSelector", "namespaceSelector"] {
        if let Some(selector) = given(term, field) {
            selector_at(selector, &at.child(field), errors);
        }
    }
    for (_, name) in items(term, "namespaces") {
        let name = name.as_str().unwrap_or_default();
        at.child("namespace").invalid_all(errors, name, &names::dns1123_label(name));
    }
    label_keys(term, at, errors);
    let key = text(term, "topologyKey");
    let place = at.child("topologyKey");
    if key.is_empty() {
        place.required(errors, "can not be empty");
    }
    place.qualified(errors, key);
}

/// `validateMatchLabelKeysAndMismatchLabelKeys`.
fn label_keys(term: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let selector = given(term, "labelSelector");
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        if is_empty_list(term, field) {
            continue;
        }
        let at = at.child(field);
        if selector.is_none() {
            at.forbidden(errors, "must not be specified when labelSelector is not set");
            continue;
        }
        items(term, field).for_each(|(index, key)| at.index(index).qualified(errors, key.as_str().unwrap_or_default()));
    }
    if is_empty_list(term, "matchLabelKeys") {
        return;
    }
    let texts = |field: &'static str| items(term, field).map(|(index, key)| (index, key.as_str().unwrap_or_default()));
    if let Some(selector) = selector {
        // Admission has added one expression for each key: one more is the client's own.
        let mut seen: HashSet<&str> = super::keys(selector, "matchLabels").collect();
        for (_, requirement) in items(selector, "matchExpressions") {
            let key = text(requirement, "key");
            let index = texts("matchLabelKeys").filter(|(_, k)| *k == key).map(|(index, _)| index).last();
            if let Some(index) = index.filter(|_| seen.contains(key)) {
                at.index(index).invalid(errors, key, "exists in both matchLabelKeys and labelSelector");
            }
            seen.insert(key);
        }
    }
    for (index, key) in texts("matchLabelKeys") {
        if texts("mismatchLabelKeys").any(|(_, k)| k == key) {
            at.child("matchLabelKeys").index(index).invalid(errors, key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

/// `ValidateLabelSelector`.
pub fn selector_of(selector: &Value, path: &Path, errors: &mut ErrorList) {
    selector_at(selector, &At::of(path), errors);
}

/// The same for who knows its place.
pub fn selector_at(selector: &Value, at: &At<'_>, errors: &mut ErrorList) {
    labels(selector.get("matchLabels").and_then(Value::as_object), &at.child("matchLabels"), errors);
    for (index, requirement) in items(selector, "matchExpressions") {
        let list = at.child("matchExpressions");
        let at = list.index(index);
        let values = items(requirement, "values").count();
        match text(requirement, "operator") {
            "In" | "NotIn" if values == 0 => at.child("values").required(errors, NEEDS_VALUES),
            "Exists" | "DoesNotExist" if values > 0 => at.child("values").forbidden(errors, NO_VALUES),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => at.child("operator").invalid(errors, other, NO_OPERATOR),
        }
        at.child("key").qualified(errors, text(requirement, "key"));
        label_values(requirement, &at, errors);
    }
}
