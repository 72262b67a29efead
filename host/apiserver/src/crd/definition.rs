//! What writing a CustomResourceDefinition does (`pkg/registry/customresourcedefinition/strategy.go`, `etcd.go`).

use super::validation;
use crate::strategy::{Context, Strategy};
use object::field::ErrorList;
use object::{Object, Value, json};
use registry::custom::definition::{self as crd, CLEANUP_FINALIZER, TERMINATING};
use registry::custom::{Props, formats};
use std::collections::BTreeSet;

pub struct DefinitionStrategy;

/// `status.storedVersions` holds every version that objects may lie in.
fn note_storage(definition: &mut Object) {
    let storage = crd::storage_version(definition).to_owned();
    if storage.is_empty() {
        return;
    }
    let mut stored = definition.at(&["status", "storedVersions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    if !stored.contains(&json!(storage)) {
        stored.push(json!(storage));
        definition.set_at(&["status", "storedVersions"], Value::Array(stored));
    }
}

impl Strategy for DefinitionStrategy {
    fn prepare_create(&self, _context: &Context, new: &mut Object) {
        new.remove_at(&["status"]);
        // Go's status has these always.
        new.set_at(&["status"], json!({ "acceptedNames": { "kind": "", "plural": "" }, "conditions": null, "storedVersions": [] }));
        new.remove_at(&["status", "conditions"]);
        note_storage(new);
    }

    fn prepare_update(&self, context: &Context, new: &mut Object, _old: &Object) {
        if context.subresource.is_none() {
            note_storage(new);
        }
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        let (mut formats, sets) = (unknown_formats(new), sets(new));
        formats.extend(sets);
        formats
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        let before = self.warnings(old);
        self.warnings(new).into_iter().filter(|w| !before.contains(w)).collect()
    }

    fn updates_need_revision(&self) -> bool {
        true
    }

    fn ratchets(&self) -> bool {
        true
    }

    fn begin_deletion(&self, object: &mut Object) {
        let mut finalizers: Vec<String> = object.finalizers().into_iter().map(str::to_owned).collect();
        if !finalizers.iter().any(|f| f == CLEANUP_FINALIZER) {
            finalizers.push(CLEANUP_FINALIZER.to_owned());
            object.set_at(&["metadata", "finalizers"], json!(finalizers));
        }
        let told = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        crd::set_condition(object, TERMINATING, "True", "InstanceDeletionPending", told);
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        validation::create(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        validation::update(new, old, errors);
    }

    fn validate_status(&self, new: &Object, _old: &Object, errors: &mut ErrorList) {
        validation::status(new, errors);
    }
}

fn schemas(definition: &Object) -> impl Iterator<Item = Props> {
    crd::versions(definition).filter_map(|v| v.pointer("/schema/openAPIV3Schema")).map(Props::read)
}

fn unknown_formats(definition: &Object) -> Vec<String> {
    let mut told = Vec::new();
    for schema in schemas(definition) {
        schema.any(&mut |p| {
            let types = p.ty.as_str();
            let types: &[&str] = if types.is_empty() { &[] } else { &[types] };
            if !p.format.is_empty() && !formats::is_supported(types, &p.format) {
                told.push(format!("unrecognized format {:?}", p.format));
            }
            false
        });
    }
    told
}

fn sets(definition: &Object) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for schema in schemas(definition) {
        schema.any(&mut |p| {
            let items = p.items.as_ref().map_or("", |i| i.ty.as_str());
            if p.list_type.as_deref() == Some("set") && matches!(items, "object" | "array") {
                let by = "is not supported by server-side apply or CEL validation rules";
                told.insert(format!("x-kubernetes-list-type: set for items of type {items:?} {by}"));
            }
            false
        });
    }
    told
}
