//! Cells of roles and their bindings: `printRoleBinding` of upstream's printers.

use super::{list, str_of, text};
use object::{Object, Value, json};

pub(crate) fn created_at(item: &Object) -> Value {
    text(item, &["metadata", "creationTimestamp"], "")
}

pub(crate) fn role(item: &Object) -> Value {
    json!(format!("{}/{}", item.str_at(&["roleRef", "kind"]), item.str_at(&["roleRef", "name"])))
}

pub(crate) fn users(item: &Object) -> Value {
    subjects(item, "User")
}

pub(crate) fn groups(item: &Object) -> Value {
    subjects(item, "Group")
}

pub(crate) fn service_accounts(item: &Object) -> Value {
    subjects(item, "ServiceAccount")
}

fn subjects(item: &Object, kind: &str) -> Value {
    let named = |s: &Value| match str_of(s, "namespace") {
        namespace if kind == "ServiceAccount" && !namespace.is_empty() => format!("{namespace}/{}", str_of(s, "name")),
        _ => str_of(s, "name").to_owned(),
    };
    let told: Vec<String> = list(item, &["subjects"]).iter().filter(|s| str_of(s, "kind") == kind).map(named).collect();
    json!(told.join(", "))
}
