//! HorizontalPodAutoscalers in their stored form, v2 (`pkg/apis/autoscaling/validation/validation.go`).

use super::amounts::quantity;
use super::read::{items, non_negative, number, text};
use super::{Context, Strategy};
use object::field::{ErrorList, Path};
use object::quantity::Quantity;
use object::{Object, Value, json, names};

pub struct AutoscalerStrategy;

/// `MaxPeriodSeconds`, `MaxStabilizationWindowSeconds`.
const PERIOD_MAX: i64 = 1800;
const WINDOW_MAX: i64 = 3600;

impl Strategy for AutoscalerStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "desiredReplicas": 0 }));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        let (min, max) = (number(spec, "minReplicas"), number(spec, "maxReplicas").unwrap_or(0));
        if let Some(min) = min.filter(|min| *min < 1) {
            errors.invalid(&path.child("minReplicas"), min, "must be greater than or equal to 1");
        }
        if max < 1 {
            errors.invalid(&path.child("maxReplicas"), max, "must be greater than 0");
        }
        if min.is_some_and(|min| max < min) {
            errors.invalid(&path.child("maxReplicas"), max, "must be greater than or equal to `minReplicas`");
        }
        reference(spec.get("scaleTargetRef").unwrap_or(&empty), &path.child("scaleTargetRef"), errors);
        let metrics = path.child("metrics");
        for (at, found) in items(spec, "metrics") {
            metric(found, &metrics.index(at), errors);
        }
        let outside = items(spec, "metrics").any(|(_, m)| matches!(text(m, "type"), "Object" | "External"));
        if min == Some(0) && !outside {
            errors.forbidden(&metrics, "must specify at least one Object or External metric to support scaling to zero replicas");
        }
        if let Some(behavior) = spec.get("behavior") {
            for direction in ["scaleUp", "scaleDown"] {
                if let Some(found) = behavior.get(direction).filter(|r| r.is_object()) {
                    rules(found, &path.child("behavior").child(direction), errors);
                }
            }
        }
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        let path = Path::new("status");
        let empty = Value::Null;
        let status = new.at(&["status"]).unwrap_or(&empty);
        for field in ["currentReplicas", "desiredReplicas"] {
            non_negative(number(status, field), &path.child(field), errors);
        }
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

/// `ValidateCrossVersionObjectReference`.
fn reference(reference: &Value, path: &Path, errors: &mut ErrorList) {
    for field in ["kind", "name"] {
        match text(reference, field) {
            "" => errors.required(&path.child(field), ""),
            value => errors.invalid_all(&path.child(field), value, names::path_segment(value)),
        }
    }
}

/// Type and field of each source, in the order in which upstream looks.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

fn metric(found: &Value, path: &Path, errors: &mut ErrorList) {
    let ty = text(found, "type");
    let known = SOURCES.iter().find(|(name, _)| *name == ty);
    if ty.is_empty() {
        errors.required(&path.child("type"), "must specify a metric source type");
    }
    if known.is_none() {
        errors.not_supported(&path.child("type"), ty, &TYPES);
    }
    let present: Vec<&str> = SOURCES.iter().map(|(_, field)| *field).filter(|f| found.get(f).is_some_and(Value::is_object)).collect();
    if let Some((field, value)) = present.first().and_then(|field| Some((*field, found.get(field)?))) {
        source(field, value, &path.child(field), errors);
    }
    match known {
        Some((_, field)) if !present.contains(field) => {
            errors.required(&path.child(field), "must populate information for the given metric source");
        }
        Some(_) => {}
        None => errors.not_supported(&path.child("type"), ty, &TYPES),
    }
    if present.len() != 1 {
        for field in present.iter().filter(|field| known.is_none_or(|(_, expected)| expected != *field)) {
            errors.forbidden(&path.child(field), "must populate the given metric source only");
        }
    }
}

