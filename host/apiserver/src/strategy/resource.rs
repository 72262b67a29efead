//! Devices and claims on them: `pkg/apis/resource/validation/validation.go`. Device selectors are compiled by whoever
//! allocates.

mod names;
mod slice;
mod status;

pub use slice::{SliceStrategy, TaintRuleStrategy};

use super::Strategy;
use super::at::At;
use super::pod_spec::extended_resource;
use super::read::{immutable, items, number, text};
use object::field::{ErrorList, Path};
use object::{Object, Value};
use std::collections::HashSet;

pub struct ClaimStrategy;
pub struct ClaimTemplateStrategy;
pub struct ClassStrategy;

const MAX_REQUESTS: usize = 32;
const MAX_SUB_REQUESTS: usize = 8;
const MAX_SELECTORS: usize = 32;
const MAX_CONSTRAINTS: usize = 32;
const MAX_CONFIGS: usize = 32;
/// Bytes of an expression, and of a driver's parameters.
const MAX_EXPRESSION: usize = 10 * 1024;
const MAX_PARAMETERS: usize = 10 * 1024;

impl Strategy for ClaimStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        claim_spec(new.at(&["spec"]).unwrap_or(&Value::Null), &At::new("spec"), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["spec"]), old.at(&["spec"]), &Path::new("spec"), errors);
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        status::validate(new, old, errors);
    }
}

impl Strategy for ClaimTemplateStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        super::pod_spec::template_metadata(spec, &at, errors);
        claim_spec(spec.get("spec").unwrap_or(&empty), &at.child("spec"), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["spec"]), old.at(&["spec"]), &Path::new("spec"), errors);
    }
}

impl Strategy for ClassStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        selectors(spec, &at, errors);
        list(spec, "config", MAX_CONFIGS, &at, errors, configuration);
        if let Some(name) = spec.get("extendedResourceName").and_then(Value::as_str).filter(|n| !extended_resource(n)) {
            at.child("extendedResourceName").invalid(errors, name, "must be a valid extended resource name");
        }
    }
}

