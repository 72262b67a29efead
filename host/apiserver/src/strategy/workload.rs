//! Deployments and ReplicaSets (`pkg/apis/apps/validation/validation.go`).

use super::read::{immutable, is_empty, non_negative, number, one_of, text};
use super::{Strategy, pod_spec};
use object::field::{ErrorList, Path};
use object::selector::LabelSelector;
use object::{Object, Value};

pub struct DeploymentStrategy;
pub struct ReplicaSetStrategy;

impl Strategy for DeploymentStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        common(spec, &path, errors);
        let strategy = spec.get("strategy").unwrap_or(&empty);
        rolling(strategy, &path.child("strategy"), errors);
        non_negative(number(spec, "revisionHistoryLimit"), &path.child("revisionHistoryLimit"), errors);
        if let Some(deadline) = number(spec, "progressDeadlineSeconds") {
            let path = path.child("progressDeadlineSeconds");
            non_negative(Some(deadline), &path, errors);
            if deadline <= number(spec, "minReadySeconds").unwrap_or(0) {
                errors.invalid(&path, deadline, "must be greater than minReadySeconds");
            }
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["spec", "selector"]), old.at(&["spec", "selector"]), &Path::new("spec").child("selector"), errors);
    }
}

impl Strategy for ReplicaSetStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        common(new.at(&["spec"]).unwrap_or(&empty), &Path::new("spec"), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["spec", "selector"]), old.at(&["spec", "selector"]), &Path::new("spec").child("selector"), errors);
    }
}

/// Replicas, selector and template.
fn common(spec: &Value, path: &Path, errors: &mut ErrorList) {
    non_negative(number(spec, "replicas"), &path.child("replicas"), errors);
    non_negative(number(spec, "minReadySeconds"), &path.child("minReadySeconds"), errors);
    let selector_path = path.child("selector");
    let template = spec.get("template");
    match spec.get("selector") {
        None => errors.required(&selector_path, ""),
        Some(selector) => {
            pod_spec::selector_of(selector, &selector_path, errors);
            if is_empty(selector.get("matchLabels")) && is_empty(selector.get("matchExpressions")) {
                errors.invalid(&selector_path, selector.clone(), "empty selector is invalid for deployment");
            } else if let (Ok(parsed), Some(template)) = (LabelSelector::from_value(selector), template) {
                let labels = template.get("metadata").and_then(|m| m.get("labels"));
                if !parsed.matches(labels.and_then(Value::as_object)) {
                    let path = path.child("template").child("metadata").child("labels");
                    errors.invalid(&path, labels.cloned().unwrap_or_default(), "`selector` does not match template `labels`");
                }
            }
        }
    }
    let path = path.child("template");
    match template {
        None => errors.required(&path, ""),
        Some(template) => {
            pod_spec::validate_template(template, &path, errors);
            let empty = Value::Null;
            let pod = template.get("spec").unwrap_or(&empty);
            let path = path.child("spec");
            let policy = text(pod, "restartPolicy");
            if matches!(policy, "OnFailure" | "Never") {
                errors.not_supported(&path.child("restartPolicy"), policy, &["Always"]);
            }
            if number(pod, "activeDeadlineSeconds").is_some() {
                errors.forbidden(&path.child("activeDeadlineSeconds"), "activeDeadlineSeconds in ReplicaSet is not Supported");
            }
        }
    }
}

fn rolling(strategy: &Value, path: &Path, errors: &mut ErrorList) {
    let ty = text(strategy, "type");
    one_of(ty, &["Recreate", "RollingUpdate"], &path.child("type"), errors);
    let Some(rolling) = strategy.get("rollingUpdate") else { return };
    let path = path.child("rollingUpdate");
    if ty == "Recreate" {
        return errors.forbidden(&path, "may not be specified when strategy `type` is 'Recreate'");
    }
    let zero = |field: &str| match rolling.get(field) {
        Some(Value::Number(n)) => n.as_i64() == Some(0),
        Some(Value::String(s)) => s == "0%",
        _ => false,
    };
    for field in ["maxUnavailable", "maxSurge"] {
        amount(rolling.get(field), &path.child(field), errors);
    }
    if zero("maxUnavailable") && zero("maxSurge") {
        let value = rolling.get("maxUnavailable").cloned().unwrap_or_default();
        errors.invalid(&path.child("maxUnavailable"), value, "may not be 0 when `maxSurge` is 0");
    }
}

/// `ValidatePositiveIntOrPercent`.
fn amount(value: Option<&Value>, path: &Path, errors: &mut ErrorList) {
    match value {
        Some(Value::Number(n)) => non_negative(n.as_i64(), path, errors),
        Some(Value::String(text)) => {
            let digits = text.strip_suffix('%').is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
            if !digits {
                let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                errors.invalid(path, text.as_str(), detail);
            }
        }
        _ => {}
    }
}
