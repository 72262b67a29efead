//! Cells of webhook configurations, admission policies and their bindings.

use super::{list, text};
use object::{Object, Value, json};

pub(crate) fn webhooks(item: &Object) -> Value {
    json!(list(item, &["webhooks"]).len())
}

pub(crate) fn validations(item: &Object) -> Value {
    json!(list(item, &["spec", "validations"]).len())
}

pub(crate) fn mutations(item: &Object) -> Value {
    json!(list(item, &["spec", "mutations"]).len())
}

pub(crate) fn param_kind(item: &Object) -> Value {
    match item.at(&["spec", "paramKind"]) {
        Some(Value::Object(_)) => {
            json!(format!("{}/{}", item.str_at(&["spec", "paramKind", "apiVersion"]), item.str_at(&["spec", "paramKind", "kind"])))
        }
        _ => json!("<unset>"),
    }
}

pub(crate) fn policy_name(item: &Object) -> Value {
    text(item, &["spec", "policyName"], "")
}

pub(crate) fn param_ref(item: &Object) -> Value {
    if !item.at(&["spec", "paramRef"]).is_some_and(Value::is_object) {
        return json!("<unset>");
    }
    match (item.str_at(&["spec", "paramRef", "namespace"]), item.str_at(&["spec", "paramRef", "name"])) {
        ("", name) => json!(name),
        (namespace, name) => json!(format!("{namespace}/{name}")),
    }
}
