//! One version of a definition: schema, subresources, columns, selectable fields. What all versions share is told of the
//! spec, once.

use super::{Options, is_shared, schema, schema_of};
use object::field::{ErrorList, Path};
use object::{Object, Value, names};
use registry::custom::definition::{flag, text};
use registry::custom::{Props, field_path, structure};
use std::collections::BTreeSet;

/// `MaxSelectableFields`.
pub(super) const FIELDS_MAX: usize = 8;
const COLUMN_TYPES: &str = "boolean,date,integer,number,string";
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

fn has_status(version: &Value) -> bool {
    version.pointer("/subresources/status").is_some_and(Value::is_object)
}

/// What each version has of its own.
pub(super) fn all(new: &Object, versions: &[&Value], options: &Options, errors: &mut ErrorList) {
    let own = |field: &str| !is_shared(new, field);
    let (schemas, subs, columns, fields) = (own("schema"), own("subresources"), own("additionalPrinterColumns"), own("selectableFields"));
    for (index, version) in versions.iter().enumerate() {
        let at = Path::new("spec").child("versions").index(index);
        let name = text(version, "name");
        let faults = names::dns1035_label(name);
        if !faults.is_empty() {
            errors.invalid(&at.child("name"), name, &faults.join(","));
        }
        deprecation(version, &at, errors);
        if schemas {
            let status = if subs { has_status(version) } else { versions.first().is_some_and(|v| has_status(v)) };
            of_schema(version, status, options, &at.child("schema"), errors);
        }
        if subs {
            subresources(version, &at.child("subresources"), errors);
        }
        if columns {
            printer_columns(version, &at, errors);
        }
        if fields {
            selectable(version, options, &at, errors);
        }
    }
}

/// What all versions share.
pub(super) fn shared(new: &Object, versions: &[&Value], options: &Options, errors: &mut ErrorList) {
    let at = Path::new("spec");
    let Some(first) = versions.first() else { return };
    if is_shared(new, "schema") {
        of_schema(first, versions.iter().any(|v| has_status(v)), options, &at.child("validation"), errors);
    }
    if is_shared(new, "subresources") {
        subresources(first, &at.child("subresources"), errors);
    }
    if is_shared(new, "additionalPrinterColumns") {
        printer_columns(first, &at, errors);
    }
    if is_shared(new, "selectableFields") {
        selectable(first, options, &at, errors);
    }
}

fn of_schema(version: &Value, status: bool, options: &Options, at: &Path, errors: &mut ErrorList) {
    let Some(raw) = schema_of(version) else { return };
    let mut checks = options.checks;
    checks.suppress_cost = options.unchanged.contains(text(version, "name"));
    schema::validate(raw, status, options.structural, checks, at, errors);
}

fn deprecation(version: &Value, at: &Path, errors: &mut ErrorList) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    let at = at.child("deprecationWarning");
    if !flag(version, "deprecated") {
        errors.invalid(&at, warning, "can only be set for deprecated versions");
        return;
    }
    if warning.len() > 256 {
        errors.invalid(&at, warning, "must be <= 256 characters long");
    }
    if warning.is_empty() {
        errors.invalid(&at, warning, "must not be an empty string");
    }
    let printable = |c: char| !c.is_control() && (c == ' ' || !c.is_whitespace());
    if let Some((index, _)) = warning.char_indices().find(|(_, c)| !printable(*c)) {
        let detail = format!("must only contain printable UTF-8 characters; non-printable character found at index {index}");
        errors.invalid(&at, warning, &detail);
    }
}

fn subresources(version: &Value, at: &Path, errors: &mut ErrorList) {
    let Some(scale) = version.pointer("/subresources/scale").filter(|s| s.is_object()) else { return };
    for (field, prefix) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
        let (path, at) = (text(scale, field), at.child(&format!("scale.{field}")));
        if path.is_empty() {
            errors.required(&at, "");
        } else if !is_simple(path, &at, errors) {
        } else if !path.starts_with(prefix) {
            errors.invalid(&at, path, &format!("should be a json path under {}", prefix.trim_end_matches('.')));
        }
    }
    let (path, at) = (text(scale, "labelSelectorPath"), at.child("scale.labelSelectorPath"));
    if !path.is_empty() && is_simple(path, &at, errors) && !path.starts_with(".spec.") && !path.starts_with(".status.") {
        errors.invalid(&at, path, "should be a json path under either .spec or .status");
    }
}

/// `validateSimpleJSONPath`
fn is_simple(path: &str, at: &Path, errors: &mut ErrorList) -> bool {
    let simple = path.starts_with('.');
    if !simple {
        errors.invalid(at, path, "must be a simple json path starting with .");
    }
    simple
}

fn printer_columns(version: &Value, at: &Path, errors: &mut ErrorList) {
    let columns = version.get("additionalPrinterColumns").and_then(Value::as_array).into_iter().flatten();
    for (index, column) in columns.enumerate() {
        let at = at.child("additionalPrinterColumns").index(index);
        if text(column, "name").is_empty() {
            errors.required(&at.child("name"), "");
        }
        let (ty, format, path) = (text(column, "type"), text(column, "format"), text(column, "jsonPath"));
        if ty.is_empty() {
            errors.required(&at.child("type"), &format!("must be one of {COLUMN_TYPES}"));
        } else if !COLUMN_TYPES.split(',').any(|known| known == ty) {
            errors.invalid(&at.child("type"), ty, &format!("must be one of {COLUMN_TYPES}"));
        }
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            errors.invalid(&at.child("format"), format, &format!("must be one of {}", COLUMN_FORMATS.join(",")));
        }
        if path.is_empty() {
            errors.required(&at.child("JSONPath"), "");
        } else {
            is_simple(path, &at.child("JSONPath"), errors);
        }
    }
}

fn selectable(version: &Value, options: &Options, at: &Path, errors: &mut ErrorList) {
    let Some(fields) = version.get("selectableFields").and_then(Value::as_array).filter(|f| !f.is_empty()) else { return };
    let at = at.child("selectableFields");
    let Some(raw) = schema_of(version) else {
        errors.invalid(&at, "", "may only be set when `version.schema.openAPIV3Schema` is not included");
        return;
    };
    let schema = Props::read(raw);
    if structure::unsupported(&schema).is_some() {
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, field) in fields.iter().enumerate() {
        let (path, at) = (text(field, "jsonPath"), at.index(index).child("jsonPath"));
        if path.is_empty() {
            errors.required(&at, "");
            continue;
        }
        match field_path::resolve(path, &schema, false) {
            Err(error) => errors.invalid(&at, path, &format!("is an invalid path: {error}")),
            Ok((told, found)) => {
                if told == "metadata" || told.starts_with("metadata.") {
                    errors.invalid(&at, path, "must not point to fields in metadata");
                }
                if !matches!(found.ty.as_str(), "string" | "boolean" | "integer") {
                    let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
                    errors.invalid(&at, path, detail);
                }
                if !seen.insert(told) {
                    errors.duplicate(&at, path);
                }
            }
        }
    }
    if seen.len() > FIELDS_MAX && !options.many_fields.contains(text(version, "name")) {
        errors.too_many(&at, seen.len(), FIELDS_MAX);
    }
}
