//! OpenAPI documents, derived from rows and graph: what `kubectl` reads to validate, to explain and to make strategic merge
//! patches, and what client generators read. Version 3 has one document for each group and version (KEP-2896); version 2
//! (Swagger) is one document of everything.
//!
//! Built when asked for, and not kept here: descriptions are the largest text the binary has, and clients cache by hash.

mod gnostic;
mod operations;
mod parameters;
mod render;
mod schemas;

use crate::Registry;
use crate::discovery;
use crate::graph;
use crate::kind::Kind;
use object::{Gvk, Map, Value, json};
use operations::Operation;
use sha2::{Digest, Sha256};
use std::sync::Arc;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const VERSION_INFO: &str = "io.k8s.apimachinery.pkg.version.Info";

/// Documents about no group.
const PLAIN: [&str; 5] = [".well-known/openid-configuration", "api", "apis", "openid/v1/jwks", "version"];

/// How definitions are written and referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// Swagger 2.0.
    V2,
    V3,
}

impl Dialect {
    fn reference(self, definition: &str) -> Value {
        let place = if self == Self::V2 { "definitions" } else { "components/schemas" };
        json!({ "$ref": format!("#/{place}/{definition}") })
    }
}

/// Paths of the v3 documents as the index names them: `api/v1`, `apis/apps`, `apis/apps/v1`, `version`, ….
pub fn v3_paths(registry: &Registry) -> Vec<String> {
    let mut paths = PLAIN.map(str::to_owned).to_vec();
    for group in discovery::groups(registry) {
        if !group.is_empty() {
            paths.push(format!("apis/{group}"));
        }
        for version in discovery::versions(registry, &group) {
            paths.push(if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") });
        }
    }
    paths.sort();
    paths
}

/// `/openapi/v3`: where each document is. The hash changes when the document can.
pub fn v3_index(registry: &Registry) -> Value {
    let entry = |path: String| {
        let url = format!("/openapi/v3/{path}?hash={}", v3_hash(registry, &path).unwrap_or_default());
        (path, json!({ "serverRelativeURL": url }))
    };
    let paths: Map<String, Value> = v3_paths(registry).into_iter().map(entry).collect();
    json!({ "paths": paths })
}

/// A document by its path in the index; `None` when there is none.
pub fn v3_document(registry: &Registry, path: &str) -> Option<Value> {
    let segments: Vec<&str> = path.split('/').collect();
    let (kinds, operations) = match segments.as_slice() {
        ["api", version] => of_version(registry, "", version)?,
        ["apis", group, version] if !group.is_empty() => of_version(registry, group, version)?,
        _ => (Vec::new(), vec![plain(registry, path)?]),
    };
    let mut document = json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "v1.37.0" },
        "paths": render::paths(&operations, Dialect::V3),
        "components": {
            "schemas": schemas::of(&kinds, &operations, &group_versions(registry), Dialect::V3),
            "securitySchemes": security(),
        },
    });
    document["security"] = json!([{ "BearerToken": [] }]);
    Some(document)
}

/// `/openapi/v2`: Swagger 2.0 of everything.
pub fn v2(registry: &Registry) -> Value {
    let kinds = registry.kinds();
    let mut operations: Vec<Operation> = kinds.iter().flat_map(|k| operations::of(k)).collect();
    for path in v3_paths(registry) {
        operations.extend(plain(registry, &path));
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            ["api", version] => operations.push(resources("", version)),
            ["apis", group, version] => operations.push(resources(group, version)),
            _ => {}
        }
    }
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": "v1.37.0" },
        "paths": render::paths(&operations, Dialect::V2),
        "definitions": schemas::of(&kinds, &operations, &group_versions(registry), Dialect::V2),
        "securityDefinitions": security(),
        "security": [{ "BearerToken": [] }],
    })
}

/// The same in protobuf: gnostic's `openapi.v2.Document`.
pub fn v2_protobuf(registry: &Registry) -> Vec<u8> {
    gnostic::encode(&v2(registry))
}

