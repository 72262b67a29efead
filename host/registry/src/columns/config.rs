//! Cells of config maps, secrets, service accounts, leases and runtime classes.

use super::{list, text};
use object::{Object, Value, json};

fn entries(item: &Object, fields: &[&str]) -> Value {
    let count: usize = fields.iter().filter_map(|f| item.at(&[f])?.as_object()).map(object::Map::len).sum();
    json!(count)
}

pub(crate) fn config_map_entries(item: &Object) -> Value {
    entries(item, &["data", "binaryData"])
}

pub(crate) fn secret_type(item: &Object) -> Value {
    text(item, &["type"], "")
}

pub(crate) fn secret_entries(item: &Object) -> Value {
    entries(item, &["data"])
}

pub(crate) fn service_account_secrets(item: &Object) -> Value {
    json!(list(item, &["secrets"]).len())
}

pub(crate) fn lease_holder(item: &Object) -> Value {
    text(item, &["spec", "holderIdentity"], "")
}

pub(crate) fn runtime_class_handler(item: &Object) -> Value {
    text(item, &["handler"], "")
}
