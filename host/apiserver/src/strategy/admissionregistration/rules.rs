//! Which requests are meant: operations, groups, versions and resources.

use super::expressions::{self, Offers};
use super::needs_expression;
use crate::strategy::at::At;
use crate::strategy::read::{items, text};
use expression::Type;
use object::field::ErrorList;
use object::{Value, json, names};
use std::collections::HashSet;

const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];

fn texts<'v>(tree: &'v Value, field: &str) -> Vec<&'v str> {
    items(tree, field).filter_map(|(_, v)| v.as_str()).collect()
}

/// `validateRuleWithOperations`.
pub fn with_operations(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let operations = texts(rule, "operations");
    wild(&operations, "operations", &at.child("operations"), errors);
    for (index, operation) in operations.iter().enumerate().filter(|(_, o)| !OPERATIONS.contains(o)) {
        at.child("operations").index(index).not_supported(errors, *operation, &OPERATIONS);
    }
    wild(&texts(rule, "apiGroups"), "API groups", &at.child("apiGroups"), errors);
    let versions = texts(rule, "apiVersions");
    wild(&versions, "API versions", &at.child("apiVersions"), errors);
    for (index, _) in versions.iter().enumerate().filter(|(_, v)| v.is_empty()) {
        at.child("apiVersions").index(index).required(errors, "");
    }
    resources(&texts(rule, "resources"), &at.child("resources"), errors);
    let scope = rule.get("scope").and_then(Value::as_str);
    at.child("scope").one_of_given(errors, scope, &["*", "Cluster", "Namespaced"]);
}

/// Something must be there, and nothing beside a `*`.
fn wild(values: &[&str], others: &str, at: &At<'_>, errors: &mut ErrorList) {
    if values.is_empty() {
        at.required(errors, "");
    }
    if values.len() > 1 && values.contains(&"*") {
        at.invalid(errors, json!(values), &format!("if '*' is present, must not specify other {others}"));
    }
}

fn resources(resources: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    if resources.is_empty() {
        at.required(errors, "");
    }
    let (mut all_of, mut on_all) = (HashSet::new(), HashSet::new());
    let mut plain = false;
    for (index, resource) in resources.iter().enumerate() {
        let at = at.index(index);
        if resource.is_empty() {
            at.required(errors, "");
            continue;
        }
        let Some((name, sub)) = resource.split_once('/') else {
            plain = *resource != "*";
            continue;
        };
        if all_of.contains(name) {
            at.invalid(errors, *resource, &format!("if '{name}/*' is present, must not specify {resource}"));
        }
        if on_all.contains(sub) {
            at.invalid(errors, *resource, &format!("if '*/{sub}' is present, must not specify {resource}"));
        }
        if sub == "*" {
            all_of.insert(name);
        }
        if name == "*" {
            on_all.insert(sub);
        }
    }
    if resources.len() > 1 && resources.contains(&"*/*") {
        at.invalid(errors, json!(resources), "if '*/*' is present, must not specify other resources");
    }
    if resources.contains(&"*") && plain {
        at.invalid(errors, json!(resources), "if '*' is present, must not specify other resources without subresources");
    }
}

/// `validateNamedRuleWithOperations`.
pub fn named(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (index, name) in texts(rule, "resourceNames").into_iter().enumerate() {
        let names = at.child("resourceNames");
        let at = names.index(index);
        at.invalid_all(errors, name, &names::path_segment(name));
        if !seen.insert(name) {
            at.duplicate(errors, name);
        }
    }
    with_operations(rule, at, errors);
}

const MAX_CONDITIONS: usize = 64;

/// `matchConditions` of a webhook or a policy. `params`: they may refer to the policy's parameters.
pub fn match_conditions(tree: &Value, params: bool, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("matchConditions");
    let count = items(tree, "matchConditions").count();
    if count > MAX_CONDITIONS {
        at.too_many(errors, count, MAX_CONDITIONS);
    }
    let mut seen = HashSet::new();
    if count == 0 {
        return;
    }
    let declarations = expressions::declarations(Offers { params, authorizer: true });
    for (index, condition) in items(tree, "matchConditions") {
        let at = at.index(index);
        needs_expression(condition, "expression", "", &at, errors);
        expressions::compile(condition, "expression", &declarations, &[Type::Bool], &at, errors);
        let name = text(condition, "name");
        if name.is_empty() {
            at.child("name").required(errors, "");
            continue;
        }
        at.child("name").qualified(errors, name);
        if !seen.insert(name) {
            at.child("name").duplicate(errors, name);
        }
    }
}
