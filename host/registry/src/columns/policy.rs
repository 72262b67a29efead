//! Cells of disruption budgets and priority classes: `printPodDisruptionBudget`, `printPriorityClass` of upstream's
//! printers.

use super::{integer, text};
use object::{Object, Value, json};

pub(crate) fn min_available(budget: &Object) -> Value {
    amount(budget.at(&["spec", "minAvailable"]))
}

pub(crate) fn max_unavailable(budget: &Object) -> Value {
    amount(budget.at(&["spec", "maxUnavailable"]))
}

/// A number or a percentage.
fn amount(value: Option<&Value>) -> Value {
    match value {
        Some(Value::String(percent)) => json!(percent),
        Some(Value::Number(number)) => json!(number.to_string()),
        _ => json!("N/A"),
    }
}

pub(crate) fn allowed_disruptions(budget: &Object) -> Value {
    json!(integer(budget, &["status", "disruptionsAllowed"]))
}

pub(crate) fn priority_value(class: &Object) -> Value {
    json!(integer(class, &["value"]))
}

pub(crate) fn global_default(class: &Object) -> Value {
    json!(class.at(&["globalDefault"]).and_then(Value::as_bool).unwrap_or(false))
}

pub(crate) fn preemption_policy(class: &Object) -> Value {
    text(class, &["preemptionPolicy"], "")
}
