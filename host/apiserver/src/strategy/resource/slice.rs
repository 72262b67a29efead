//! Resource slices, and rules that taint devices.

use super::{EFFECTS, by_name, list, names, set};
use crate::strategy::at::At;
use crate::strategy::pod_spec::node_selector;
use crate::strategy::read::{entries, flag, immutable, is_empty, items, number, text};
use crate::strategy::{Strategy, words};
use object::field::{ErrorList, Path};
use object::quantity::Quantity;
use object::{Object, Value, json};

pub struct SliceStrategy;
pub struct TaintRuleStrategy;

const MAX_DEVICES: usize = 128;
/// Of devices with taints or counters.
const MAX_ADVANCED_DEVICES: usize = 64;
const MAX_COUNTER_SETS: usize = 8;
const MAX_COUNTERS: usize = 32;
const MAX_CONSUMPTIONS: usize = 2;
const MAX_ATTRIBUTES: usize = 32;
const MAX_TAINTS: usize = 16;
const MAX_BINDING_CONDITIONS: usize = 4;
const MAX_RULE_CONDITIONS: usize = 8;
/// Bytes of an attribute's value.
const MAX_VALUE: usize = 64;

impl Strategy for SliceStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        names::driver(text(spec, "driver"), &at.child("driver"), errors);
        pool(spec.get("pool").unwrap_or(&empty), &at.child("pool"), errors);
        places(spec, &["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"], &at, errors);
        if !is_empty(spec.get("sharedCounters")) && !is_empty(spec.get("devices")) {
            at.invalid(errors, "", "only one of `sharedCounters` or `devices` is allowed");
        }
        let advanced = items(spec, "devices").any(|(_, d)| !is_empty(d.get("taints")) || !is_empty(d.get("consumesCounters")));
        let most = if advanced { MAX_ADVANCED_DEVICES } else { MAX_DEVICES };
        let per_device = flag(spec, "perDeviceNodeSelection");
        set(spec, "devices", most, &at, errors, by_name, |one, at, errors| device(one, per_device, at, errors));
        set(spec, "sharedCounters", MAX_COUNTER_SETS, &at, errors, by_name, |set, at, errors| {
            counters(set, "name", at, errors);
        });
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        for field in [&["pool", "name"][..], &["driver"], &["nodeName"]] {
            let path = [&["spec"], field].concat();
            immutable(new.at(&path), old.at(&path), &Path::new(&path.join(".")), errors);
        }
    }
}

impl Strategy for TaintRuleStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        let (selector, place) = (spec.get("deviceSelector").unwrap_or(&empty), at.child("deviceSelector"));
        let given = |field: &str| selector.get(field).and_then(Value::as_str);
        if let Some(driver) = given("driver") {
            names::driver(driver, &place.child("driver"), errors);
        }
        if let Some(pool) = given("pool") {
            names::pool(pool, &place.child("pool"), errors);
        }
        if let Some(device) = given("device") {
            names::device(device, &place.child("device"), errors);
        }
        taint(spec.get("taint").unwrap_or(&empty), &at.child("taint"), errors);
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (status, at) = (new.at(&["status"]).unwrap_or(&empty), At::new("status"));
        let count = items(status, "conditions").count();
        if count > MAX_RULE_CONDITIONS {
            at.child("conditions").too_many(errors, count, MAX_RULE_CONDITIONS);
        }
        words::conditions(status, &at, errors);
    }
}

fn pool(pool: &Value, at: &At<'_>, errors: &mut ErrorList) {
    names::pool(text(pool, "name"), &at.child("name"), errors);
    let (count, generation) = (number(pool, "resourceSliceCount").unwrap_or(0), number(pool, "generation").unwrap_or(0));
    if count <= 0 {
        at.child("resourceSliceCount").invalid(errors, count, "must be greater than zero");
    }
    if generation < 0 {
        at.child("generation").invalid(errors, generation, "must be greater than or equal to zero");
    }
}