/// Each item of a list, unless there are too many to look at.
fn list(
    tree: &Value,
    field: &str,
    most: usize,
    at: &At<'_>,
    errors: &mut ErrorList,
    mut check: impl FnMut(&Value, &At<'_>, &mut ErrorList),
) {
    let at = at.child(field);
    let count = items(tree, field).count();
    if count > most {
        return at.too_many(errors, count, most);
    }
    for (index, item) in items(tree, field) {
        check(item, &at.index(index), errors);
    }
}

/// The same, and no two of them alike.
fn set<'v>(
    tree: &'v Value,
    field: &str,
    most: usize,
    at: &At<'_>,
    errors: &mut ErrorList,
    key: impl Fn(&'v Value) -> String,
    check: impl FnMut(&Value, &At<'_>, &mut ErrorList),
) {
    list(tree, field, most, at, errors, check);
    if items(tree, field).count() > most {
        return;
    }
    let mut seen = HashSet::new();
    for (index, item) in items(tree, field) {
        let key = key(item);
        if !seen.insert(key.clone()) {
            at.child(field).index(index).duplicate(errors, key);
        }
    }
}

fn by_name(item: &Value) -> String {
    text(item, "name").to_owned()
}

fn itself(item: &Value) -> String {
    item.as_str().unwrap_or_default().to_owned()
}

fn claim_spec(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let empty = Value::Null;
    let (devices, at) = (spec.get("devices").unwrap_or(&empty), at.child("devices"));
    let known = request_names(devices);
    set(devices, "requests", MAX_REQUESTS, &at, errors, by_name, request);
    list(devices, "constraints", MAX_CONSTRAINTS, &at, errors, |constraint, at, errors| {
        references(constraint, &known, at, errors);
        let given = |field: &str| constraint.get(field).and_then(Value::as_str);
        match (given("matchAttribute"), given("distinctAttribute")) {
            (Some(name), _) => names::fully_qualified(name, &at.child("matchAttribute"), errors),
            (None, Some(name)) => names::fully_qualified(name, &at.child("distinctAttribute"), errors),
            (None, None) => {
                let told = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
                at.required(errors, told);
            }
        }
    });
    list(devices, "config", MAX_CONFIGS, &at, errors, |config, at, errors| {
        references(config, &known, at, errors);
        configuration(config, at, errors);
    });
}

/// Names that refer to a request: `request` and `request/subrequest`.
fn request_names(devices: &Value) -> HashSet<String> {
    let mut names = HashSet::new();
    for (_, request) in items(devices, "requests") {
        let name = text(request, "name");
        names.insert(name.to_owned());
        names.extend(items(request, "firstAvailable").map(|(_, sub)| format!("{name}/{}", text(sub, "name"))));
    }
    names
}

fn references(tree: &Value, known: &HashSet<String>, at: &At<'_>, errors: &mut ErrorList) {
    set(tree, "requests", MAX_REQUESTS, at, errors, itself, |name, at, errors| {
        reference(name.as_str().unwrap_or_default(), known, at, errors);
    });
}

fn reference(name: &str, known: &HashSet<String>, at: &At<'_>, errors: &mut ErrorList) {
    const TOLD: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
    if name.matches('/').count() > 1 {
        return at.invalid(errors, name, TOLD);
    }
    for segment in name.split('/') {
        at.invalid_all(errors, segment, &object::names::dns1123_label(segment));
    }
    if !known.contains(name) {
        at.invalid(errors, name, TOLD);
    }
}

fn request(request: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.child("name").invalid_all(errors, text(request, "name"), &object::names::dns1123_label(text(request, "name")));
    let exactly = request.get("exactly").filter(|e| e.is_object());
    let several = items(request, "firstAvailable").next().is_some();
    match (exactly, several) {
        (None, false) => at.required(errors, "exactly one of `exactly` or `firstAvailable` is required"),
        (Some(_), true) => {
            let told = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
            at.invalid(errors, Value::Null, told);
        }
        (None, true) => set(request, "firstAvailable", MAX_SUB_REQUESTS, at, errors, by_name, |sub, at, errors| {
            at.child("name").invalid_all(errors, text(sub, "name"), &object::names::dns1123_label(text(sub, "name")));
            wanted(sub, at, errors);
        }),
        (Some(exactly), false) => wanted(exactly, &at.child("exactly"), errors),
    }
}

fn wanted(request: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match text(request, "deviceClassName") {
        "" => at.child("deviceClassName").required(errors, ""),
        name => at.child("deviceClassName").subdomain(errors, name),
    }
    selectors(request, at, errors);
    let count = number(request, "count").unwrap_or(0);
    match text(request, "allocationMode") {
        "All" if count != 0 => {
            at.child("count").invalid(errors, count, "must not be specified when allocationMode is 'All'");
        }
        "ExactCount" if count <= 0 => at.child("count").invalid(errors, count, "must be greater than zero"),
        "All" | "ExactCount" => {}
        mode => at.child("allocationMode").not_supported(errors, mode, &["All", "ExactCount"]),
    }
    for (index, toleration) in items(request, "tolerations") {
        tolerates(toleration, &at.child("tolerations").index(index), errors);
    }
}

const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];

fn tolerates(toleration: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (key, value) = (text(toleration, "key"), text(toleration, "value"));
    if !key.is_empty() {
        at.child("key").qualified(errors, key);
    }
    match text(toleration, "operator") {
        "Exists" if !value.is_empty() => at.child("value").invalid(errors, value, "must be empty for operator `Exists`"),
        "Exists" => {}
        "Equal" => at.child("value").invalid_all(errors, value, &object::names::label_value(value)),
        "" => at.child("operator").required(errors, ""),
        other => at.child("operator").not_supported(errors, other, &["Equal", "Exists"]),
    }
    let effect = text(toleration, "effect");
    if !effect.is_empty() && !EFFECTS.contains(&effect) {
        at.child("effect").not_supported(errors, effect, &EFFECTS);
    }
}

fn selectors(tree: &Value, at: &At<'_>, errors: &mut ErrorList) {
    list(tree, "selectors", MAX_SELECTORS, at, errors, |selector, at, errors| {
        let Some(cel) = selector.get("cel").filter(|c| c.is_object()) else {
            return at.child("cel").required(errors, "");
        };
        if text(cel, "expression").len() > MAX_EXPRESSION {
            at.child("cel.expression").too_long(errors, MAX_EXPRESSION);
        }
    });
}

fn configuration(config: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(opaque) = config.get("opaque").filter(|o| o.is_object()) else {
        return at.child("opaque").required(errors, "");
    };
    let at = at.child("opaque");
    names::driver(text(opaque, "driver"), &at.child("driver"), errors);
    raw(opaque.get("parameters"), MAX_PARAMETERS, &at.child("parameters"), errors);
}

/// Any JSON object, not too large.
fn raw(value: Option<&Value>, most: usize, at: &At<'_>, errors: &mut ErrorList) {
    match value {
        None | Some(Value::Null) => at.required(errors, ""),
        Some(value) if value.to_string().len() > most => at.too_long(errors, most),
        Some(Value::Object(_)) => {}
        Some(_) => at.invalid(errors, "<value omitted>", "must be a valid JSON object"),
    }
}
