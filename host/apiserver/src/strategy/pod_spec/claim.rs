//! Claims that pods and stateful sets make: `ValidatePersistentVolumeClaimTemplate`, `ValidatePersistentVolumeClaimSpec`.

use super::{given, given_text, labels, selector_of};
use crate::strategy::at::At;
use crate::strategy::read::text;
use object::Value;
use object::field::ErrorList;
use object::names;
use object::quantity::Quantity;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// A template within a pod: of its metadata only labels and annotations are used, so others may not be set.
pub fn template(template: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let below = at.child("metadata");
    if let Some(metadata) = template.get("metadata").and_then(Value::as_object) {
        crate::write::meta::annotations(metadata.get("annotations").and_then(Value::as_object), &below.child("annotations").path(), errors);
        labels(metadata.get("labels").and_then(Value::as_object), &below.child("labels"), errors);
        for (field, value) in metadata {
            let empty = match value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(list) => list.is_empty(),
                _ => false,
            };
            if !matches!(field.as_str(), "labels" | "annotations") && !empty {
                below.child(field).forbidden(errors, "cannot be set");
            }
        }
    }
    let empty = Value::Null;
    spec(template.get("spec").unwrap_or(&empty), &at.child("spec"), errors);
}

/// `ValidatePersistentVolumeClaimSpec` of a new claim.
pub fn spec(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let place = at.child("accessModes");
    let modes: Vec<&str> = spec.get("accessModes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if modes.is_empty() {
        place.required(errors, "at least 1 access mode is required");
    }
    if let Some(selector) = given(spec, "selector") {
        selector_of(selector, &at.child("selector").path(), errors);
    }
    for mode in modes.iter().filter(|mode| !MODES.contains(mode)) {
        place.not_supported(errors, *mode, &MODES);
    }
    let alone = modes.contains(&"ReadWriteOncePod");
    if alone && modes.iter().any(|mode| MODES.contains(mode) && *mode != "ReadWriteOncePod") {
        place.forbidden(errors, "may not use ReadWriteOncePod with other access modes");
    }
    let resources = at.child("resources");
    let place = resources.key("storage");
    match spec.get("resources").and_then(|r| r.get("requests")).and_then(|r| given(r, "storage")) {
        None => place.required(errors, ""),
        Some(amount) => {
            if let Ok(amount) = Quantity::from_value(amount)
                && (amount.is_negative() || amount.is_zero())
            {
                place.invalid(errors, amount.to_string(), "must be greater than zero");
            }
        }
    }
    at.child("storageClassName").subdomain(errors, text(spec, "storageClassName"));
    at.child("volumeMode").one_of_given(errors, given_text(spec, "volumeMode"), &["Block", "Filesystem"]);
    for field in ["dataSource", "dataSourceRef"] {
        if let Some(source) = given(spec, field) {
            data_source(source, &at.child(field), errors);
        }
    }
    if let (Some(source), Some(reference)) = (given(spec, "dataSource"), given(spec, "dataSourceRef")) {
        let place = at.child("dataSource").path();
        if !text(reference, "namespace").is_empty() {
            at.invalid(errors, place.as_str(), "may not be specified when dataSourceRef.namespace is specified");
        } else if ["apiGroup", "kind", "name"].iter().any(|field| source.get(*field) != reference.get(*field)) {
            at.invalid(errors, place.as_str(), "must match dataSourceRef");
        }
    }
    at.child("volumeAttributesClassName").subdomain(errors, text(spec, "volumeAttributesClassName"));
}

fn data_source(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for field in ["name", "kind"] {
        if text(source, field).is_empty() {
            at.child(field).required(errors, "");
        }
    }
    let (group, kind) = (text(source, "apiGroup"), text(source, "kind"));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        at.invalid(errors, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
    at.child("apiGroup").subdomain(errors, group);
    let namespace = text(source, "namespace");
    if !namespace.is_empty() {
        at.child("namespace").invalid_all(errors, namespace, &names::dns1123_label(namespace));
    }
}
