//! Cells of policy groups.

use super::text;
use object::{Object, Value, json};

pub(crate) fn expression(item: &Object) -> Value {
    text(item, &["spec", "expression"], "")
}

pub(crate) fn mode(item: &Object) -> Value {
    text(item, &["spec", "mode"], "Enforce")
}

pub(crate) fn plugins(item: &Object) -> Value {
    let policies = item.at(&["spec", "policies"]).and_then(Value::as_object);
    let plugins = policies.into_iter().flatten().filter_map(|(_, policy)| policy.get("plugin").and_then(Value::as_str));
    json!(plugins.collect::<Vec<_>>().join(","))
}
