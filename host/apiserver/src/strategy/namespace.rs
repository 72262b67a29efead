//! Namespaces: held by `spec.finalizers` until their content is gone (`pkg/registry/core/namespace/strategy.go`).

use super::{Context, Strategy};
use object::{Object, Value, json};

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

    fn holds_deletion(&self, object: &Object) -> bool {
        object.at(&["spec", "finalizers"]).and_then(Value::as_array).is_some_and(|f| !f.is_empty())
    }

    fn begin_deletion(&self, object: &mut Object) {
        object.set_at(&["status", "phase"], json!("Terminating"));
    }
}
