//! OpenAPI v3 documents, one per group and version (KEP-2896), derived from rows and graph: what `kubectl` reads to
//! validate, to explain and to make strategic merge patches.
//!
//! Built when asked for, and not kept: descriptions are the largest text the binary has, and clients cache by the hash in
//! the index.

mod paths;
mod schemas;

use crate::Registry;
use crate::discovery;
use crate::graph;
use crate::kind::Kind;
use object::{Map, Value, json};
use std::sync::Arc;

/// `/openapi/v3`: where each document is. The hash changes when the document can.
pub fn v3_index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for group in discovery::groups(registry) {
        for version in discovery::versions(registry, &group) {
            let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
            let url = format!("/openapi/v3/{path}?hash={}", hash(registry, &group, &version));
            paths.insert(path, json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

/// The document of a group and version; `None` when no kind is of it.
pub fn v3_group(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let kinds = kinds_of(registry, group, version);
    if kinds.is_empty() {
        return None;
    }
    let paths: Map<String, Value> = kinds.iter().flat_map(|k| paths::of(k)).collect();
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "v1.37.0" },
        "paths": paths,
        "components": { "schemas": schemas::of(&kinds) },
    }))
}

/// The hash of a document, as the index tells it.
pub fn hash(registry: &Registry, group: &str, version: &str) -> String {
    let rows: Vec<String> = kinds_of(registry, group, version).iter().map(|k| format!("{k:?}")).collect();
    let text = format!("{} {:08x} {}", env!("CARGO_PKG_VERSION"), graph::table_hash(), rows.concat());
    format!("{:08x}{:08x}", object::hash::fnv32a(text.as_bytes()), text.len())
}

fn kinds_of(registry: &Registry, group: &str, version: &str) -> Vec<Arc<Kind>> {
    registry.kinds().into_iter().filter(|k| k.group == group && k.version == version).collect()
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{definition}") })
}

/// The definition name of a kind's list.
fn list_definition(kind: &Kind) -> String {
    format!("{}List", kind.schema)
}

fn group_version_kind(kind: &Kind, name: &str) -> Value {
    json!({ "group": kind.group, "version": kind.version, "kind": name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_closed_and_carry_what_clients_look_for() {
        let registry = Registry::builtin();
        let index = v3_index(&registry);
        assert!(index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().starts_with("/openapi/v3/apis/apps/v1?hash="));
        for kind in registry.kinds() {
            let document = v3_group(&registry, &kind.group, &kind.version).unwrap();
            let text = document.to_string();
            let schemas = document["components"]["schemas"].as_object().unwrap();
            for reference in text.split("#/components/schemas/").skip(1).filter_map(|t| t.split('"').next()) {
                assert!(schemas.contains_key(reference), "{reference}");
            }
            assert_eq!(schemas[&kind.schema]["x-kubernetes-group-version-kind"][0]["kind"], json!(kind.kind));
        }
        let core = v3_group(&registry, "", "v1").unwrap();
        let containers = &core["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
        assert!(containers["description"].as_str().unwrap().starts_with("List of containers"));
        let patch = &core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Pod");
        assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"));
        assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
        assert!(v3_group(&registry, "apps", "v2").is_none());
    }
}
