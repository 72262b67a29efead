//! Admission policies and their bindings.

use super::expressions::{self, Offers};
use super::{is_blank, is_missing, match_resources, needs_expression, rules};
use crate::strategy::at::At;
use crate::strategy::pod_spec::selector_of;
use crate::strategy::read::{items, text};
use crate::strategy::{Strategy, words};
use expression::{Decl, Declarations, Type};
use object::field::ErrorList;
use object::{Object, Value, json, names};
use std::collections::HashSet;

pub struct PolicyStrategy;
pub struct MutatingPolicyStrategy;
pub struct BindingStrategy;
pub struct MutatingBindingStrategy;

const MAX_ANNOTATIONS: usize = 20;
/// Bytes: an expression that joins strings is often shorter than what it makes.
const MAX_ANNOTATION_EXPRESSION: usize = 5 * 1024;
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];

impl Strategy for PolicyStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        matched(spec, &at, errors);
        let made = variables(spec, &at, errors);
        let offered = |authorizer: bool| {
            expressions::declarations(Offers { params: has_params(spec), authorizer }).variable("variables", made.clone())
        };
        // Messages are made after the decision, without an authorizer.
        let (declared, plain) = (offered(true), offered(false));
        if is_missing(spec, "validations") && is_missing(spec, "auditAnnotations") {
            for field in ["validations", "auditAnnotations"] {
                at.child(field).required(errors, "validations or auditAnnotations must contain at least one item");
            }
            return;
        }
        for (index, one) in items(spec, "validations") {
            validation(one, &declared, &plain, &at.child("validations").index(index), errors);
        }
        annotations(new.name(), spec, &declared, &at.child("auditAnnotations"), errors);
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (status, at) = (new.at(&["status"]).unwrap_or(&empty), At::new("status"));
        for (index, warning) in items(status.get("typeChecking").unwrap_or(&empty), "expressionWarnings") {
            let warnings = at.child("typeChecking.expressionWarnings");
            let at = warnings.index(index);
            for field in ["warning", "fieldRef"] {
                if is_blank(text(warning, field)) {
                    at.child(field).required(errors, "");
                }
            }
        }
        words::conditions(status, &at, errors);
    }
}

impl Strategy for MutatingPolicyStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        matched(spec, &at, errors);
        variables(spec, &at, errors);
        match text(spec, "reinvocationPolicy") {
            "" => at.child("reinvocationPolicy").required(errors, ""),
            policy => at.child("reinvocationPolicy").one_of(errors, policy, &["IfNeeded", "Never"]),
        }
        if is_missing(spec, "mutations") {
            at.child("mutations").required(errors, "mutations must contain at least one item");
        }
        for (index, one) in items(spec, "mutations") {
            mutation(one, &at.child("mutations").index(index), errors);
        }
    }
}

impl Strategy for BindingStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        binding(spec, &at, errors);
        actions(spec, &at.child("validationActions"), errors);
    }
}

impl Strategy for MutatingBindingStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        binding(new.at(&["spec"]).unwrap_or(&Value::Null), &At::new("spec"), errors);
    }
}

/// Failure policy, parameters and what the policy is about.
fn matched(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.child("failurePolicy").one_of(errors, text(spec, "failurePolicy"), &["Fail", "Ignore"]);
    if let Some(kind) = spec.get("paramKind").filter(|k| k.is_object()) {
        param_kind(kind, &at.child("paramKind"), errors);
    }
    match spec.get("matchConstraints").filter(|m| m.is_object()) {
        None => at.child("matchConstraints").required(errors, ""),
        Some(constraints) => {
            let at = at.child("matchConstraints");
            match_resources(constraints, &at, errors);
            if is_missing(constraints, "resourceRules") {
                at.child("resourceRules").required(errors, "");
            }
        }
    }
    rules::match_conditions(spec, has_params(spec), at, errors);
}

fn param_kind(kind: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (version, name) = (text(kind, "apiVersion"), text(kind, "kind"));
    let place = at.child("apiVersion");
    if version.is_empty() {
        place.required(errors, "");
    } else if version.matches('/').count() > 1 {
        place.invalid(errors, version, &format!("unexpected GroupVersion string: {version}"));
    } else {
        let (group, of) = object::gvk::split_api_version(version);
        let faults = names::dns1123_subdomain(group);
        if !group.is_empty() && !faults.is_empty() {
            place.invalid(errors, group, &faults.join(","));
        }
        let faults = names::dns1035_label(of);
        if of.is_empty() {
            place.invalid(errors, version, "version must be specified");
        } else if !faults.is_empty() {
            place.invalid(errors, of, &faults.join(","));
        }
    }
    let faults = names::dns1035_label(&name.to_lowercase());
    if name.is_empty() {
        at.child("kind").required(errors, "");
    } else if !faults.is_empty() {
        let told = format!("may have mixed case, but should otherwise match: {}", faults.join(","));
        at.child("kind").invalid(errors, name, &told);
    }
}

fn has_params(spec: &Value) -> bool {
    spec.get("paramKind").is_some_and(Value::is_object)
}

