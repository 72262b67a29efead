//! PodDisruptionBudgets (`pkg/apis/policy/validation/validation.go`).

use super::pod_spec::selector_of;
use super::read::{items, non_negative, number, text};
use super::{Context, Strategy};
use object::field::{ErrorList, Path};
use object::{Object, Value, json, names};
use std::collections::HashSet;

pub struct BudgetStrategy;

impl Strategy for BudgetStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0 }));
    }

    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        let given = |field: &str| spec.get(field).filter(|v| !v.is_null());
        if given("minAvailable").is_some() && given("maxUnavailable").is_some() {
            errors.invalid(&path, spec.clone(), "minAvailable and maxUnavailable cannot be both set");
        }
        for field in ["minAvailable", "maxUnavailable"] {
            if let Some(value) = given(field) {
                share(value, &path.child(field), errors);
            }
        }
        if let Some(selector) = given("selector") {
            selector_of(selector, &path.child("selector"), errors);
        }
        if let Some(policy) = given("unhealthyPodEvictionPolicy").and_then(Value::as_str)
            && !matches!(policy, "IfHealthyBudget" | "AlwaysAllow")
        {
            errors.not_supported(&path.child("unhealthyPodEvictionPolicy"), policy, &["AlwaysAllow", "IfHealthyBudget"]);
        }
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        let path = Path::new("status");
        let empty = Value::Null;
        let status = new.at(&["status"]).unwrap_or(&empty);
        conditions(status, &path.child("conditions"), errors);
        for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            non_negative(number(status, field), &path.child(field), errors);
        }
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

/// `ValidatePositiveIntOrPercent`, `IsNotMoreThan100Percent`.
fn share(value: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(percent) = value.as_str() else {
        return non_negative(value.as_i64(), path, errors);
    };
    let digits = percent.strip_suffix('%').filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    match digits {
        None => {
            let told = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            errors.invalid(path, percent, told);
        }
        Some(digits) if digits.parse::<u32>().is_ok_and(|n| n <= 100) => {}
        Some(_) => errors.invalid(path, percent, "must not be greater than 100%"),
    }
}

/// `ValidateConditions` (`k8s.io/apimachinery/pkg/apis/meta/v1/validation/validation.go`).
pub fn conditions(status: &Value, path: &Path, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (at, condition) in items(status, "conditions") {
        let path = path.index(at);
        let (ty, state, reason) = (text(condition, "type"), text(condition, "status"), text(condition, "reason"));
        if !seen.insert(ty) {
            errors.duplicate(&path.child("type"), ty);
        }
        errors.invalid_all(&path.child("type"), ty, names::qualified_name(ty));
        if !matches!(state, "True" | "False" | "Unknown") {
            errors.not_supported(&path.child("status"), state, &["False", "True", "Unknown"]);
        }
        if let Some(generation) = number(condition, "observedGeneration").filter(|g| *g < 0) {
            errors.invalid(&path.child("observedGeneration"), generation, "must be greater than or equal to zero");
        }
        if text(condition, "lastTransitionTime").is_empty() {
            errors.required(&path.child("lastTransitionTime"), "must be set");
        }
        if reason.is_empty() {
            errors.required(&path.child("reason"), "must be set");
        } else {
            let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let bytes = reason.as_bytes();
            let starts = bytes.first().is_some_and(u8::is_ascii_alphabetic);
            let ends = bytes.last().is_some_and(|b| letters(*b));
            if !(starts && ends && bytes.iter().all(|b| letters(*b) || b",:".contains(b))) {
                let told = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";
                errors.invalid(&path.child("reason"), reason, told);
            }
            if reason.len() > 1024 {
                errors.too_long(&path.child("reason"), 1024);
            }
        }
        if text(condition, "message").len() > 32 * 1024 {
            errors.too_long(&path.child("message"), 32 * 1024);
        }
    }
}
