//! Cells of component statuses: `printComponentStatus` of upstream's printers.

use super::{list, str_of};
use object::{Object, Value, json};

fn healthy(item: &Object) -> Option<&Value> {
    list(item, &["conditions"]).iter().find(|c| str_of(c, "type") == "Healthy")
}

pub(crate) fn status(item: &Object) -> Value {
    json!(match healthy(item).map(|c| str_of(c, "status")) {
        Some("True") => "Healthy",
        Some(_) => "Unhealthy",
        None => "Unknown",
    })
}

pub(crate) fn message(item: &Object) -> Value {
    json!(healthy(item).map(|c| str_of(c, "message")).unwrap_or_default())
}

pub(crate) fn error(item: &Object) -> Value {
    json!(healthy(item).map(|c| str_of(c, "error")).unwrap_or_default())
}