/// Checks the variables, each of which may refer to those before it; what they are to other expressions.
fn variables(spec: &Value, at: &At<'_>, errors: &mut ErrorList) -> Decl {
    let base = expressions::declarations(Offers { params: has_params(spec), authorizer: true });
    let mut made: Vec<(&str, Option<Type>)> = Vec::new();
    let all = |made: &[(&str, Option<Type>)]| expressions::variables(made.iter().cloned());
    for (index, variable) in items(spec, "variables") {
        let variables = at.child("variables");
        let at = variables.index(index);
        let name = text(variable, "name");
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let is_word = first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_blank(name) {
            at.child("name").required(errors, "name is not specified");
        } else if !is_word || expression::RESERVED.contains(&name) {
            at.child("name").invalid(errors, name, "name is not a valid CEL identifier");
        }
        needs_expression(variable, "expression", "expression is not specified", &at, errors);
        let declared = base.clone().variable("variables", all(&made));
        let program = expressions::compile(variable, "expression", &declared, &[], &at, errors);
        made.push((name, program.map(|p| p.result().clone())));
    }
    all(&made)
}

fn validation(validation: &Value, declared: &Declarations, plain: &Declarations, at: &At<'_>, errors: &mut ErrorList) {
    needs_expression(validation, "expression", "expression is not specified", at, errors);
    expressions::compile(validation, "expression", declared, &[Type::Bool], at, errors);
    expressions::compile(validation, "messageExpression", plain, &[Type::String], at, errors);
    let (expression, message) = (text(validation, "messageExpression"), text(validation, "message"));
    if !expression.is_empty() && is_blank(expression) {
        at.child("messageExpression").invalid(errors, expression, "must be non-empty if specified");
    }
    if !message.is_empty() && is_blank(message) {
        at.child("message").invalid(errors, message, "message must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        at.child("message").invalid(errors, message, "message must not contain line breaks");
    }
    at.child("reason").one_of_given(errors, validation.get("reason").and_then(Value::as_str), &REASONS);
}

fn annotations(policy: &str, spec: &Value, declared: &Declarations, at: &At<'_>, errors: &mut ErrorList) {
    let count = items(spec, "auditAnnotations").count();
    if count > MAX_ANNOTATIONS {
        let list = spec.get("auditAnnotations").cloned().unwrap_or_default();
        at.invalid(errors, list, &format!("must not have more than {MAX_ANNOTATIONS} auditAnnotations"));
    }
    let mut seen = HashSet::new();
    for (index, annotation) in items(spec, "auditAnnotations") {
        let at = at.index(index);
        let key = text(annotation, "key");
        at.child("key").qualified(errors, &format!("{policy}/{key}"));
        let expression = text(annotation, "valueExpression").trim();
        if expression.is_empty() {
            at.child("valueExpression").required(errors, "valueExpression is not specified");
        } else if expression.len() > MAX_ANNOTATION_EXPRESSION {
            let told = format!("must not exceed {MAX_ANNOTATION_EXPRESSION} bytes in length");
            at.child("valueExpression").required(errors, &told);
        } else {
            expressions::compile(annotation, "valueExpression", declared, &[Type::String, Type::Null], &at, errors);
        }
        if !seen.insert(key) {
            at.child("key").duplicate(errors, key);
        }
    }
}

fn mutation(mutation: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let given = |field: &str| mutation.get(field).filter(|v| v.is_object());
    let (own, other) = match text(mutation, "patchType") {
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        "" => return at.child("patchType").required(errors, ""),
        ty => return at.child("patchType").not_supported(errors, ty, &["ApplyConfiguration", "JSONPatch"]),
    };
    let ty = text(mutation, "patchType");
    match given(own) {
        None => at.child(own).required(errors, &format!("must be specified when patchType is {ty}")),
        Some(patch) => needs_expression(patch, "expression", "expression is not specified", &at.child(own), errors),
    }
    if given(other).is_some() {
        at.child(other).invalid(errors, "{}", &format!("must not be specified when patchType is {ty}"));
    }
}

fn binding(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match text(spec, "policyName") {
        "" => at.child("policyName").required(errors, ""),
        name => at.child("policyName").subdomain(errors, name),
    }
    if let Some(reference) = spec.get("paramRef").filter(|r| r.is_object()) {
        param_ref(reference, &at.child("paramRef"), errors);
    }
    if let Some(resources) = spec.get("matchResources").filter(|m| m.is_object()) {
        match_resources(resources, &at.child("matchResources"), errors);
    }
}

fn param_ref(reference: &Value, at: &At<'_>, errors: &mut ErrorList) {
    const EXCLUSIVE: &str = "name and selector are mutually exclusive";
    let name = text(reference, "name");
    let selector = reference.get("selector").filter(|s| s.is_object());
    if !name.is_empty() {
        at.child("name").invalid_all(errors, name, &names::path_segment(name));
        if selector.is_some() {
            at.child("name").forbidden(errors, EXCLUSIVE);
        }
    }
    if let Some(selector) = selector {
        selector_of(selector, &at.child("selector").path(), errors);
        if !name.is_empty() {
            at.child("selector").forbidden(errors, EXCLUSIVE);
        }
    }
    if name.is_empty() && selector.is_none() {
        at.required(errors, "one of name or selector must be specified");
    }
    let action = text(reference, "parameterNotFoundAction");
    at.child("parameterNotFoundAction").one_of(errors, action, &["Deny", "Allow"]);
}

const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];

fn actions(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let actions: Vec<&str> = items(spec, "validationActions").filter_map(|(_, v)| v.as_str()).collect();
    let mut seen = HashSet::new();
    for (index, action) in actions.iter().enumerate() {
        let at = at.index(index);
        if !ACTIONS.contains(action) {
            at.not_supported(errors, *action, &ACTIONS);
        }
        if !seen.insert(*action) {
            at.duplicate(errors, *action);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let told = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and \
                    headers serves no purpose)";
        at.invalid(errors, json!(actions), told);
    }
    if actions.is_empty() {
        at.required(errors, "at least one validation action is required");
    }
}