/// Where devices are: exactly one way of telling.
fn places(tree: &Value, ways: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    let of_slice = ways.contains(&"perDeviceNodeSelection");
    let mut told = Vec::new();
    if let Some(name) = tree.get("nodeName").and_then(Value::as_str) {
        if name.is_empty() {
            let detail = if of_slice { "must be either unset or set to a non-empty string" } else { "must not be empty" };
            at.child("nodeName").invalid(errors, name, detail);
        } else {
            told.push("`nodeName`");
            at.child("nodeName").subdomain(errors, name);
        }
    }
    if let Some(selector) = tree.get("nodeSelector").filter(|s| s.is_object()) {
        told.push("`nodeSelector`");
        let at = at.child("nodeSelector");
        node_selector(selector, &at, errors);
        if of_slice && items(selector, "nodeSelectorTerms").count() != 1 {
            let terms = selector.get("nodeSelectorTerms").cloned().unwrap_or_default();
            at.child("nodeSelectorTerms").invalid(errors, terms, "must have exactly one node selector term");
        }
    }
    for (field, name) in [("allNodes", "`allNodes`"), ("perDeviceNodeSelection", "`perDeviceNodeSelection`")] {
        match tree.get(field).and_then(Value::as_bool).filter(|_| ways.contains(&field)) {
            Some(true) => told.push(name),
            Some(false) => at.child(field).invalid(errors, false, "must be either unset or set to true"),
            None => {}
        }
    }
    let one = if of_slice {
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required".to_owned()
    } else {
        "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the \
         ResourceSlice spec"
            .to_owned()
    };
    match told.len() {
        0 => at.required(errors, &one),
        1 => {}
        _ => {
            let detail = if of_slice { format!("{one}, but multiple fields are set") } else { one };
            at.invalid(errors, format!("{{{}}}", told.join(", ")), &detail);
        }
    }
}

fn device(device: &Value, per_device: bool, at: &At<'_>, errors: &mut ErrorList) {
    names::device(text(device, "name"), &at.child("name"), errors);
    let total = entries(device, "attributes").count() + entries(device, "capacity").count();
    if total > MAX_ATTRIBUTES {
        let told = format!("the total number of attributes and capacities must not exceed {MAX_ATTRIBUTES}");
        at.invalid(errors, json!(total), &told);
    }
    for (name, value) in entries(device, "attributes") {
        let attributes = at.child("attributes");
        let at = attributes.key(name);
        names::qualified(name, &at, errors);
        attribute(value, &at, errors);
    }
    let shared = flag(device, "allowMultipleAllocations");
    for (name, value) in entries(device, "capacity") {
        let capacity = at.child("capacity");
        let at = capacity.key(name);
        names::qualified(name, &at, errors);
        match value.get("requestPolicy").filter(|p| p.is_object()) {
            Some(_) if !shared => at.child("requestPolicy").forbidden(errors, "allowMultipleAllocations must be true"),
            Some(policy) => request_policy(text(value, "value"), policy, &at.child("requestPolicy"), errors),
            None => {}
        }
    }
    list(device, "taints", MAX_TAINTS, at, errors, taint);
    let by_set = |one: &Value| text(one, "counterSet").to_owned();
    set(device, "consumesCounters", MAX_CONSUMPTIONS, at, errors, by_set, |set, at, errors| counters(set, "counterSet", at, errors));
    let ways = ["nodeName", "nodeSelector", "allNodes"];
    if per_device {
        places(device, &ways, at, errors);
    } else if ways.iter().any(|way| device.get(*way).is_some_and(|v| !v.is_null())) {
        let told = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the \
                    ResourceSlice spec";
        at.invalid(errors, Value::Null, told);
    }
    binding(device, at, errors);
}

/// Conditions that must hold, or must not, before a pod is bound.
pub fn binding(device: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let count = |field: &str| items(device, field).count();
    for field in ["bindingConditions", "bindingFailureConditions"] {
        list(device, field, MAX_BINDING_CONDITIONS, at, errors, |condition, at, errors| {
            at.qualified(errors, condition.as_str().unwrap_or_default());
        });
    }
    if count("bindingConditions") > 0 && count("bindingFailureConditions") == 0 {
        let told = "bindingFailureConditions are required to use bindingConditions";
        at.child("bindingFailureConditions").required(errors, told);
    }
    if count("bindingFailureConditions") > 0 && count("bindingConditions") == 0 {
        let told = "bindingConditions are required to use bindingFailureConditions";
        at.child("bindingConditions").required(errors, told);
    }
}

fn counters(set: &Value, name: &str, at: &At<'_>, errors: &mut ErrorList) {
    match text(set, name) {
        "" => at.child(name).required(errors, ""),
        text => names::device(text, &at.child(name), errors),
    }
    let (at, count) = (at.child("counters"), entries(set, "counters").count());
    if count == 0 {
        return at.required(errors, "");
    }
    if count > MAX_COUNTERS {
        return at.too_many(errors, count, MAX_COUNTERS);
    }
    for (counter, _) in entries(set, "counters") {
        names::device(counter, &at.key(counter), errors);
    }
}

fn attribute(attribute: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let given = |field: &str| attribute.get(field).filter(|v| !v.is_null());
    if let Some(text) = given("string").and_then(Value::as_str).filter(|t| t.len() > MAX_VALUE) {
        let _ = text;
        at.child("string").too_long(errors, MAX_VALUE);
    }
    if let Some(version) = given("version").and_then(Value::as_str) {
        if !is_semver(version) {
            at.child("version").invalid(errors, version, "must be a string compatible with semver.org spec 2.0.0");
        }
        if version.len() > MAX_VALUE {
            at.child("version").too_long(errors, MAX_VALUE);
        }
    }
    match ["bool", "int", "string", "version"].iter().filter(|field| given(field).is_some()).count() {
        0 => at.invalid(errors, "", "exactly one value must be specified"),
        1 => {}
        _ => at.invalid(errors, attribute.clone(), "exactly one value must be specified"),
    }
}

