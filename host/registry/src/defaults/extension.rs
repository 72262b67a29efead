//! Groups admissionregistration.k8s.io, apiregistration.k8s.io, certificates.k8s.io, flowcontrol.apiserver.k8s.io and
//! resource.k8s.io.

use super::{child, child_or_new, items, set};
use object::{Map, Value, json};

type Tree = Map<String, Value>;

pub(super) fn validating_webhooks(root: &mut Tree) {
    items(root, "webhooks").for_each(webhook);
}

pub(super) fn mutating_webhooks(root: &mut Tree) {
    for hook in items(root, "webhooks") {
        webhook(hook);
        set(hook, "reinvocationPolicy", "Never");
    }
}

fn webhook(hook: &mut Tree) {
    set(hook, "failurePolicy", "Fail");
    set(hook, "timeoutSeconds", 10);
    matching(hook, "rules");
    if let Some(service) = child(hook, "clientConfig").and_then(|c| child(c, "service")) {
        set(service, "port", 443);
    }
}

/// What is matched, by `rules` and what stands beside them.
fn matching(tree: &mut Tree, rules: &str) {
    set(tree, "matchPolicy", "Equivalent");
    set(tree, "namespaceSelector", json!({}));
    set(tree, "objectSelector", json!({}));
    items(tree, rules).for_each(|rule| set(rule, "scope", "*"));
}

fn match_resources(tree: Option<&mut Tree>) {
    if let Some(tree) = tree {
        matching(tree, "resourceRules");
        items(tree, "excludeResourceRules").for_each(|rule| set(rule, "scope", "*"));
    }
}

pub(super) fn validating_policy(root: &mut Tree) {
    if let Some(spec) = child(root, "spec") {
        set(spec, "failurePolicy", "Fail");
        match_resources(child(spec, "matchConstraints"));
    }
}

pub(super) fn mutating_policy(root: &mut Tree) {
    validating_policy(root);
    if let Some(spec) = child(root, "spec") {
        set(spec, "reinvocationPolicy", "Never");
    }
}

pub(super) fn policy_binding(root: &mut Tree) {
    match_resources(child(root, "spec").and_then(|s| child(s, "matchResources")));
}

pub(super) fn api_service(root: &mut Tree) {
    if let Some(service) = child(root, "spec").and_then(|s| child(s, "service")) {
        set(service, "port", 443);
    }
}

pub(super) fn pod_certificate_request(root: &mut Tree) {
    if let Some(spec) = child(root, "spec") {
        set(spec, "maxExpirationSeconds", 24 * 3600);
    }
}

pub(super) fn flow_schema(root: &mut Tree) {
    if let Some(spec) = child_or_new(root, "spec")
        && spec.get("matchingPrecedence").is_none_or(|v| v.is_null() || *v == json!(0))
    {
        spec.insert("matchingPrecedence".to_owned(), json!(1000));
    }
}

pub(super) fn priority_level(root: &mut Tree) {
    let Some(spec) = child(root, "spec") else { return };
    if spec.get("type") == Some(&json!("Exempt")) {
        set(spec, "exempt", json!({}));
    }
    if let Some(exempt) = child(spec, "exempt") {
        set(exempt, "nominalConcurrencyShares", 0);
        set(exempt, "lendablePercent", 0);
    }
    let Some(limited) = child(spec, "limited") else { return };
    set(limited, "nominalConcurrencyShares", 30);
    set(limited, "lendablePercent", 0);
    if let Some(queuing) = child(limited, "limitResponse").and_then(|r| child(r, "queuing")) {
        for (field, value) in [("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)] {
            if queuing.get(field).is_none_or(|v| v.is_null() || *v == json!(0)) {
                queuing.insert(field.to_owned(), json!(value));
            }
        }
    }
}

pub(super) fn claim(root: &mut Tree) {
    claim_spec(child(root, "spec"));
}

pub(super) fn claim_template(root: &mut Tree) {
    claim_spec(child(root, "spec").and_then(|s| child(s, "spec")));
}

fn claim_spec(spec: Option<&mut Tree>) {
    let Some(devices) = spec.and_then(|s| child(s, "devices")) else { return };
    for request in items(devices, "requests") {
        child(request, "exactly").into_iter().for_each(device_request);
        items(request, "firstAvailable").for_each(device_request);
    }
}

fn device_request(request: &mut Tree) {
    set(request, "allocationMode", "ExactCount");
    if request.get("allocationMode") == Some(&json!("ExactCount")) && request.get("count").is_none_or(|v| v.is_null() || *v == json!(0)) {
        request.insert("count".to_owned(), json!(1));
    }
    items(request, "tolerations").for_each(|toleration| set(toleration, "operator", "Equal"));
}

pub(super) fn slice(root: &mut Tree) {
    let Some(spec) = child(root, "spec") else { return };
    for device in items(spec, "devices") {
        items(device, "taints").for_each(taint);
    }
}

pub(super) fn taint_rule(root: &mut Tree) {
    child(root, "spec").and_then(|s| child(s, "taint")).into_iter().for_each(taint);
}

fn taint(taint: &mut Tree) {
    set(taint, "timeAdded", object::time::now());
}
