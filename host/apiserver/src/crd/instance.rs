//! What writing a custom object does (`pkg/registry/customresource/{strategy,status_strategy,validator}.go`).

use super::rules::{self, Ratchet, Run};
use super::scale::at;
use crate::strategy::Strategy;
use crate::write::meta;
use expression::{Budget, OBJECT_BUDGET};
use object::field::{ErrorList, Path};
use object::{Object, Value, names};
use registry::Kind;
use registry::custom::validate::{self, Correlated};
use registry::custom::{Custom, Props, lists};
use std::sync::Arc;

/// The strategy of a custom row.
pub struct Instance(pub Arc<Kind>);

/// Reasons that keep rules from being asked: they would be about values of wrong types.
const BLOCKING: [&str; 5] =
    ["FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"];

impl Instance {
    fn custom(&self) -> Option<&Custom> {
        self.0.custom.as_deref()
    }

    /// The replicas that `scale` shows must be numbers of replicas.
    fn scale(&self, new: &Object, spec: bool, errors: &mut ErrorList) {
        let Some(scale) = self.custom().and_then(|c| c.version.scale.as_ref()) else { return };
        if spec {
            replicas(new, &scale.spec_replicas, errors);
        }
        replicas(new, &scale.status_replicas, errors);
        if let Some(path) = &scale.label_selector
            && let Some(value) = at(new, path).filter(|v| !v.is_string())
        {
            let detail = format!(".{} accessor error: {value} is of the wrong type, expected string", path.join("."));
            errors.invalid(&Path::new(&format!(".{}", path.join("."))), "", &detail);
        }
    }

    /// Lists and rules, after the schema's own checks.
    fn rest(&self, custom: &Custom, new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
        let mut found = ErrorList::new();
        lists::validate(new.as_map(), &custom.version.schema, &Path::root(), &mut found);
        let was_broken = old.is_some_and(|old| {
            let mut before = ErrorList::new();
            lists::validate(old.as_map(), &custom.version.schema, &Path::root(), &mut before);
            !before.is_empty()
        });
        if !was_broken {
            errors.extend(found);
        }
        let Some(rules) = rules::of(&custom.version) else { return };
        if errors.causes().iter().any(|c| BLOCKING.contains(&c.reason.as_str())) {
            let detail = "some validation rules were not checked because the object was invalid; \
                          correct the existing errors to complete validation";
            errors.invalid(&Path::new("<nil>"), "null", detail);
            return;
        }
        let value = new.to_value();
        let before = old.map(Object::to_value);
        let ratchet = before.as_ref().map_or(Ratchet::NONE, |old| Ratchet::new(Correlated::new(&value, old, &custom.version.schema)));
        let mut run = Run { errors, budget: Budget::new(OBJECT_BUDGET) };
        run.node(rules, &custom.version.schema, &value, before.as_ref(), &Path::root(), ratchet);
    }
}

fn replicas(object: &Object, path: &[String], errors: &mut ErrorList) {
    let Some(value) = at(object, path) else { return };
    let told = format!(".{}", path.join("."));
    let field = Path::new(&told);
    match value.as_i64() {
        None => {
            let detail = format!("{told} accessor error: {value} is of the wrong type, expected int64");
            errors.invalid(&field, 0, &detail);
        }
        Some(count) if count < 0 => errors.invalid(&field, count, "should be a non-negative integer"),
        Some(count) if count > i64::from(i32::MAX) => {
            errors.invalid(&field, count, &format!("should be less than or equal to {}", i32::MAX));
        }
        Some(_) => {}
    }
}