fn source(field: &str, source: &Value, path: &Path, errors: &mut ErrorList) {
    let empty = Value::Null;
    if field == "object" {
        reference(source.get("describedObject").unwrap_or(&empty), &path.child("describedObject"), errors);
    }
    match field {
        "resource" | "containerResource" => {
            let name = text(source, "name");
            if name.is_empty() {
                errors.required(&path.child("name"), "must specify a resource name");
            } else if field == "containerResource" {
                super::amounts::container_name(name, &path.child("name"), errors);
            }
        }
        _ => match source.get("metric").map(|m| text(m, "name")).unwrap_or_default() {
            "" => errors.required(&path.child("metric").child("name"), "must specify a metric name"),
            name => errors.invalid_all(&path.child("metric").child("name"), name, names::path_segment(name)),
        },
    }
    if field == "containerResource" {
        match text(source, "container") {
            "" => errors.required(&path.child("container"), "must specify a container"),
            name => errors.invalid_all(&path.child("container"), name, names::dns1123_label(name)),
        }
    }
    let path = path.child("target");
    let target = source.get("target").unwrap_or(&empty);
    amounts(target, &path, errors);
    let has = |field: &str| target.get(field).is_some_and(|v| !v.is_null());
    match field {
        "object" if !has("value") && !has("averageValue") => {
            errors.required(&path.child("averageValue"), "must set either a target value or averageValue");
        }
        "external" if !has("value") && !has("averageValue") => {
            errors.required(&path.child("averageValue"), "must set either a target value for metric or a per-pod target");
        }
        "external" if has("value") && has("averageValue") => {
            errors.forbidden(&path.child("value"), "may not set both a target value for metric and a per-pod target");
        }
        "pods" if !has("averageValue") => {
            errors.required(&path.child("averageValue"), "must specify a positive target averageValue");
        }
        "resource" | "containerResource" => match (has("averageUtilization"), has("averageValue")) {
            (false, false) => {
                errors.required(&path.child("averageUtilization"), "must set either a target raw value or a target utilization");
            }
            (true, true) => {
                errors.forbidden(&path.child("averageValue"), "may not set both a target raw value and a target utilization");
            }
            _ => {}
        },
        _ => {}
    }
}

fn amounts(target: &Value, path: &Path, errors: &mut ErrorList) {
    let ty = text(target, "type");
    if ty.is_empty() {
        errors.required(&path.child("type"), "must specify a metric target type");
    }
    if !matches!(ty, "Utilization" | "Value" | "AverageValue") {
        errors.invalid(&path.child("type"), ty, "must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        if let Some(value) = quantity(target.get(field)).filter(|v| *v <= Quantity::ZERO) {
            errors.invalid(&path.child(field), value.to_string(), "must be positive");
        }
    }
    if let Some(value) = number(target, "averageUtilization").filter(|v| *v < 1) {
        errors.invalid(&path.child("averageUtilization"), value, "must be greater than 0");
    }
}

fn rules(rules: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(window) = number(rules, "stabilizationWindowSeconds") {
        let path = path.child("stabilizationWindowSeconds");
        if window < 0 {
            errors.invalid(&path, window, "must be greater than or equal to zero");
        }
        if window > WINDOW_MAX {
            errors.invalid(&path, window, &format!("must be less than or equal to {WINDOW_MAX}"));
        }
    }
    if let Some(policy) = rules.get("selectPolicy").and_then(Value::as_str)
        && !matches!(policy, "Max" | "Min" | "Disabled")
    {
        errors.not_supported(&path.child("selectPolicy"), policy, &["Disabled", "Max", "Min"]);
    }
    if let Some(tolerance) = quantity(rules.get("tolerance")) {
        super::amounts::non_negative(tolerance, &path.child("tolerance"), errors);
    }
    let path = path.child("policies");
    if items(rules, "policies").next().is_none() {
        errors.required(&path, "must specify at least one Policy");
    }
    for (at, policy) in items(rules, "policies") {
        let path = path.index(at);
        let ty = text(policy, "type");
        if !matches!(ty, "Pods" | "Percent") {
            errors.not_supported(&path.child("type"), ty, &["Percent", "Pods"]);
        }
        let (value, period) = (number(policy, "value").unwrap_or(0), number(policy, "periodSeconds").unwrap_or(0));
        if value <= 0 {
            errors.invalid(&path.child("value"), value, "must be greater than zero");
        }
        if period <= 0 {
            errors.invalid(&path.child("periodSeconds"), period, "must be greater than zero");
        }
        if period > PERIOD_MAX {
            errors.invalid(&path.child("periodSeconds"), period, &format!("must be less than or equal to {PERIOD_MAX}"));
        }
    }
}
