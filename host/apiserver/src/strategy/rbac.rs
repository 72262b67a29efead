//! Roles and their bindings: `pkg/apis/rbac/validation/validation.go`.

use super::Strategy;
use super::at::At;
use super::pod_spec::selector_of;
use super::read::{is_empty, items, text};
use object::field::{ErrorList, Path};
use object::{Object, Value, names};

pub struct RoleStrategy;
pub struct RoleBindingStrategy;

const GROUP: &str = "rbac.authorization.k8s.io";

impl Strategy for RoleStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        let namespaced = !new.namespace().is_empty();
        for (index, rule) in items(tree, "rules") {
            policy_rule(rule, namespaced, &At::new("rules").index(index), errors);
        }
        let Some(aggregation) = new.at(&["aggregationRule"]).filter(|a| a.is_object()) else { return };
        let selectors = Path::new("aggregationRule").child("clusterRoleSelectors");
        if is_empty(aggregation.get("clusterRoleSelectors")) {
            errors.required(&selectors, "at least one clusterRoleSelector required if aggregationRule is non-nil");
        }
        for (index, selector) in items(aggregation, "clusterRoleSelectors") {
            selector_of(selector, &selectors.index(index), errors);
        }
    }
}

fn policy_rule(rule: &Value, namespaced: bool, at: &At<'_>, errors: &mut ErrorList) {
    let has = |field: &str| !is_empty(rule.get(field));
    if !has("verbs") {
        at.child("verbs").required(errors, "verbs must contain at least one value");
    }
    if has("nonResourceURLs") {
        let urls = || rule.get("nonResourceURLs").cloned().unwrap_or_default();
        let at = at.child("nonResourceURLs");
        if namespaced {
            at.invalid(errors, urls(), "namespaced rules cannot apply to non-resource URLs");
        }
        if has("apiGroups") || has("resources") || has("resourceNames") {
            at.invalid(errors, urls(), "rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if !has("apiGroups") {
        at.child("apiGroups").required(errors, "resource rules must supply at least one api group");
    }
    if !has("resources") {
        at.child("resources").required(errors, "resource rules must supply at least one resource");
    }
}

impl Strategy for RoleBindingStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let namespaced = !new.namespace().is_empty();
        let (role, at) = (new.at(&["roleRef"]).unwrap_or(&empty), At::new("roleRef"));
        if text(role, "apiGroup") != GROUP {
            at.child("apiGroup").not_supported(errors, text(role, "apiGroup"), &[GROUP]);
        }
        let kinds: &[&str] = if namespaced { &["ClusterRole", "Role"] } else { &["ClusterRole"] };
        if !kinds.contains(&text(role, "kind")) {
            at.child("kind").not_supported(errors, text(role, "kind"), kinds);
        }
        match text(role, "name") {
            "" => at.child("name").required(errors, ""),
            name => at.child("name").invalid_all(errors, name, &names::path_segment(name)),
        }
        for (index, one) in items(new.as_map(), "subjects") {
            subject(one, namespaced, &At::new("subjects").index(index), errors);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        if new.at(&["roleRef"]) != old.at(&["roleRef"]) {
            errors.invalid(&Path::new("roleRef"), new.at(&["roleRef"]).cloned().unwrap_or_default(), "cannot change roleRef");
        }
    }
}

fn subject(subject: &Value, namespaced: bool, at: &At<'_>, errors: &mut ErrorList) {
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    if name.is_empty() {
        at.child("name").required(errors, "");
    }
    match text(subject, "kind") {
        "ServiceAccount" => {
            at.child("name").subdomain(errors, name);
            if !group.is_empty() {
                at.child("apiGroup").not_supported(errors, group, &[""]);
            }
            if !namespaced && text(subject, "namespace").is_empty() {
                at.child("namespace").required(errors, "");
            }
        }
        "User" | "Group" if group != GROUP => at.child("apiGroup").not_supported(errors, group, &[GROUP]),
        "User" | "Group" => {}
        other => at.child("kind").not_supported(errors, other, &["Group", "ServiceAccount", "User"]),
    }
}
