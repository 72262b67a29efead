//! Webhook configurations and admission policies: `pkg/apis/admissionregistration/validation/validation.go`.

pub mod authorizer;
pub mod expressions;
mod policy;
pub mod rules;

pub use policy::{BindingStrategy, MutatingBindingStrategy, MutatingPolicyStrategy, PolicyStrategy};

use super::at::At;
use super::pod_spec::selector_of;
use super::read::{is_empty, items, number, text};
use super::{Strategy, words};
use object::field::ErrorList;
use object::{Object, Value, json, names};
use std::collections::HashSet;

pub struct ValidatingWebhooksStrategy;
pub struct MutatingWebhooksStrategy;

impl Strategy for ValidatingWebhooksStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        webhooks(new, false, errors);
    }
}

impl Strategy for MutatingWebhooksStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        webhooks(new, true, errors);
    }
}

fn webhooks(new: &Object, mutating: bool, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (index, hook) in items(new.as_map(), "webhooks") {
        let webhooks = At::new("webhooks");
        let at = webhooks.index(index);
        webhook(hook, mutating, &at, errors);
        review_versions(hook, &at.child("admissionReviewVersions"), errors);
        let name = text(hook, "name");
        if !name.is_empty() && !seen.insert(name) {
            at.child("name").duplicate(errors, name);
        }
    }
}

fn webhook(hook: &Value, mutating: bool, at: &At<'_>, errors: &mut ErrorList) {
    fully_qualified(text(hook, "name"), &at.child("name"), errors);
    for (index, rule) in items(hook, "rules") {
        rules::with_operations(rule, &at.child("rules").index(index), errors);
    }
    let given = |field: &str| hook.get(field).and_then(Value::as_str);
    at.child("failurePolicy").one_of_given(errors, given("failurePolicy"), &["Fail", "Ignore"]);
    at.child("matchPolicy").one_of_given(errors, given("matchPolicy"), &["Equivalent", "Exact"]);
    let harmless = ["None", "NoneOnDryRun"];
    match given("sideEffects") {
        None => at.child("sideEffects").required(errors, "must specify one of None, NoneOnDryRun"),
        Some(class) if !harmless.contains(&class) => at.child("sideEffects").not_supported(errors, class, &harmless),
        Some(_) => {}
    }
    if let Some(seconds) = number(hook, "timeoutSeconds").filter(|s| !(1..=30).contains(s)) {
        at.child("timeoutSeconds").invalid(errors, seconds, "the timeout value must be between 1 and 30 seconds");
    }
    for field in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = hook.get(field).filter(|s| s.is_object()) {
            selector_of(selector, &at.child(field).path(), errors);
        }
    }
    if mutating {
        at.child("reinvocationPolicy").one_of_given(errors, given("reinvocationPolicy"), &["IfNeeded", "Never"]);
    }
    let empty = Value::Null;
    let (client, place) = (hook.get("clientConfig").unwrap_or(&empty), at.child("clientConfig"));
    match (client.get("url").and_then(Value::as_str), client.get("service").filter(|s| s.is_object())) {
        (Some(url), None) => words::webhook_url(url, &place.child("url"), errors),
        (None, Some(service)) => words::webhook_service(service, &place.child("service"), errors),
        _ => place.required(errors, "exactly one of url or service is required"),
    }
    rules::match_conditions(hook, false, at, errors);
}

/// `IsFullyQualifiedName`.
fn fully_qualified(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    let faults = names::dns1123_subdomain(name);
    if name.is_empty() {
        at.required(errors, "");
    } else if !faults.is_empty() {
        at.invalid(errors, name, &faults.join(","));
    } else if name.split('.').count() < 3 {
        at.invalid(errors, name, "should be a domain with at least three segments separated by dots");
    }
}

/// Versions of AdmissionReview that this server speaks.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];

fn review_versions(hook: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let versions: Vec<&str> = items(hook, "admissionReviewVersions").filter_map(|(_, v)| v.as_str()).collect();
    if versions.is_empty() {
        return at.required(errors, "must specify one of v1, v1beta1");
    }
    let mut seen = HashSet::new();
    for (index, version) in versions.iter().enumerate() {
        let at = at.index(index);
        if seen.insert(*version) {
            at.invalid_all(errors, version, &names::dns1035_label(version));
        } else {
            at.invalid(errors, *version, "duplicate version");
        }
    }
    if !versions.iter().any(|v| REVIEWS.contains(v)) {
        at.invalid(errors, json!(versions), "must include at least one of v1, v1beta1");
    }
}

/// Selectors that upstream wants given: defaults give them.
fn match_resources(resources: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match text(resources, "matchPolicy") {
        "" => at.child("matchPolicy").required(errors, ""),
        policy => at.child("matchPolicy").one_of(errors, policy, &["Equivalent", "Exact"]),
    }
    for field in ["namespaceSelector", "objectSelector"] {
        match resources.get(field).filter(|s| s.is_object()) {
            None => at.child(field).required(errors, ""),
            Some(selector) => selector_of(selector, &at.child(field).path(), errors),
        }
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        for (index, rule) in items(resources, field) {
            rules::named(rule, &at.child(field).index(index), errors);
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A field that is there and says something.
fn needs_expression(tree: &Value, field: &str, told: &str, at: &At<'_>, errors: &mut ErrorList) {
    if is_blank(text(tree, field)) {
        at.child(field).required(errors, told);
    }
}

fn is_missing(tree: &Value, field: &str) -> bool {
    is_empty(tree.get(field))
}