impl Strategy for Instance {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let Some(custom) = self.custom() else { return };
        let value = new.to_value();
        validate::validate(&custom.version.schema, &custom.version.patterns, &value, &Path::root(), None, errors);
        self.scale(new, true, errors);
        embedded(&value, &custom.version.schema, &Path::root(), errors);
        self.rest(custom, new, None, errors);
    }

    fn ratchets(&self) -> bool {
        true
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let Some(custom) = self.custom() else { return };
        let (value, before) = (new.to_value(), old.to_value());
        let ratchet = Some(Correlated::new(&value, &before, &custom.version.schema));
        validate::validate(&custom.version.schema, &custom.version.patterns, &value, &Path::root(), ratchet, errors);
        self.scale(new, true, errors);
        embedded(&value, &custom.version.schema, &Path::root(), errors);
        self.rest(custom, new, Some(old), errors);
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let Some(custom) = self.custom() else { return };
        let schema = custom.version.schema.properties.get("status");
        if let (Some(schema), Some(status)) = (schema, new.at(&["status"])) {
            let ratchet = old.at(&["status"]).map(|old| Correlated::new(status, old, schema));
            validate::validate(schema, &custom.version.patterns, status, &Path::new("status"), ratchet, errors);
        }
        self.scale(new, false, errors);
        self.rest(custom, new, Some(old), errors);
    }

    fn updates_need_revision(&self) -> bool {
        true
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        finalizers(new, &[])
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        finalizers(new, &old.finalizers())
    }
}

/// Finalizers without a domain collide.
fn finalizers(new: &Object, known: &[&str]) -> Vec<String> {
    const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
    let mut told = Vec::new();
    for name in new.finalizers().into_iter().filter(|f| !known.contains(f)) {
        told.extend(names::qualified_name(name).into_iter().map(|fault| format!("metadata.finalizers: {name:?}: {fault}")));
        if !name.contains('/') && !STANDARD.contains(&name) {
            let path = if name.contains('.') { " including a path (/)" } else { "" };
            let others = "to avoid accidental conflicts with other finalizer writers";
            told.push(format!("metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name{path} {others}"));
        }
    }
    told
}

/// Embedded resources have a kind, and metadata as all objects (`pkg/apiserver/schema/objectmeta/validation.go`).
pub fn embedded(value: &Value, schema: &Props, path: &Path, errors: &mut ErrorList) {
    match value {
        Value::Object(map) => {
            if schema.embedded {
                resource(map, path, errors);
            }
            for (key, value) in map {
                if let Some(property) = schema.properties.get(key) {
                    embedded(value, property, &path.child(key), errors);
                } else if let Some(additional) = schema.additional_schema() {
                    embedded(value, additional, &path.key(key), errors);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.items.as_deref() else { return };
            for (index, item) in list.iter().enumerate() {
                embedded(item, items, &path.index(index), errors);
            }
        }
        _ => {}
    }
}

/// One embedded resource.
pub fn resource(map: &object::Map<String, Value>, path: &Path, errors: &mut ErrorList) {
    for field in ["apiVersion", "kind"] {
        let at = path.child(field);
        match map.get(field) {
            None => errors.required(&at, ""),
            Some(Value::String(text)) if text.is_empty() => errors.invalid(&at, "", "must not be empty"),
            Some(Value::String(text)) if field == "apiVersion" && text.matches('/').count() > 1 => {
                errors.invalid(&at, text.as_str(), &format!("unexpected GroupVersion string: {text}"));
            }
            Some(Value::String(text)) if field == "kind" => {
                let faults = names::dns1035_label(&text.to_lowercase());
                if !faults.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {}", faults.join(","));
                    errors.invalid(&at, text.as_str(), &detail);
                }
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.invalid(&at, other.clone(), "must be a string"),
        }
    }
    if let Some(metadata) = map.get("metadata").and_then(Value::as_object) {
        let mut object = Object::default();
        object.set_at(&["metadata"], Value::Object(metadata.clone()));
        if object.name().is_empty() {
            object.set_at(&["metadata", "name"], Value::from("fakename"));
        }
        let namespaced = !object.namespace().is_empty();
        meta::object_meta(&object, namespaced, names::path_segment, &path.child("metadata"), errors);
    }
}