/// The hash of a document, as the index tells it; `None` when there is no such document.
pub fn v3_hash(registry: &Registry, path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').collect();
    let (group, version) = match segments.as_slice() {
        ["api", version] => ("", *version),
        ["apis", group, version] => (*group, *version),
        _ => return Some(digest(plain(registry, path)?.path.as_bytes())),
    };
    let kinds = kinds_of(registry, group, version);
    if kinds.is_empty() {
        return None;
    }
    // Custom kinds bring their own definitions; of the others the rows and the table tell everything.
    if kinds.iter().any(|k| k.is_custom()) {
        return Some(digest(v3_document(registry, path)?.to_string().as_bytes()));
    }
    let rows: Vec<String> = kinds.iter().map(|k| format!("{k:?}")).collect();
    let all = group_versions(registry);
    Some(digest(format!("{} {:08x} {all:?} {}", env!("CARGO_PKG_VERSION"), graph::table_hash(), rows.concat()).as_bytes()))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02X}")).collect()
}

fn security() -> Value {
    json!({ "BearerToken": { "type": "apiKey", "in": "header", "name": "authorization", "description": "Bearer Token authentication" } })
}

fn of_version(registry: &Registry, group: &str, version: &str) -> Option<(Vec<Arc<Kind>>, Vec<Operation>)> {
    let kinds = kinds_of(registry, group, version);
    if kinds.is_empty() {
        return None;
    }
    let mut operations = vec![resources(group, version)];
    operations.extend(kinds.iter().flat_map(|k| operations::of(k)));
    Some((kinds, operations))
}

/// Discovery of one group and version.
fn resources(group: &str, version: &str) -> Operation {
    let (prefix, tag) = operations::names(group, version);
    let path = if group.is_empty() { format!("/api/{version}/") } else { format!("/apis/{group}/{version}/") };
    operations::plain(&path, &format!("get{prefix}APIResources"), &tag, "get available resources", &format!("{META}.APIResourceList"))
}

/// Discovery above it, and the version.
fn plain(registry: &Registry, path: &str) -> Option<Operation> {
    let versions = "get available API versions";
    Some(match path.split('/').collect::<Vec<_>>().as_slice() {
        ["api"] => operations::plain("/api/", "getCoreAPIVersions", "core", versions, &format!("{META}.APIVersions")),
        ["apis"] => operations::plain("/apis/", "getAPIVersions", "apis", versions, &format!("{META}.APIGroupList")),
        ["apis", group] if discovery::groups(registry).iter().any(|g| g == group) => {
            let (prefix, tag) = operations::names(group, "");
            let id = format!("get{prefix}APIGroup");
            operations::plain(&format!("/apis/{group}/"), &id, &tag, "get information of a group", &format!("{META}.APIGroup"))
        }
        [".well-known", "openid-configuration"] => operations::text(
            "/.well-known/openid-configuration/",
            "getServiceAccountIssuerOpenIDConfiguration",
            "WellKnown",
            "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
            "application/json",
        ),
        ["openid", "v1", "jwks"] => operations::text(
            "/openid/v1/jwks/",
            "getServiceAccountIssuerOpenIDKeyset",
            "openid",
            "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
            "application/jwk-set+json",
        ),
        ["version"] => operations::plain("/version/", "getCodeVersion", "version", "get the version of the server", VERSION_INFO),
        _ => return None,
    })
}

fn kinds_of(registry: &Registry, group: &str, version: &str) -> Vec<Arc<Kind>> {
    registry.kinds().into_iter().filter(|k| k.group == group && k.version == version).collect()
}

/// Every served group and version: options and watch events are known in all of them.
fn group_versions(registry: &Registry) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = registry.kinds().iter().map(|k| (k.group.clone(), k.version.clone())).collect();
    all.dedup();
    all
}

/// The definition name of a kind's list.
fn list_definition(kind: &Kind) -> String {
    format!("{}{}", kind.schema.strip_suffix(&kind.kind).unwrap_or_default(), kind.list_kind())
}

/// The definition name of a built-in kind by its group: `io.k8s.api.<first word of the group>.<version>.<kind>`.
fn definition_of(gvk: &Gvk) -> String {
    let group = if gvk.group.is_empty() { "core" } else { gvk.group.split('.').next().unwrap_or_default() };
    format!("io.k8s.api.{group}.{}.{}", gvk.version, gvk.kind)
}

fn group_version_kind(group: &str, version: &str, kind: &str) -> Value {
    json!({ "group": group, "version": version, "kind": kind })
}

#[cfg(test)]
mod tests;
