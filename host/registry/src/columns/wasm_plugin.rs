//! Cells of wasm plugins.

use super::{integer, text};
use object::{Object, Value, json};

pub(crate) fn world(item: &Object) -> Value {
    text(item, &["spec", "world"], "<none>")
}

pub(crate) fn phase(item: &Object) -> Value {
    text(item, &["status", "phase"], "Loading")
}

pub(crate) fn source(item: &Object) -> Value {
    match item.str_at(&["spec", "image"]) {
        "" => text(item, &["spec", "path"], "<none>"),
        image => json!(image),
    }
}

pub(crate) fn calls(item: &Object) -> Value {
    json!(integer(item, &["status", "calls"]))
}

pub(crate) fn traps(item: &Object) -> Value {
    json!(integer(item, &["status", "traps"]))
}

pub(crate) fn timeouts(item: &Object) -> Value {
    json!(integer(item, &["status", "timeouts"]))
}

pub(crate) fn message(item: &Object) -> Value {
    text(item, &["status", "message"], "")
}
