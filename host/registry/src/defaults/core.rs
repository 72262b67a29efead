//! Small kinds of the groups core, discovery.k8s.io and rbac.authorization.k8s.io.

use super::{child, child_or_new, is_unset, items, set, text};
use object::{Map, Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn secret(root: &mut Map<String, Value>) {
    set(root, "type", "Opaque");
}

/// Every namespace can be selected by its name (KEP-2161).
pub(super) fn namespace(root: &mut Map<String, Value>) {
    if let Some(metadata) = child(root, "metadata") {
        let name = text(metadata, "name").to_owned();
        if !name.is_empty()
            && let Some(labels) = child_or_new(metadata, "labels")
        {
            labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
        }
    }
    if let Some(status) = child_or_new(root, "status") {
        set(status, "phase", "Active");
    }
}

/// A node that reserves nothing offers all it has.
pub(super) fn node(root: &mut Map<String, Value>) {
    if let Some(status) = child(root, "status")
        && is_unset(status, "allocatable")
        && let Some(capacity) = status.get("capacity").cloned()
    {
        status.insert("allocatable".to_owned(), capacity);
    }
}

pub(super) fn endpoints(root: &mut Map<String, Value>) {
    for subset in items(root, "subsets") {
        items(subset, "ports").for_each(|port| set(port, "protocol", "TCP"));
    }
}

pub(super) fn endpoint_slice(root: &mut Map<String, Value>) {
    for port in items(root, "ports") {
        set(port, "name", "");
        set(port, "protocol", "TCP");
    }
}

pub(super) fn role_binding(root: &mut Map<String, Value>) {
    if let Some(role) = child(root, "roleRef") {
        set(role, "apiGroup", RBAC);
    }
    for subject in items(root, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            set(subject, "apiGroup", RBAC);
        }
    }
}
