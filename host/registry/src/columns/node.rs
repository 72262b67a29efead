//! Cells of nodes: `printNode` of upstream's printers.

use super::{list, none, str_of, text};
use object::{Object, Value, json};

pub(crate) fn status(node: &Object) -> Value {
    let ready = list(node, &["status", "conditions"]).iter().find(|c| str_of(c, "type") == "Ready");
    let mut told = vec![match ready.map(|c| str_of(c, "status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }];
    if node.at(&["spec", "unschedulable"]) == Some(&Value::Bool(true)) {
        told.push("SchedulingDisabled");
    }
    json!(told.join(","))
}

/// Sorted `node-role.kubernetes.io/<role>` labels, and `kubernetes.io/role`.
pub(crate) fn roles(node: &Object) -> Value {
    let labels = node.labels().into_iter().flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { none() } else { json!(roles.join(",")) }
}

pub(crate) fn version(node: &Object) -> Value {
    text(node, &["status", "nodeInfo", "kubeletVersion"], "")
}

pub(crate) fn internal_ip(node: &Object) -> Value {
    address(node, "InternalIP")
}

pub(crate) fn external_ip(node: &Object) -> Value {
    address(node, "ExternalIP")
}

fn address(node: &Object, ty: &str) -> Value {
    let found = list(node, &["status", "addresses"]).iter().find(|a| str_of(a, "type") == ty);
    found.map_or_else(none, |a| json!(str_of(a, "address")))
}

pub(crate) fn os_image(node: &Object) -> Value {
    text(node, &["status", "nodeInfo", "osImage"], "<unknown>")
}

pub(crate) fn kernel_version(node: &Object) -> Value {
    text(node, &["status", "nodeInfo", "kernelVersion"], "<unknown>")
}

pub(crate) fn container_runtime(node: &Object) -> Value {
    text(node, &["status", "nodeInfo", "containerRuntimeVersion"], "<unknown>")
}
