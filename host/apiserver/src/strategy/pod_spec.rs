//! What makes a pod's specification valid, in pods and in templates (`pkg/apis/core/validation/validation.go`).

mod container;
mod volume;

use super::read::{entries, flag, int_or_string_port, items, label, number, one_of, text};
use crate::write::meta;
use object::Value;
use object::field::{ErrorList, Path};
use object::names;
use std::collections::HashSet;

/// `ValidatePodTemplateSpec`.
pub fn validate_template(template: &Value, path: &Path, errors: &mut ErrorList) {
    let metadata = path.child("metadata");
    let map = |field: &str| template.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_object);
    meta::labels(map("labels"), &metadata.child("labels"), errors);
    meta::annotations(map("annotations"), &metadata.child("annotations"), errors);
    match template.get("spec") {
        Some(spec) => validate(spec, &path.child("spec"), errors),
        None => errors.required(&path.child("spec").child("containers"), ""),
    }
}

/// `ValidatePodSpec`.
pub fn validate(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let volumes = volume::validate(spec, &path.child("volumes"), errors);
    let host_network = flag(spec, "hostNetwork");
    let context = container::Context { volumes: &volumes, host_network };
    let mut seen = HashSet::new();
    let containers = path.child("containers");
    if items(spec, "containers").next().is_none() {
        errors.required(&containers, "");
    }
    for (at, one) in items(spec, "containers") {
        container::validate(one, container::Role::Main, &context, &mut seen, &containers.index(at), errors);
    }
    for (at, one) in items(spec, "initContainers") {
        container::validate(one, container::Role::Init, &context, &mut seen, &path.child("initContainers").index(at), errors);
    }
    one_of(text(spec, "restartPolicy"), &["Always", "OnFailure", "Never"], &path.child("restartPolicy"), errors);
    one_of(text(spec, "dnsPolicy"), &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"], &path.child("dnsPolicy"), errors);
    let servers = spec.get("dnsConfig").map(|c| items(c, "nameservers").count()).unwrap_or(0);
    if text(spec, "dnsPolicy") == "None" && servers == 0 {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.required(&path.child("dnsConfig").child("nameservers"), detail);
    }
    for (field, subdomain) in [
        ("serviceAccountName", true),
        ("nodeName", true),
        ("priorityClassName", true),
        ("runtimeClassName", true),
        ("hostname", false),
        ("subdomain", false),
    ] {
        let value = text(spec, field);
        if !value.is_empty() {
            let faults = if subdomain { names::dns1123_subdomain(value) } else { names::dns1123_label(value) };
            errors.invalid_all(&path.child(field), value, faults);
        }
    }
    if let Some(seconds) = number(spec, "activeDeadlineSeconds")
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        errors.invalid(&path.child("activeDeadlineSeconds"), seconds, &format!("must be between 1 and {}, inclusive", i32::MAX));
    }
    meta::labels(spec.get("nodeSelector").and_then(Value::as_object), &path.child("nodeSelector"), errors);
    security(spec, &path.child("securityContext"), errors);
    for (at, toleration) in items(spec, "tolerations") {
        validate_toleration(toleration, &path.child("tolerations").index(at), errors);
    }
    let mut gates = HashSet::new();
    for (at, gate) in items(spec, "schedulingGates") {
        let (name, path) = (text(gate, "name"), path.child("schedulingGates").index(at));
        errors.invalid_all(&path, name, names::qualified_name(name));
        if !gates.insert(name) {
            errors.duplicate(&path, name);
        }
    }
    affinity(spec, &path.child("affinity"), errors);
    for (at, constraint) in items(spec, "topologySpreadConstraints") {
        let path = path.child("topologySpreadConstraints").index(at);
        if number(constraint, "maxSkew").unwrap_or(0) <= 0 {
            errors.invalid(&path.child("maxSkew"), number(constraint, "maxSkew").unwrap_or(0), "must be greater than zero");
        }
        if text(constraint, "topologyKey").is_empty() {
            errors.required(&path.child("topologyKey"), "can not be empty");
        }
        one_of(text(constraint, "whenUnsatisfiable"), &["DoNotSchedule", "ScheduleAnyway"], &path.child("whenUnsatisfiable"), errors);
    }
    for (at, alias) in items(spec, "hostAliases") {
        super::read::ip(text(alias, "ip"), &path.child("hostAliases").index(at).child("ip"), errors);
    }
}

