//! What `fieldSelector` sees of an object: `SelectableFields` of upstream's strategies, as columns of the rows.

use crate::columns::path;
use crate::kind::Kind;
use object::{Object, Value};

/// Whether a field selector may name this field of the kind.
pub fn is_selectable(kind: &Kind, field: &str) -> bool {
    matches!(field, "metadata.name" | "metadata.namespace") || kind.selectable_fields.iter().any(|f| f.name == field)
}

/// The field's value in selector form; `None` when the kind does not select by it.
pub fn selectable(kind: &Kind, item: &Object, field: &str) -> Option<String> {
    match field {
        "metadata.name" => return Some(item.name().to_owned()),
        "metadata.namespace" => return Some(item.namespace().to_owned()),
        _ => {}
    }
    let declared = kind.selectable_fields.iter().find(|f| f.name == field)?;
    // A job's field selector has a name of its own (`pkg/apis/batch/v1/conversion.go`).
    let at = if field == "status.successful" { "status.succeeded" } else { field };
    Some(match path::lookup(item, at) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        // An event's `source` is its component, by either of the two API forms (`pkg/registry/core/event/strategy.go`).
        Some(Value::Object(source)) => {
            let component = source.get("component").and_then(Value::as_str).filter(|c| !c.is_empty());
            component.unwrap_or_else(|| item.str_at(&["reportingComponent"])).to_owned()
        }
        None if field == "source" => item.str_at(&["reportingComponent"]).to_owned(),
        _ => declared.absent.clone(),
    })
}
