//! What makes a pod's specification valid, in pods and in templates (`pkg/apis/core/validation/validation.go`,
//! `ValidatePodSpec`). Checks come in upstream's order, so that causes do.
//!
//! Trees have been decoded by schema and defaulted: fields have their types.

mod affinity;
mod annotations;
pub mod claim;
mod container;
mod env;
mod handler;
mod mount;
mod network;
mod platform;
mod resources;
mod security;
mod spread;
mod volume;
mod windows;
pub mod words;

pub use affinity::{node_selector, selector_at, selector_of};
pub use annotations::{changes as annotation_changes, validate as annotations_valid};
pub use network::tolerations;
pub use resources::{is_extended as extended_resource, overhead};

use super::at::At;
use super::read::{entries, items, number, text};
use object::field::ErrorList;
use object::{Map, Object, Value, names};
use std::collections::HashSet;

/// Where containers stand, in the order in which upstream visits them.
pub const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Whose specification it is.
#[derive(Clone, Copy)]
pub struct Options<'p> {
    /// Name of the pod; `None` for templates.
    pub pod: Option<&'p str>,
}

/// What checks of single containers must know of the pod.
struct Pod<'v> {
    pub spec: &'v Value,
    /// Sound volumes by name.
    pub volumes: volume::Volumes<'v>,
    pub claims: HashSet<&'v str>,
    pub host_users: bool,
    pub grace: Option<i64>,
    pub restart_policy: &'v str,
    /// `spec.os.name`; `None` without `spec.os`.
    pub os: Option<&'v str>,
}

/// A field that is there and not null.
pub fn given<'v>(value: &'v Value, field: &str) -> Option<&'v Value> {
    value.get(field).filter(|v| !v.is_null())
}

/// A string that is there.
pub fn given_text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}

/// Every container of the pod with its place.
pub fn containers(spec: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    CONTAINER_LISTS.into_iter().flat_map(move |list| items(spec, list).map(move |(at, c)| (list, at, c)))
}

/// `ValidatePodTemplateSpec`.
pub fn template_at(template: &Value, at: &At<'_>, errors: &mut ErrorList) {
    template_metadata(template, at, errors);
    let empty = Value::Object(Map::new());
    let (spec, below) = (template.get("spec").unwrap_or(&empty), at.child("spec"));
    validate(spec, &below, Options { pod: None }, errors);
    annotations::agree_with_fields(template_annotations(template), spec, &below, errors);
    if !is_empty_list(spec, "ephemeralContainers") {
        below.child("ephemeralContainers").forbidden(errors, "ephemeral containers not allowed in pod template");
    }
}

/// Labels and annotations of a template. Upstream leaves `metadata` out of their paths.
pub fn template_metadata(template: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let map = |field: &str| template.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_object);
    labels(map("labels"), &at.child("labels"), errors);
    let below = at.child("annotations");
    annotations_map(map("annotations"), &below, errors);
    let empty = Value::Null;
    annotations::validate(map("annotations"), template.get("spec").unwrap_or(&empty), &below, errors);
}

fn template_annotations(template: &Value) -> Option<&Map<String, Value>> {
    template.get("metadata").and_then(|m| m.get("annotations")).and_then(Value::as_object)
}

