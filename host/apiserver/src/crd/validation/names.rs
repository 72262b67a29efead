//! `ValidateCustomResourceDefinitionNames`, of `spec.names` and `status.acceptedNames`.

use object::field::{ErrorList, Path};
use object::{Value, names};
use registry::custom::definition::text;

pub(super) fn validate(given: &Value, at: &Path, errors: &mut ErrorList) {
    for (field, mixed) in [("plural", false), ("singular", false), ("kind", true), ("listKind", true)] {
        let name = text(given, field);
        if name.is_empty() {
            continue;
        }
        let faults = if mixed { names::dns1035_label(&name.to_lowercase()) } else { names::dns1035_label(name) };
        if !faults.is_empty() {
            let prefix = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            errors.invalid(&at.child(field), name, &format!("{prefix}{}", faults.join(",")));
        }
    }
    list(given, "shortNames", at, errors);
    if !text(given, "kind").is_empty() && text(given, "kind") == text(given, "listKind") {
        errors.invalid(&at.child("listKind"), text(given, "listKind"), "kind and listKind may not be the same");
    }
    list(given, "categories", at, errors);
}

fn list(given: &Value, field: &str, at: &Path, errors: &mut ErrorList) {
    let names = given.get(field).and_then(Value::as_array).into_iter().flatten();
    for (index, name) in names.enumerate() {
        let name = name.as_str().unwrap_or_default();
        let faults = names::dns1035_label(name);
        if !faults.is_empty() {
            errors.invalid(&at.child(field).index(index), name, &faults.join(","));
        }
    }
}
