//! Namespaces: held by `spec.finalizers` until their content is gone (`pkg/registry/core/namespace/strategy.go`).

use super::{Context, Strategy};
use object::field::{ErrorList, Path};
use object::{Object, Value, json, names};

pub struct NamespaceStrategy;

/// The namespace controller's own finalizer.
const KUBERNETES: &str = "kubernetes";

impl Strategy for NamespaceStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "phase": "Active" }));
        let mut finalizers = new.at(&["spec", "finalizers"]).and_then(Value::as_array).cloned().unwrap_or_default();
        if !finalizers.iter().any(|f| f == KUBERNETES) {
            finalizers.push(json!(KUBERNETES));
        }
        new.set_at(&["spec", "finalizers"], json!(finalizers));
    }

    fn prepare_update(&self, context: &Context, new: &mut Object, old: &Object) {
        // Only the `finalize` subresource changes them.
        if context.subresource != Some("finalize") {
            match old.at(&["spec", "finalizers"]) {
                Some(finalizers) => new.set_at(&["spec", "finalizers"], finalizers.clone()),
                None => {
                    new.remove_at(&["spec", "finalizers"]);
                }
            }
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec").child("finalizers");
        for finalizer in new.at(&["spec", "finalizers"]).and_then(Value::as_array).into_iter().flatten() {
            let name = finalizer.as_str().unwrap_or_default();
            errors.invalid_all(&path, name, names::qualified_name(name));
            if !name.contains('/') && !matches!(name, KUBERNETES | "orphan" | "foregroundDeletion") {
                errors.invalid(&path, name, "name is neither a standard finalizer name nor is it fully qualified");
            }
        }
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        let phase = new.str_at(&["status", "phase"]);
        let path = Path::new("status").child("Phase");
        if new.is_deleting() {
            if phase != "Terminating" {
                errors.invalid(&path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
            }
        } else if phase != "Active" {
            errors.invalid(&path, phase, "may only be 'Active' if `deletionTimestamp` is empty");
        }
    }

    fn holds_deletion(&self, object: &Object) -> bool {
        object.at(&["spec", "finalizers"]).and_then(Value::as_array).is_some_and(|f| !f.is_empty())
    }

    fn begin_deletion(&self, object: &mut Object) {
        object.set_at(&["status", "phase"], json!("Terminating"));
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}
