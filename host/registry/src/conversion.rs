//! Built-in kinds that are served in more than one form, and the way between each form and the stored one. `apiVersion` and
//! `kind` are set by the caller.

pub(crate) mod autoscaling;
pub(crate) mod events;

use object::{Map, Value};

/// Moves a field to another name, when it is there.
fn rename(map: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
}
