//! The definitions that a plugin brings along, applied before its controllers run.
//!
//! They stay when the plugin goes, with all objects of their kinds, unless `spec.controller.crdDeletion` is `Delete`: then the
//! WasmPlugin owns them, and the garbage collector deletes them with it.

use client::{Client, Patch};
use object::{Gvr, Object, ObjectRef, Value, json};

/// A CustomResourceDefinition as it stands in the plugin's manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Crd(Object);

/// What becomes of definitions when their plugin is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    #[default]
    Retain,
    Delete,
}

impl Crd {
    /// # Errors
    /// It is no CustomResourceDefinition of `apiextensions.k8s.io/v1` with a name.
    pub fn new(value: Value) -> Result<Self, String> {
        let object = Object::from_value(value).ok_or("is not an object")?;
        if object.api_version() != "apiextensions.k8s.io/v1" || object.kind() != "CustomResourceDefinition" {
            return Err(format!(
                "is a {} of {}, not a CustomResourceDefinition of apiextensions.k8s.io/v1",
                object.kind(),
                object.api_version()
            ));
        }
        if object.name().is_empty() {
            return Err("has no metadata.name".to_owned());
        }
        Ok(Self(object))
    }

    pub fn name(&self) -> &str {
        self.0.name()
    }
}

/// Applies them all as the host, the plugin being the manager of their fields. Nothing is forced: what two plugins bring alike is theirs
/// together, and a field that somebody else set to another value is a conflict that is told.
///
/// # Errors
/// The first that was refused, by name.
pub(super) async fn apply(client: &Client, plugin: &ObjectRef, crds: &[Crd], deletion: Deletion) -> Result<(), String> {
    let manager = format!("plugin:{}", plugin.name);
    let api = client.api(&Gvr::new("apiextensions.k8s.io", "v1", "customresourcedefinitions"));
    for crd in crds {
        let patch = Patch::Apply { value: wanted(crd, plugin, deletion), manager: manager.clone(), force: false };
        api.patch("", crd.name(), None, &patch)
            .await
            .map_err(|error| format!("CustomResourceDefinition {}: {}", crd.name(), error.chain()))?;
    }
    Ok(())
}

fn wanted(crd: &Crd, plugin: &ObjectRef, deletion: Deletion) -> Value {
    let mut object = crd.0.clone();
    object.remove_at(&["status"]);
    if deletion == Deletion::Delete {
        let owner = json!({"apiVersion": plugin.api_version, "kind": plugin.kind, "name": plugin.name, "uid": plugin.uid});
        object.set_at(&["metadata", "ownerReferences"], json!([owner]));
    }
    object.into_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_definitions_are_taken() {
        let check = |value: Value, expect: &str| assert_eq!(Crd::new(value).map(|crd| crd.name().to_owned()).unwrap_or_else(|e| e), expect);
        let crd =
            |name: &str| json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}});
        check(crd("sites.example.com"), "sites.example.com");
        check(crd(""), "has no metadata.name");
        check(json!([]), "is not an object");
        check(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}),
            "is a Secret of v1, not a CustomResourceDefinition of apiextensions.k8s.io/v1",
        );
    }

    #[test]
    fn the_plugin_owns_what_is_to_go_with_it() {
        let crd = Crd::new(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "c", "labels": {"a": "b"}}, "status": {}}))
        .unwrap();
        let plugin = ObjectRef {
            api_version: "coracle.dev/v1alpha1".into(),
            kind: "WasmPlugin".into(),
            name: "p".into(),
            uid: "u".into(),
            ..ObjectRef::default()
        };
        let metadata = |deletion| wanted(&crd, &plugin, deletion)["metadata"].clone();
        assert_eq!(metadata(Deletion::Retain), json!({"name": "c", "labels": {"a": "b"}}));
        let owner = json!([{"apiVersion": "coracle.dev/v1alpha1", "kind": "WasmPlugin", "name": "p", "uid": "u"}]);
        assert_eq!(metadata(Deletion::Delete)["ownerReferences"], owner);
        assert!(wanted(&crd, &plugin, Deletion::Retain).get("status").is_none());
    }
}
