//! Discovery documents, derived from the rows: plain (`metav1 APIGroupList`, `APIResourceList`) and aggregated
//! (`apidiscovery.k8s.io/v2`, KEP-3352).

use crate::Registry;
use crate::kind::{Kind, Subresource, Verb};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use object::gvk::api_version;
use object::{Gvk, Value, json};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::sync::Arc;

/// `/api`. `server_address` is `host:port` as the client sees it.
pub fn api_versions(registry: &Registry, server_address: &str) -> Value {
    json!({
        "kind": "APIVersions", "versions": versions(registry, ""),
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
        resources.push(plain_resource(registry, kind));
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

/// The form of an aggregated document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregated {
    V2,
    V2Beta1,
}

impl Aggregated {
    pub fn version(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Beta1 => "v2beta1",
        }
    }
}

/// `APIGroupDiscoveryList`: of the core group alone (`/api`), or of all others (`/apis`). Both versions have the same fields.
pub fn aggregated(registry: &Registry, core: bool, form: Aggregated) -> Value {
    let items: Vec<Value> = groups(registry).iter().filter(|g| g.is_empty() == core).map(|g| aggregated_group(registry, g)).collect();
    let version = format!("apidiscovery.k8s.io/{}", form.version());
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": version, "metadata": {}, "items": items })
}

/// `groupPriorityMinimum` of the groups that kube-apiserver serves (`pkg/controlplane/apiserver/aggregator.go`). A client that
/// is told a bare resource name takes the first group that has it.
const PRIORITIES: [(&str, u32); 22] = [
    ("apiregistration.k8s.io", 20_000),
    ("", 18_000),
    ("apps", 17_800),
    ("events.k8s.io", 17_750),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("networking.k8s.io", 17_200),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("storage.k8s.io", 16_800),
    ("admissionregistration.k8s.io", 16_700),
    ("apiextensions.k8s.io", 16_700),
    ("scheduling.k8s.io", 16_600),
    ("coordination.k8s.io", 16_500),
    ("node.k8s.io", 16_300),
    ("discovery.k8s.io", 16_200),
    ("flowcontrol.apiserver.k8s.io", 16_100),
    ("resource.k8s.io", 15_900),
    ("storagemigration.k8s.io", 15_800),
];

/// Of custom groups, as upstream registers them; of the metrics server, as its manifest does.
fn priority(group: &str) -> u32 {
    let known = PRIORITIES.iter().find(|(name, _)| *name == group).map(|(_, priority)| *priority);
    known.unwrap_or(if group == "metrics.k8s.io" { 100 } else { 1000 })
}

/// Groups, preferred first; by name among equals.
pub fn groups(registry: &Registry) -> Vec<String> {
    let mut groups: Vec<String> = registry.kinds().iter().map(|k| k.group.clone()).collect();
    groups.dedup();
    // Stable: the rows are sorted by name.
    groups.sort_by_key(|group| std::cmp::Reverse(priority(group)));
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

fn plain_resource(registry: &Registry, kind: &Arc<Kind>) -> Value {
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
    if !kind.is_virtual {
        body["storageVersionHash"] = json!(storage_version_hash(&registry.stored(kind).gvk()));
    }
    body
}

/// Changes when objects are stored in another version (`k8s.io/apiserver/pkg/endpoints/discovery/storageversionhash.go`).
fn storage_version_hash(gvk: &Gvk) -> String {
    let digest = Sha256::digest(format!("{}/{}/{}", gvk.group, gvk.version, gvk.kind).as_bytes());
    STANDARD.encode(digest.get(..8).unwrap_or_default())
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
            let of_version = |k: &&Arc<Kind>| k.group == group && &k.version == version;
            let resources: Vec<Value> = registry.kinds().iter().filter(of_version).map(|k| aggregated_resource(k)).collect();
            json!({ "version": version, "freshness": "Current", "resources": resources })
        })
        .collect();
    let metadata = if group.is_empty() { json!({}) } else { json!({ "name": group }) };
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
        let mut subresources: Vec<&Subresource> = kind.subresources.iter().collect();
        subresources.sort_by(|a, b| a.name.cmp(&b.name));
        let told =
            subresources.iter().map(|s| json!({ "subresource": s.name, "responseKind": body_kind(kind, s), "verbs": verbs(&s.verbs) }));
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
        assert_eq!(aggregated(&registry, true, Aggregated::V2)["items"].as_array().unwrap().len(), 1);
        let others = aggregated(&registry, false, Aggregated::V2Beta1);
        assert_eq!(others["apiVersion"], "apidiscovery.k8s.io/v2beta1");
        let names: Vec<&str> = others["items"].as_array().unwrap().iter().filter_map(|g| g["metadata"]["name"].as_str()).collect();
        assert_eq!(names[..2], ["apiregistration.k8s.io", "apps"]);
        assert_eq!(names[names.len() - 2..], ["coracle.dev", "metrics.k8s.io"]);
        assert_eq!(others["items"].as_array().unwrap().len(), groups(&registry).len() - 1);
        // What kube-apiserver answers for the same kinds.
        for (resource, hash) in [("pods", "xPOwRZ+Yhw8="), ("configmaps", "qFsyl6wFWjQ="), ("nodes", "XwShjMxG9Fs=")] {
            let resources = core["resources"].as_array().unwrap();
            assert_eq!(resources.iter().find(|r| r["name"] == resource).unwrap()["storageVersionHash"], hash, "{resource}");
        }
        assert_eq!(api_group(&registry, "apps").unwrap()["preferredVersion"]["groupVersion"], "apps/v1");
    }
}
