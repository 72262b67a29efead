//! Admission by plugins: `spec.admission` of a WasmPlugin, and PolicyGroup. What they have in common with webhook
//! configurations is validated as there.

use super::Strategy;
use super::admissionregistration::rules;
use super::at::At;
use super::pod_spec::selector_of;
use super::read::{entries, is_empty, items, text};
use crate::admission::hooks::expression;
use object::field::ErrorList;
use object::{Object, Value, names};

pub struct PolicyGroupStrategy;

/// Results in reports tell one of these.
const SEVERITIES: [&str; 5] = ["critical", "high", "info", "low", "medium"];
/// Of one plugin; a projection by more paths than this is no cheaper than the whole.
const MAX_FIELDS: usize = 64;

/// `spec.admission` of a WasmPlugin.
pub fn plugin(spec: &Value, errors: &mut ErrorList) {
    let at = At::new("spec.admission");
    let Some(tree) = spec.get("admission").filter(|t| t.is_object()) else {
        if text(spec, "world") == "admission" {
            at.required(errors, "what a plugin of this world is asked about; without rules it serves policy groups only");
        }
        return;
    };
    matching(tree, &at, errors);
    at.child("sideEffects").one_of_given(errors, given(tree, "sideEffects"), &["None", "NoneOnDryRun", "Some"]);
    at.child("reinvocationPolicy").one_of_given(errors, given(tree, "reinvocationPolicy"), &["IfNeeded", "Never"]);
    let count = items(tree, "fields").count();
    if count > MAX_FIELDS {
        at.child("fields").too_many(errors, count, MAX_FIELDS);
    }
    for (index, field) in items(tree, "fields") {
        let path = field.as_str().unwrap_or_default();
        if path.is_empty() || path.split('.').any(str::is_empty) {
            at.child("fields").index(index).invalid(errors, path, "must be names of fields with dots between them");
        }
    }
}

impl Strategy for PolicyGroupStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        matching(spec, &at, errors);
        at.child("failurePolicy").one_of_given(errors, given(spec, "failurePolicy"), &["Fail", "Ignore"]);
        if is_empty(spec.get("rules")) {
            at.child("rules").required(errors, "");
        }
        if text(spec, "message").trim().is_empty() {
            at.child("message").required(errors, "");
        }
        if is_empty(spec.get("policies")) {
            at.child("policies").required(errors, "");
        }
        let policies = at.child("policies");
        for (name, policy) in entries(spec, "policies") {
            let at = policies.key(name);
            let is_word = |name: &str| {
                let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
                first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            };
            if !is_word(name) || matches!(name.as_str(), "true" | "false") {
                at.invalid(errors, name.as_str(), "must be a word of letters, digits and underscores that does not begin with a digit");
            }
            match text(policy, "plugin") {
                "" => at.child("plugin").required(errors, ""),
                plugin => at.child("plugin").invalid_all(errors, plugin, &names::dns1123_subdomain(plugin)),
            }
        }
        let members: Vec<&str> = entries(spec, "policies").map(|(name, _)| name.as_str()).collect();
        match text(spec, "expression") {
            "" => at.child("expression").required(errors, ""),
            text => {
                if let Err(cause) = expression::parse(text, &members) {
                    at.child("expression").invalid(errors, text, &cause);
                }
            }
        }
    }
}

fn given<'v>(tree: &'v Value, field: &str) -> Option<&'v str> {
    tree.get(field).and_then(Value::as_str)
}

/// What plugins and groups have in common.
fn matching(tree: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (index, rule) in items(tree, "rules") {
        rules::with_operations(rule, &at.child("rules").index(index), errors);
    }
    at.child("matchPolicy").one_of_given(errors, given(tree, "matchPolicy"), &["Equivalent", "Exact"]);
    for field in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = tree.get(field).filter(|s| s.is_object()) {
            selector_of(selector, &at.child(field).path(), errors);
        }
    }
    rules::match_conditions(tree, false, at, errors);
    at.child("mode").one_of_given(errors, given(tree, "mode"), &["Audit", "Enforce", "Warn"]);
    at.child("severity").one_of_given(errors, given(tree, "severity"), &SEVERITIES);
}
