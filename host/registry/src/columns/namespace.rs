//! Cells of namespaces.

use super::text;
use object::{Object, Value};

pub(crate) fn status(namespace: &Object) -> Value {
    text(namespace, &["status", "phase"], "")
}