/// `validatePodMetadataAndSpec` but for what all objects' metadata has in common.
pub fn validate_pod(pod: &Object, errors: &mut ErrorList) {
    let empty = Value::Object(Map::new());
    let spec = pod.at(&["spec"]).unwrap_or(&empty);
    let at = At::new("spec");
    annotations::validate(pod.at(&["metadata", "annotations"]).and_then(Value::as_object), spec, &At::new("metadata.annotations"), errors);
    validate(spec, &at, Options { pod: Some(pod.name()) }, errors);
    if text(spec, "serviceAccountName").is_empty() {
        for (v, volume) in items(spec, "volumes") {
            for (s, source) in given(volume, "projected").into_iter().flat_map(|p| items(p, "sources")) {
                if given(source, "serviceAccountToken").is_some() {
                    let (volumes, projected) = (at.child("volumes"), "projected.sources");
                    let detail = "must not be specified when serviceAccountName is not set";
                    volumes.index(v).child(projected).index(s).child("serviceAccountToken").forbidden(errors, detail);
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        items(spec, list).for_each(|(index, c)| container::only_for_pod(c, &at.child(list).index(index), errors));
    }
}

/// `ValidatePodCreate`, beyond [`validate_pod`].
pub fn validate_new_pod(pod: &Object, errors: &mut ErrorList) {
    let empty = Value::Object(Map::new());
    let spec = pod.at(&["spec"]).unwrap_or(&empty);
    let at = At::new("spec");
    if !is_empty_list(spec, "ephemeralContainers") {
        at.child("ephemeralContainers").forbidden(errors, "cannot be set on create");
    }
    if !text(spec, "nodeName").is_empty() && !is_empty_list(spec, "schedulingGates") {
        at.child("nodeName").forbidden(errors, "cannot be set until all schedulingGates have been cleared");
    }
    annotations::agree_with_fields(pod.at(&["metadata", "annotations"]).and_then(Value::as_object), spec, &at, errors);
}

/// `ValidatePodSpec`.
pub fn validate(spec: &Value, at: &At<'_>, options: Options<'_>, errors: &mut ErrorList) {
    let grace = number(spec, "terminationGracePeriodSeconds");
    if grace.is_none() {
        at.child("terminationGracePeriodSeconds").required(errors, "");
    }
    let pod = Pod {
        spec,
        volumes: volume::validate(spec, options, &at.child("volumes"), errors),
        claims: items(spec, "resourceClaims").map(|(_, c)| text(c, "name")).filter(|name| !name.is_empty()).collect(),
        host_users: spec.get("hostUsers").and_then(Value::as_bool).unwrap_or(true),
        grace,
        restart_policy: text(spec, "restartPolicy"),
        os: given(spec, "os").map(|os| text(os, "name")),
    };
    resources::pod_claims(spec, &at.child("resourceClaims"), errors);
    container::validate(&pod, at, errors);
    if let Some(found) = given(spec, "resources") {
        resources::of_pod(&pod, found, &at.child("resources"), errors);
    }
    network::host_ports(spec, options, &at.child("containers"), errors);
    at.child("restartPolicy").one_of(errors, pod.restart_policy, &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    at.child("dnsPolicy").one_of(errors, text(spec, "dnsPolicy"), &policies);
    labels(spec.get("nodeSelector").and_then(Value::as_object), &at.child("nodeSelector"), errors);
    security::of_pod(spec, at, errors);
    affinity::validate(spec, &at.child("affinity"), errors);
    network::dns_config(spec, &at.child("dnsConfig"), errors);
    for (index, gate) in items(spec, "readinessGates") {
        at.child("readinessGates").index(index).child("conditionType").qualified(errors, text(gate, "conditionType"));
    }
    gates(spec, &at.child("schedulingGates"), errors);
    spread::validate(spec, &at.child("topologySpreadConstraints"), errors);
    windows::host_process(spec, at, errors);
    platform::host_users(&pod, at, errors);
    for field in ["serviceAccountName", "nodeName"] {
        at.child(field).subdomain(errors, text(spec, field));
    }
    at.child("activeDeadlineSeconds").range(errors, number(spec, "activeDeadlineSeconds"), 1, i64::from(i32::MAX));
    network::hostname(spec, at, errors);
    network::tolerations(spec, &at.child("tolerations"), errors);
    network::host_aliases(spec, &at.child("hostAliases"), errors);
    at.child("priorityClassName").subdomain(errors, text(spec, "priorityClassName"));
    if let Some(class) = given_text(spec, "runtimeClassName") {
        at.child("runtimeClassName").invalid_all(errors, class, &names::dns1123_subdomain(class));
    }
    if let Some(policy) = given_text(spec, "preemptionPolicy") {
        at.child("preemptionPolicy").one_of(errors, policy, &["PreemptLowerPriority", "Never"]);
    }
    if let Some(overhead) = given(spec, "overhead") {
        resources::overhead(overhead, &at.child("overhead"), errors);
    }
    platform::validate(&pod, at, errors);
}

/// `validateSchedulingGates`.
fn gates(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (index, gate) in items(spec, "schedulingGates") {
        let (name, at) = (text(gate, "name"), at.index(index));
        at.qualified(errors, name);
        if !seen.insert(name) {
            at.duplicate(errors, name);
        }
    }
}

pub fn is_empty_list(spec: &Value, field: &str) -> bool {
    spec.get(field).and_then(Value::as_array).is_none_or(Vec::is_empty)
}

/// `ValidateLabels`.
pub fn labels(labels: Option<&Map<String, Value>>, at: &At<'_>, errors: &mut ErrorList) {
    for (key, value) in labels.into_iter().flatten() {
        at.qualified(errors, key);
        let value = value.as_str().unwrap_or_default();
        at.invalid_all(errors, value, &names::label_value(value));
    }
}

/// `ValidateAnnotations`.
fn annotations_map(annotations: Option<&Map<String, Value>>, at: &At<'_>, errors: &mut ErrorList) {
    if annotations.is_some_and(|a| !a.is_empty()) {
        crate::write::meta::annotations(annotations, &at.path(), errors);
    }
}

/// Names of a map's entries.
fn keys<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v str> {
    entries(value, field).map(|(key, _)| key.as_str())
}
