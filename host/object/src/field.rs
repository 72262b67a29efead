//! Field paths and the errors found at them: `k8s.io/apimachinery/pkg/util/validation/field`.

use crate::status::StatusCause;
use serde_json::Value;
use std::fmt;

/// Where in an object: `spec.containers[0].env[KEY]`. Cheap enough to build on the way down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(String);

/// What validation found. Each method adds one cause in upstream's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorList {
    causes: Vec<StatusCause>,
}

impl Path {
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }
    /// Of the whole object.
    pub fn root() -> Self {
        Self::default()
    }
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}.{name}", self.0)) }
    }
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Path {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl ErrorList {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn is_empty(&self) -> bool {
        self.causes.is_empty()
    }
    pub fn len(&self) -> usize {
        self.causes.len()
    }
    pub fn causes(&self) -> &[StatusCause] {
        &self.causes
    }
    /// What `StatusError::invalid` takes.
    pub fn into_causes(self) -> Vec<StatusCause> {
        self.causes
    }
    pub fn extend(&mut self, other: ErrorList) {
        self.causes.extend(other.causes);
    }
    /// By what is told of each, for lists that are found in no order of their own.
    pub fn sort(&mut self) {
        self.causes.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
    }

    /// A value that must be given is absent or empty.
    pub fn required(&mut self, path: &Path, detail: &str) {
        self.add(path, "FieldValueRequired", "Required value".to_owned(), detail);
    }
    pub fn invalid(&mut self, path: &Path, value: impl Into<Value>, detail: &str) {
        self.add(path, "FieldValueInvalid", told("Invalid value", &value.into()), detail);
    }
    /// Wrong as a whole: the value is not shown (`field.OmitValueType`).
    pub fn invalid_as_a_whole(&mut self, path: &Path, detail: &str) {
        self.add(path, "FieldValueInvalid", "Invalid value".to_owned(), detail);
    }
    /// One `invalid` per message, as the checks of [`crate::names`] return them.
    pub fn invalid_all(&mut self, path: &Path, value: &str, details: Vec<String>) {
        for detail in details {
            self.invalid(path, value, &detail);
        }
    }
    /// The value is not of the schema's type.
    pub fn type_invalid(&mut self, path: &Path, value: impl Into<Value>, detail: &str) {
        self.add(path, "FieldValueTypeInvalid", told("Invalid value", &value.into()), detail);
    }
    pub fn forbidden(&mut self, path: &Path, detail: &str) {
        self.add(path, "FieldValueForbidden", "Forbidden".to_owned(), detail);
    }
    pub fn not_supported(&mut self, path: &Path, value: impl Into<Value>, supported: &[&str]) {
        let listed: Vec<String> = supported.iter().map(|v| format!("{v:?}")).collect();
        let detail = if listed.is_empty() { String::new() } else { format!("supported values: {}", listed.join(", ")) };
        self.add(path, "FieldValueNotSupported", told("Unsupported value", &value.into()), &detail);
    }
    pub fn duplicate(&mut self, path: &Path, value: impl Into<Value>) {
        self.add(path, "FieldValueDuplicate", told("Duplicate value", &value.into()), "");
    }
    pub fn not_found(&mut self, path: &Path, value: impl Into<Value>) {
        self.add(path, "FieldValueNotFound", told("Not found", &value.into()), "");
    }
    /// The same with a hint where to look.
    pub fn not_found_in(&mut self, path: &Path, value: impl Into<Value>, detail: &str) {
        self.add(path, "FieldValueNotFound", told("Not found", &value.into()), detail);
    }
    /// `max` in bytes.
    pub fn too_long(&mut self, path: &Path, max: usize) {
        let unit = if max == 1 { "byte" } else { "bytes" };
        self.add(path, "FieldValueTooLong", "Too long".to_owned(), &format!("may not be more than {max} {unit}"));
    }
    pub fn too_many(&mut self, path: &Path, actual: usize, max: usize) {
        let unit = if max == 1 { "item" } else { "items" };
        self.add(path, "FieldValueTooMany", format!("Too many: {actual}"), &format!("must have at most {max} {unit}"));
    }
    pub fn too_few(&mut self, path: &Path, actual: usize, min: usize) {
        let unit = if min == 1 { "item" } else { "items" };
        self.add(path, "FieldValueTooFew", format!("Too few: {actual}"), &format!("must have at least {min} {unit}"));
    }
    pub fn internal(&mut self, path: &Path, detail: &str) {
        self.add(path, "InternalError", "Internal error".to_owned(), detail);
    }

    fn add(&mut self, path: &Path, reason: &str, mut message: String, detail: &str) {
        if !detail.is_empty() {
            message.push_str(": ");
            message.push_str(detail);
        }
        self.causes.push(StatusCause { reason: reason.to_owned(), message, field: path.to_string() });
    }
}

/// `Invalid value: "x"`: strings quoted, numbers plain, all else as JSON.
fn told(what: &str, value: &Value) -> String {
    format!("{what}: {value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_as_upstream() {
        let spec = Path::new("spec");
        let mut list = ErrorList::new();
        list.required(&spec.child("selector"), "");
        list.invalid(&spec.child("replicas"), -1, "must be greater than or equal to 0");
        list.invalid(&Path::new("metadata").child("labels").key("a"), "x y", "bad");
        list.not_supported(&spec.child("type"), "Foo", &["ClusterIP", "NodePort"]);
        list.duplicate(&spec.child("ports").index(1).child("name"), "http");
        list.forbidden(&spec, "may not change");
        list.too_long(&spec, 1);
        list.too_many(&spec, 3, 2);
        list.invalid(&Path::root(), json!({"a": [1]}), "x");
        let got: Vec<String> = list.causes().iter().map(|c| format!("{}|{}|{}", c.reason, c.field, c.message)).collect();
        assert_eq!(
            got,
            [
                "FieldValueRequired|spec.selector|Required value",
                "FieldValueInvalid|spec.replicas|Invalid value: -1: must be greater than or equal to 0",
                "FieldValueInvalid|metadata.labels[a]|Invalid value: \"x y\": bad",
                "FieldValueNotSupported|spec.type|Unsupported value: \"Foo\": supported values: \"ClusterIP\", \"NodePort\"",
                "FieldValueDuplicate|spec.ports[1].name|Duplicate value: \"http\"",
                "FieldValueForbidden|spec|Forbidden: may not change",
                "FieldValueTooLong|spec|Too long: may not be more than 1 byte",
                "FieldValueTooMany|spec|Too many: 3: must have at most 2 items",
                "FieldValueInvalid||Invalid value: {\"a\":[1]}: x",
            ]
        );
    }
}
