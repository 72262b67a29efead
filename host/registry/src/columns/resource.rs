//! Cells of resource claims and slices.

use super::{list, text};
use object::{Object, Value, json};

pub(crate) fn claim_state(item: &Object) -> Value {
    let mut states = Vec::new();
    if item.is_deleting() {
        states.push("deleted");
    }
    if item.at(&["status", "allocation"]).is_some_and(Value::is_object) {
        states.push("allocated");
        if !list(item, &["status", "reservedFor"]).is_empty() {
            states.push("reserved");
        }
    } else if !item.is_deleting() {
        states.push("pending");
    }
    json!(states.join(","))
}

pub(crate) fn slice_node(item: &Object) -> Value {
    text(item, &["spec", "nodeName"], "")
}

pub(crate) fn slice_driver(item: &Object) -> Value {
    text(item, &["spec", "driver"], "")
}

pub(crate) fn slice_pool(item: &Object) -> Value {
    text(item, &["spec", "pool", "name"], "")
}