fn is_semver(version: &str) -> bool {
    let (rest, build) = version.split_once('+').map_or((version, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let pre_word = |text: &str| word(text) && (number(text) || text.bytes().any(|b| !b.is_ascii_digit()));
    core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|p| p.split('.').all(pre_word))
        && build.is_none_or(|b| b.split('.').all(word))
}

pub fn taint(taint: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.child("key").qualified(errors, text(taint, "key"));
    let value = text(taint, "value");
    at.child("value").invalid_all(errors, value, &object::names::label_value(value));
    at.child("effect").one_of(errors, text(taint, "effect"), &EFFECTS);
}

/// What parts of a capacity may be asked for.
fn request_policy(capacity: &str, policy: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let quantity = |text: &str| Quantity::parse(text).ok();
    let Some(most) = quantity(capacity) else { return };
    let default = policy.get("default").and_then(Value::as_str).and_then(quantity);
    let range = policy.get("validRange").filter(|r| r.is_object());
    let values = !is_empty(policy.get("validValues"));
    match (values, range, default) {
        (true, Some(_), _) => {
            let told = "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time";
            at.forbidden(errors, told);
        }
        (true, None, None) => at.child("default").required(errors, "required when validValues is defined"),
        (false, Some(_), None) => at.child("default").required(errors, "required when validRange is defined"),
        (true, None, Some(default)) => valid_values(policy, default, most, &at.child("validValues"), errors),
        (false, Some(range), Some(default)) => valid_range(range, default, most, &at.child("validRange"), errors),
        (false, None, _) => {}
    }
}

/// `CapacityRequestPolicyDiscreteMaxOptions`.
const MAX_OPTIONS: usize = 10;

fn valid_values(policy: &Value, default: Quantity, most: Quantity, at: &At<'_>, errors: &mut ErrorList) {
    let values: Vec<Quantity> = items(policy, "validValues").filter_map(|(_, v)| Quantity::from_value(v).ok()).collect();
    for (index, pair) in values.windows(2).enumerate() {
        if let [before, after] = pair
            && before > after
        {
            at.index(index + 1).invalid(errors, after.to_string(), "values must be sorted in ascending order");
        }
    }
    if values.len() > MAX_OPTIONS {
        return at.too_many(errors, values.len(), MAX_OPTIONS);
    }
    for (index, value) in values.iter().enumerate() {
        if *value > most {
            at.index(index).invalid(errors, value.to_string(), &format!("option is larger than capacity value: {most}"));
        }
    }
    for (index, value) in values.iter().enumerate() {
        if values.iter().take(index).any(|v| v == value) {
            at.index(index).duplicate(errors, value.value().to_string());
        }
    }
    if !values.contains(&default) {
        at.invalid(errors, default.to_string(), "default value is not valid according to the requestPolicy");
    }
}

fn valid_range(range: &Value, default: Quantity, most: Quantity, at: &At<'_>, errors: &mut ErrorList) {
    let quantity = |field: &str| range.get(field).and_then(|v| Quantity::from_value(v).ok());
    let Some(low) = quantity("min") else {
        return at.child("min").required(errors, "required when validRange is defined");
    };
    if low > most {
        at.child("min").invalid(errors, low.to_string(), &format!("min is larger than capacity value: {most}"));
    }
    if default < low {
        at.child("min").invalid(errors, default.to_string(), &format!("default is less than min: {low}"));
    }
    let high = quantity("max");
    if let Some(high) = high {
        let at = at.child("max");
        if low > high {
            at.invalid(errors, low.to_string(), &format!("min is larger than max: {high}"));
        }
        if high > most {
            at.invalid(errors, high.to_string(), &format!("max is larger than capacity value: {most}"));
        }
        if default > high {
            at.invalid(errors, default.to_string(), &format!("default is more than max: {high}"));
        }
    }
    let Some(step) = quantity("step") else { return };
    let (at, next) = (at.child("step"), low + step);
    if next > most {
        at.invalid(errors, step.to_string(), &format!("one step {next} is larger than capacity value: {most}"));
    }
    for value in [Some(default), high].into_iter().flatten() {
        let steps = value.value().saturating_sub(low.value()).checked_rem(step.value());
        if steps != Some(0) {
            let told = format!("value is not a multiple of a given step ({step}) from ({low})");
            at.invalid(errors, value.to_string(), &told);
        }
    }
}
