//! What the conformance suite of Kubernetes demands of an API server, entry by entry; docs/conformance.md says which test
//! here shows which entry.

mod definitions;
mod discovery;
mod fields;
mod lists;
mod operations;
mod published;
mod statuses;
mod watches;

use super::Fixture;
use super::crd::{CRDS, condition};
use object::{Value, json};

/// A definition of cluster scope: `foos.GROUP`, every version with the same schema, the first is stored.
pub fn definition(group: &str, versions: &[&str], schema: &Value) -> Value {
    named("foos", "Foo", group, versions, schema)
}

pub fn named(plural: &str, kind: &str, group: &str, versions: &[&str], schema: &Value) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(i, name)| json!({ "name": name, "served": true, "storage": i == 0, "schema": { "openAPIV3Schema": schema } }))
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": { "group": group, "scope": "Cluster", "names": { "plural": plural, "kind": kind }, "versions": versions },
    })
}

/// A schema that lets everything pass.
pub fn anything() -> Value {
    json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

impl Fixture {
    /// Creates a definition and waits until it is established.
    pub async fn define(&self, definition: &Value) -> Value {
        self.post(CRDS, definition).await.expect(201);
        condition(self, definition["metadata"]["name"].as_str().unwrap(), "Established", "True InitialNamesAccepted").await
    }
}
