//! Cells of resource quotas: `printResourceQuota` of upstream's printers.

use super::quantity;
use object::{Object, Value, json};

pub(crate) fn quota_requests(quota: &Object) -> Value {
    used(quota, false)
}

pub(crate) fn quota_limits(quota: &Object) -> Value {
    used(quota, true)
}

fn used(quota: &Object, limits: bool) -> Value {
    let hard = quota.at(&["status", "hard"]).and_then(Value::as_object).into_iter().flatten();
    let told: Vec<String> = hard
        .filter(|(name, _)| name.starts_with("limits.") == limits)
        .map(|(name, hard)| {
            let used = quota.at(&["status", "used", name]).map_or("0".to_owned(), quantity);
            format!("{name}: {used}/{}", quantity(hard))
        })
        .collect();
    json!(told.join(", "))
}
