//! Discovery documents, derived from the rows: plain (`metav1 APIGroupList`, `APIResourceList`) and aggregated
//! (`apidiscovery.k8s.io/v2`, KEP-3352).

use crate::Registry;
use crate::kind::{Kind, Subresource, Verb};
use object::gvk::api_version;
use object::{Gvk, Value, json};
use std::cmp::Ordering;

/// `/api`. `server_address` is `host:port` as the client sees it.
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": server_address }],
    })
}

/// `/apis`: every group but the core group.
pub fn api_group_list(registry: &Registry) -> Value {
    let groups: Vec<Value> = groups(registry).iter().filter(|g| !g.is_empty()).map(|g| group_body(registry, g)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `/apis/<group>`; `None` when no kind is of that group.
pub fn api_group(registry: &Registry, group: &str) -> Option<Value> {
    if group.is_empty() || versions(registry, group).is_empty() {
        return None;
    }
    let mut body = group_body(registry, group);
    body["kind"] = json!("APIGroup");
    body["apiVersion"] = json!("v1");
    Some(body)
}

/// `/api/v1` or `/apis/<group>/<version>`; `None` when no kind is of that group and version.
pub fn api_resource_list(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in registry.kinds().iter().filter(|k| k.group == group && k.version == version) {
        resources.push(plain_resource(kind));
        let mut subresources: Vec<&Subresource> = kind.subresources.iter().collect();
        subresources.sort_by(|a, b| a.name.cmp(&b.name));
        resources.extend(subresources.iter().map(|s| plain_subresource(kind, s)));
    }
    if resources.is_empty() {
        return None;
    }
    let group_version = api_version(group, version);
    let mut list = json!({ "kind": "APIResourceList", "groupVersion": group_version, "resources": resources });
    // Upstream leaves apiVersion out of the core group's list only.
    if !group.is_empty() {
        list["apiVersion"] = json!("v1");
    }
    Some(list)
}

/// `APIGroupDiscoveryList` v2: of the core group alone (`/api`), or of all others (`/apis`).
pub fn aggregated(registry: &Registry, core: bool) -> Value {
    let items: Vec<Value> = groups(registry).iter().filter(|g| g.is_empty() == core).map(|g| aggregated_group(registry, g)).collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

/// Groups in the order of the rows.
pub fn groups(registry: &Registry) -> Vec<String> {
    let mut groups: Vec<String> = registry.kinds().iter().map(|k| k.group.clone()).collect();
    groups.dedup();
    groups
}

/// Versions of a group, preferred first: stable before beta before alpha, newer before older
/// (`k8s.io/apimachinery/pkg/version/helpers.go`).
pub fn versions(registry: &Registry, group: &str) -> Vec<String> {
    let mut versions: Vec<String> = registry.kinds().iter().filter(|k| k.group == group).map(|k| k.version.clone()).collect();
    versions.sort_by(|a, b| compare_versions(b, a));
    versions.dedup();
    versions
}

fn group_body(registry: &Registry, group: &str) -> Value {
    let told: Vec<Value> =
        versions(registry, group).iter().map(|v| json!({ "groupVersion": api_version(group, v), "version": v })).collect();
    json!({ "name": group, "preferredVersion": told.first(), "versions": told })
}

fn plain_resource(kind: &Kind) -> Value {
    let mut body = json!({
        "name": kind.resource, "singularName": kind.singular, "namespaced": kind.is_namespaced(), "kind": kind.kind,
        "verbs": verbs(&kind.verbs),
    });
    if !kind.short_names.is_empty() {
        body["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        body["categories"] = json!(kind.categories);
    }
    body
}

fn plain_subresource(kind: &Kind, sub: &Subresource) -> Value {
    let of = body_kind(kind, sub);
    let mut body = json!({
        "name": format!("{}/{}", kind.resource, sub.name), "singularName": "", "namespaced": kind.is_namespaced(),
        "kind": of.kind, "verbs": verbs(&sub.verbs),
    });
    if (of.group.as_str(), of.version.as_str()) != (kind.group.as_str(), kind.version.as_str()) {
        body["group"] = json!(of.group);
        body["version"] = json!(of.version);
    }
    body
}

fn aggregated_group(registry: &Registry, group: &str) -> Value {
    let versions: Vec<Value> = versions(registry, group)
        .iter()
        .map(|version| {
            let of_version = |k: &&std::sync::Arc<Kind>| k.group == group && &k.version == version;
            let resources: Vec<Value> = registry.kinds().iter().filter(of_version).map(|k| aggregated_resource(k)).collect();
            json!({ "version": version, "freshness": "Current", "resources": resources })
        })
        .collect();
    let metadata =
        if group.is_empty() { json!({ "creationTimestamp": null }) } else { json!({ "name": group, "creationTimestamp": null }) };
    json!({ "metadata": metadata, "versions": versions })
}

fn aggregated_resource(kind: &Kind) -> Value {
    let mut body = json!({
        "resource": kind.resource, "responseKind": kind.gvk(), "singularResource": kind.singular,
        "scope": if kind.is_namespaced() { "Namespaced" } else { "Cluster" },
        "verbs": verbs(&kind.verbs),
    });
    if !kind.short_names.is_empty() {
        body["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        body["categories"] = json!(kind.categories);
    }
    if !kind.subresources.is_empty() {
        let told = kind
            .subresources
            .iter()
            .map(|s| json!({ "subresource": s.name, "responseKind": body_kind(kind, s), "verbs": verbs(&s.verbs) }));
        body["subresources"] = told.collect();
    }
    body
}

fn body_kind(kind: &Kind, sub: &Subresource) -> Gvk {
    sub.gvk.clone().unwrap_or_else(|| kind.gvk())
}

/// In alphabetical order, as upstream lists them.
fn verbs(verbs: &[Verb]) -> Vec<&'static str> {
    let mut told: Vec<&str> = verbs.iter().map(|v| v.as_str()).collect();
    told.sort_unstable();
    told
}

/// `CompareKubeAwareVersionStrings`: greater is preferred.
fn compare_versions(a: &str, b: &str) -> Ordering {
    match (parse_version(a), parse_version(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => b.cmp(a),
    }
}

/// (stage, major, minor): `v1` > `v1beta2` > `v2alpha1`.
fn parse_version(version: &str) -> Option<(u8, u32, u32)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, stage) = rest.split_at(digits);
    let major = major.parse().ok()?;
    if stage.is_empty() {
        return Some((2, major, 0));
    }
    let beta = stage.strip_prefix("beta").map(|minor| (1, minor));
    let (rank, minor) = beta.or_else(|| stage.strip_prefix("alpha").map(|minor| (0, minor)))?;
    Some((rank, major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_are_preferred() {
        let mut versions = vec!["v1alpha1", "v2", "foo", "v1", "v2beta1", "v1beta2"];
        versions.sort_by(|a, b| compare_versions(b, a));
        assert_eq!(versions, ["v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]);
    }

    #[test]
    fn documents_follow_the_rows() {
        let registry = Registry::builtin();
        let core = api_resource_list(&registry, "", "v1").unwrap();
        let names: Vec<&str> = core["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"pods/log") && names.contains(&"namespaces/finalize"), "{names:?}");
        let apps = api_resource_list(&registry, "apps", "v1").unwrap();
        let scale = apps["resources"].as_array().unwrap().iter().find(|r| r["name"] == "deployments/scale").unwrap().clone();
        assert_eq!((&scale["group"], &scale["kind"]), (&json!("autoscaling"), &json!("Scale")));
        assert!(api_resource_list(&registry, "apps", "v2").is_none());
        assert_eq!(aggregated(&registry, true)["items"].as_array().unwrap().len(), 1);
        let others = aggregated(&registry, false);
        assert_eq!(others["items"].as_array().unwrap().len(), groups(&registry).len() - 1);
        assert_eq!(api_group(&registry, "apps").unwrap()["preferredVersion"]["groupVersion"], "apps/v1");
    }
}