fn security(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(context) = spec.get("securityContext") else { return };
    ids(context, &["runAsUser", "runAsGroup", "fsGroup"], path, errors);
    for (at, group) in items(context, "supplementalGroups") {
        let id = group.as_i64().unwrap_or(-1);
        if !(0..=i64::from(i32::MAX)).contains(&id) {
            errors.invalid(&path.child("supplementalGroups").index(at), id, &format!("must be between 0 and {}, inclusive", i32::MAX));
        }
    }
}

/// User and group numbers.
pub(super) fn ids(context: &Value, fields: &[&str], path: &Path, errors: &mut ErrorList) {
    for field in fields {
        if let Some(id) = number(context, field).filter(|id| !(0..=i64::from(i32::MAX)).contains(id)) {
            errors.invalid(&path.child(field), id, &format!("must be between 0 and {}, inclusive", i32::MAX));
        }
    }
}

/// `ValidateTolerations`.
fn validate_toleration(toleration: &Value, path: &Path, errors: &mut ErrorList) {
    let (key, operator, value, effect) =
        (text(toleration, "key"), text(toleration, "operator"), text(toleration, "value"), text(toleration, "effect"));
    if !key.is_empty() {
        errors.invalid_all(&path.child("key"), key, names::qualified_name(key));
    } else if operator != "Exists" {
        errors.invalid(
            &path.child("operator"),
            operator,
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        );
    }
    if number(toleration, "tolerationSeconds").is_some() && effect != "NoExecute" {
        errors.invalid(&path.child("effect"), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    match operator {
        "" | "Equal" => errors.invalid_all(&path.child("operator"), value, names::label_value(value)),
        "Exists" if !value.is_empty() => {
            errors.invalid(&path.child("operator"), toleration.clone(), "value must be empty when `operator` is 'Exists'")
        }
        "Exists" => {}
        other => errors.not_supported(&path.child("operator"), other, &["Equal", "Exists"]),
    }
    if !matches!(effect, "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        errors.not_supported(&path.child("effect"), effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}

/// `validateAffinity`: node terms, and the parts of pod terms that a scheduler relies on.
fn affinity(spec: &Value, path: &Path, errors: &mut ErrorList) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let Some(affinity) = spec.get("affinity") else { return };
    if let Some(node) = affinity.get("nodeAffinity") {
        let path = path.child("nodeAffinity");
        if let Some(required) = node.get(REQUIRED) {
            let path = path.child(REQUIRED).child("nodeSelectorTerms");
            if items(required, "nodeSelectorTerms").next().is_none() {
                errors.required(&path, "must have at least one node selector term");
            }
            items(required, "nodeSelectorTerms").for_each(|(at, term)| node_term(term, &path.index(at), errors));
        }
        for (at, preferred) in items(node, PREFERRED) {
            let path = path.child(PREFERRED).index(at);
            weight(preferred, &path, errors);
            if let Some(term) = preferred.get("preference") {
                node_term(term, &path.child("preference"), errors);
            }
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = affinity.get(kind) else { continue };
        let path = path.child(kind);
        items(pods, REQUIRED).for_each(|(at, term)| pod_term(term, &path.child(REQUIRED).index(at), errors));
        for (at, preferred) in items(pods, PREFERRED) {
            let path = path.child(PREFERRED).index(at);
            weight(preferred, &path, errors);
            if let Some(term) = preferred.get("podAffinityTerm") {
                pod_term(term, &path.child("podAffinityTerm"), errors);
            }
        }
    }
}

fn weight(preferred: &Value, path: &Path, errors: &mut ErrorList) {
    let weight = number(preferred, "weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), weight, "must be in the range 1-100");
    }
}

fn node_term(term: &Value, path: &Path, errors: &mut ErrorList) {
    for (at, requirement) in items(term, "matchExpressions") {
        let path = path.child("matchExpressions").index(at);
        let values = items(requirement, "values").count();
        match text(requirement, "operator") {
            "In" | "NotIn" if values == 0 => errors.required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"),
            "In" | "NotIn" => {}
            "Exists" | "DoesNotExist" if values > 0 => {
                errors.forbidden(&path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "Exists" | "DoesNotExist" => {}
            "Gt" | "Lt" if values != 1 => {
                errors.required(&path.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'")
            }
            "Gt" | "Lt" => {}
            other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
        }
        let key = text(requirement, "key");
        errors.invalid_all(&path.child("key"), key, names::qualified_name(key));
    }
}

fn pod_term(term: &Value, path: &Path, errors: &mut ErrorList) {
    let key = text(term, "topologyKey");
    if key.is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    } else {
        errors.invalid_all(&path.child("topologyKey"), key, names::qualified_name(key));
    }
    if let Some(selector) = term.get("labelSelector") {
        selector_of(selector, &path.child("labelSelector"), errors);
    }
}

/// `ValidateLabelSelector`.
pub fn selector_of(selector: &Value, path: &Path, errors: &mut ErrorList) {
    meta::labels(selector.get("matchLabels").and_then(Value::as_object), &path.child("matchLabels"), errors);
    for (at, requirement) in items(selector, "matchExpressions") {
        let path = path.child("matchExpressions").index(at);
        let values = items(requirement, "values").count();
        match text(requirement, "operator") {
            "In" | "NotIn" if values == 0 => errors.required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"),
            "Exists" | "DoesNotExist" if values > 0 => {
                errors.forbidden(&path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(&path.child("operator"), other, "not a valid selector operator"),
        }
        let key = text(requirement, "key");
        errors.invalid_all(&path.child("key"), key, names::qualified_name(key));
    }
}

/// Probes and lifecycle hooks: exactly one handler.
pub(super) fn handler(handler: &Value, path: &Path, errors: &mut ErrorList) {
    let kinds: Vec<&str> = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"].into_iter().filter(|k| handler.get(*k).is_some()).collect();
    for extra in kinds.iter().skip(1) {
        errors.forbidden(&path.child(extra), "may not specify more than 1 handler type");
    }
    let Some(kind) = kinds.first() else { return errors.required(path, "must specify a handler type") };
    let (path, body) = (path.child(kind), handler.get(*kind).cloned().unwrap_or_default());
    match *kind {
        "exec" if items(&body, "command").next().is_none() => errors.required(&path.child("command"), ""),
        "httpGet" => {
            if text(&body, "path").is_empty() {
                errors.required(&path.child("path"), "");
            }
            int_or_string_port(body.get("port").unwrap_or(&Value::Null), &path.child("port"), errors);
            one_of(text(&body, "scheme"), &["HTTP", "HTTPS"], &path.child("scheme"), errors);
        }
        "tcpSocket" => int_or_string_port(body.get("port").unwrap_or(&Value::Null), &path.child("port"), errors),
        _ => {}
    }
}

/// Required labels of names within a list.
pub(super) fn unique_label<'v>(name: &'v str, seen: &mut HashSet<&'v str>, path: &Path, errors: &mut ErrorList) {
    label(name, path, errors);
    if !name.is_empty() && !seen.insert(name) {
        errors.duplicate(path, name);
    }
}

/// Resource amounts: `ValidateContainerResourceRequirements`.
pub(super) fn resources(resources: &Value, path: &Path, errors: &mut ErrorList) {
    use object::quantity::Quantity;
    let amount = |value: &Value| Quantity::from_value(value).ok();
    for list in ["limits", "requests"] {
        for (name, value) in entries(resources, list) {
            let path = path.child(list).key(name);
            errors.invalid_all(&path, name, names::qualified_name(name));
            let standard = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
            if !name.contains('/') && !standard {
                errors.invalid(&path, name.as_str(), "must be a standard resource for containers");
            }
            if amount(value).is_some_and(|q| q.is_negative()) {
                errors.invalid(&path, value.clone(), "must be greater than or equal to 0");
            }
        }
    }
    for (name, request) in entries(resources, "requests") {
        let limit = resources.get("limits").and_then(|l| l.get(name));
        let (Some(wanted), Some(limit)) = (amount(request), limit.and_then(amount)) else { continue };
        let overcommit = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        if wanted > limit {
            errors.invalid(&path.child("requests"), request.clone(), &format!("must be less than or equal to {name} limit of {limit}"));
        } else if !overcommit && wanted != limit {
            errors.invalid(&path.child("requests"), request.clone(), &format!("must be equal to {name} limit of {limit}"));
        }
    }
}
