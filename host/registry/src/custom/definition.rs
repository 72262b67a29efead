//! Reading a CustomResourceDefinition (`apiextensions-apiserver/pkg/apihelpers`).

use object::{Object, Value, json};

pub const ESTABLISHED: &str = "Established";
pub const NAMES_ACCEPTED: &str = "NamesAccepted";
pub const TERMINATING: &str = "Terminating";
pub const NON_STRUCTURAL: &str = "NonStructuralSchema";
pub const API_APPROVED: &str = "KubernetesAPIApprovalPolicyConformant";
/// Held by every definition: its objects go first.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Annotation that groups under `k8s.io` and `kubernetes.io` need.
pub const APPROVED_ANNOTATION: &str = "api-approved.kubernetes.io";

pub fn versions(definition: &Object) -> impl Iterator<Item = &Value> {
    definition.at(&["spec", "versions"]).and_then(Value::as_array).into_iter().flatten()
}

pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// Name of the version that is stored.
pub fn storage_version(definition: &Object) -> &str {
    versions(definition).find(|v| flag(v, "storage")).map_or("", |v| text(v, "name"))
}

pub fn condition<'o>(definition: &'o Object, ty: &str) -> Option<&'o Value> {
    let conditions = definition.at(&["status", "conditions"]).and_then(Value::as_array);
    conditions.into_iter().flatten().find(|c| text(c, "type") == ty)
}

pub fn is_true(definition: &Object, ty: &str) -> bool {
    condition(definition, ty).is_some_and(|c| text(c, "status") == "True")
}

/// Sets a condition; its time changes with its status. Returns whether anything changed.
pub fn set_condition(definition: &mut Object, ty: &str, status: &str, reason: &str, message: &str) -> bool {
    let now = object::time::now();
    let old = condition(definition, ty);
    if old.is_some_and(|c| text(c, "status") == status && text(c, "reason") == reason && text(c, "message") == message) {
        return false;
    }
    let since = old.filter(|c| text(c, "status") == status).map_or(now.as_str(), |c| text(c, "lastTransitionTime")).to_owned();
    let new = json!({ "type": ty, "status": status, "reason": reason, "message": message, "lastTransitionTime": since });
    let mut conditions = definition.at(&["status", "conditions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    match conditions.iter_mut().find(|c| text(c, "type") == ty) {
        Some(place) => *place = new,
        None => conditions.push(new),
    }
    definition.set_at(&["status", "conditions"], Value::Array(conditions));
    true
}

/// Removes a condition; returns whether it was there.
pub fn remove_condition(definition: &mut Object, ty: &str) -> bool {
    let Some(Value::Array(mut conditions)) = definition.at(&["status", "conditions"]).cloned() else { return false };
    let before = conditions.len();
    conditions.retain(|c| text(c, "type") != ty);
    let changed = conditions.len() != before;
    if changed {
        definition.set_at(&["status", "conditions"], Value::Array(conditions));
    }
    changed
}

/// Of the groups that Kubernetes' API review guards.
pub fn is_protected_group(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|g| group == *g || group.strip_suffix(g).is_some_and(|rest| rest.ends_with('.')))
}

/// What the approval annotation says, and the words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    Missing,
    Bypassed,
    Approved,
    Invalid,
}

pub fn approval(definition: &Object) -> (Approval, String) {
    const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    let annotation = definition.annotation(APPROVED_ANNOTATION).unwrap_or_default();
    if annotation.is_empty() {
        return (Approval::Missing, format!("protected groups must have approval annotation {APPROVED_ANNOTATION:?}, {SEE}"));
    }
    if annotation.starts_with("unapproved") {
        return (Approval::Bypassed, format!("not approved: {annotation:?}"));
    }
    let host = annotation.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    if super::formats::holds("uri", annotation) && host.is_some_and(|h| !h.is_empty()) {
        return (Approval::Approved, format!("approved in {annotation}"));
    }
    let told = format!(
        "protected groups must have approval annotation {APPROVED_ANNOTATION:?} with either a URL or a reason starting with \"unapproved\", {SEE}"
    );
    (Approval::Invalid, told)
}
