//! Short ways to read a tree whose types the decoder has already checked.

use object::field::{ErrorList, Path};
use object::{Map, Value, names};

/// Anything with named fields.
pub trait Tree {
    fn get(&self, field: &str) -> Option<&Value>;
}

impl Tree for Value {
    fn get(&self, field: &str) -> Option<&Value> {
        Value::get(self, field)
    }
}

impl Tree for Map<String, Value> {
    fn get(&self, field: &str) -> Option<&Value> {
        Map::get(self, field)
    }
}

pub fn text<'v>(value: &'v impl Tree, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub fn number(value: &impl Tree, field: &str) -> Option<i64> {
    value.get(field).and_then(Value::as_i64)
}

pub fn flag(value: &impl Tree, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// The items of a list field with their index.
pub fn items<'v>(value: &'v impl Tree, field: &str) -> impl Iterator<Item = (usize, &'v Value)> {
    value.get(field).and_then(Value::as_array).into_iter().flatten().enumerate()
}

pub fn entries<'v>(value: &'v impl Tree, field: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.get(field).and_then(Value::as_object).into_iter().flatten()
}

pub fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    }
}

/// `ValidateNonnegativeField`.
pub fn non_negative(value: Option<i64>, path: &Path, errors: &mut ErrorList) {
    if let Some(value) = value.filter(|v| *v < 0) {
        errors.invalid(path, value, "must be greater than or equal to 0");
    }
}

/// One of a closed set; empty is missing.
pub fn one_of(value: &str, allowed: &[&str], path: &Path, errors: &mut ErrorList) {
    if value.is_empty() {
        errors.required(path, "");
    } else if !allowed.contains(&value) {
        errors.not_supported(path, value, allowed);
    }
}

/// A required DNS label.
pub fn label(value: &str, path: &Path, errors: &mut ErrorList) {
    if value.is_empty() {
        errors.required(path, "");
    } else {
        errors.invalid_all(path, value, names::dns1123_label(value));
    }
}

/// `field is immutable`, unless equal (absent and empty are equal).
pub fn immutable(new: Option<&Value>, old: Option<&Value>, path: &Path, errors: &mut ErrorList) {
    if new != old && !(is_empty(new) && is_empty(old)) {
        errors.invalid(path, new.cloned().unwrap_or_default(), "field is immutable");
    }
}

/// A port by number or by name of a container's port.
pub fn int_or_string_port(value: &Value, path: &Path, errors: &mut ErrorList) {
    match value {
        Value::String(name) => errors.invalid_all(path, name, names::port_name(name)),
        Value::Number(number) => {
            for detail in names::port_number(number.as_i64().unwrap_or(-1)) {
                errors.invalid(path, value.clone(), &detail);
            }
        }
        _ => errors.invalid(path, value.clone(), "must be a number or a name"),
    }
}
