//! The node authorizer: `kubernetes/plugin/pkg/auth/authorizer/node`. A node's agent reads secrets, config maps, claims and
//! volumes only when a pod on its node uses them, and makes tokens only for accounts of such pods; of pods and nodes it sees
//! its own. Everything else follows the rules of `system:node`.
//!
//! Weaker than upstream's graph: volumes' own secret references (`csi.*SecretRef`) and trust bundles are not followed, so a
//! node may read less there.

use super::follow::{Cursor, Follow};
use super::policy;
use super::rbac::Rule;
use crate::auth::Ask;
use crate::cache::Item;
use crate::server::Shared;
use object::{Object, Value};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Which objects the pods of each node use.
#[derive(Default)]
pub struct NodeGraph {
    state: Mutex<(Cursor, Used)>,
    rules: OnceLock<Vec<Rule>>,
}

#[derive(Default)]
struct Used {
    /// By pod: its node and what it uses.
    pods: HashMap<Arc<str>, (Box<str>, Vec<Reference>)>,
    /// By node: how many of its pods use each.
    nodes: HashMap<Box<str>, HashMap<Reference, usize>>,
}

/// A namespaced object by its resource, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reference {
    resource: &'static str,
    namespace: Box<str>,
    name: Box<str>,
}

impl NodeGraph {
    /// Whether a node may; the reason when not.
    pub fn decide(&self, shared: &Shared, node: &str, ask: &Ask<'_>) -> Result<(), String> {
        if ask.is_resource
            && let Some(decided) = self.resource(shared, node, ask)
        {
            return decided;
        }
        let rules = self.rules.get_or_init(policy::node_rules);
        if rules.iter().any(|rule| rule.allows(ask)) { Ok(()) } else { Err(String::new()) }
    }

    /// `None`: the rules that all nodes share decide.
    fn resource(&self, shared: &Shared, node: &str, ask: &Ask<'_>) -> Option<Result<(), String>> {
        let refuse = |reason: &str| Some(Err(reason.to_owned()));
        let reads = matches!(ask.verb, "get" | "list" | "watch");
        match (ask.group, ask.resource) {
            ("", "secrets" | "configmaps") => {
                if !reads {
                    return refuse("can only read resources of this type");
                }
                if !ask.subresource.is_empty() {
                    return refuse("cannot read subresource");
                }
                if ask.namespace.is_empty() {
                    return refuse("can only read namespaced object of this type");
                }
                Some(self.related(shared, node, ask))
            }
            ("", "persistentvolumeclaims") if ask.subresource == "status" => match ask.verb {
                "update" | "patch" => Some(self.related(shared, node, ask)),
                _ => refuse("can only get/update/patch this type"),
            },
            ("", "persistentvolumeclaims" | "persistentvolumes")
            | ("resource.k8s.io", "resourceclaims")
            | ("storage.k8s.io", "volumeattachments") => {
                if ask.verb != "get" {
                    return refuse("can only get individual resources of this type");
                }
                if !ask.subresource.is_empty() {
                    return refuse("cannot get subresource");
                }
                Some(self.related(shared, node, ask))
            }
            ("", "serviceaccounts") => {
                if ask.verb != "create" || ask.name.is_empty() {
                    return refuse("can only create tokens for individual service accounts");
                }
                if ask.subresource != "token" {
                    return refuse("can only create token subresource of serviceaccount");
                }
                Some(self.related(shared, node, ask))
            }
            ("coordination.k8s.io", "leases") => {
                if !matches!(ask.verb, "get" | "create" | "update" | "patch" | "delete") {
                    return refuse("can only get, create, update, patch, or delete a node lease");
                }
                if ask.namespace != LEASE_NAMESPACE {
                    return refuse("can only access leases in the \"kube-node-lease\" system namespace");
                }
                // The name of a new one is checked by admission.
                if ask.verb != "create" && ask.name != node {
                    return refuse("can only access node lease with the same name as the requesting node");
                }
                Some(Ok(()))
            }
            ("storage.k8s.io", "csinodes") => {
                if !matches!(ask.verb, "get" | "create" | "update" | "patch" | "delete") {
                    return refuse("can only get, create, update, patch, or delete a CSINode");
                }
                if !ask.subresource.is_empty() {
                    return refuse("cannot authorize CSINode subresources");
                }
                if ask.verb != "create" && ask.name != node {
                    return refuse("can only access CSINode with the same name as the requesting node");
                }
                Some(Ok(()))
            }
            ("resource.k8s.io", "resourceslices") => Some(self.slice(shared, node, ask)),
            ("", "nodes") => Some(own_node(node, ask)),
            ("", "pods") => Some(self.pod(shared, node, ask)),
            _ => None,
        }
    }

    fn slice(&self, shared: &Shared, node: &str, ask: &Ask<'_>) -> Result<(), String> {
        if !ask.subresource.is_empty() {
            return Err("cannot authorize ResourceSlice subresources".to_owned());
        }
        match ask.verb {
            "create" => Ok(()),
            "get" | "update" | "patch" | "delete" => {
                let slice = find(shared, "resource.k8s.io", "resourceslices", ask.name);
                let own = slice.is_some_and(|s| s.str_at(&["spec", "nodeName"]) == node);
                if own { Ok(()) } else { Err(unrelated(node)) }
            }
            "list" | "watch" | "deletecollection" if selects(ask, "spec.nodeName", node) => Ok(()),
            "list" | "watch" | "deletecollection" => {
                Err("can only list/watch/deletecollection resourceslices with nodeName field selector".to_owned())
            }
            _ => Err("only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, \
                      deletecollection"
                .to_owned()),
        }
    }

    fn pod(&self, shared: &Shared, node: &str, ask: &Ask<'_>) -> Result<(), String> {
        match (ask.subresource, ask.verb) {
            ("", "get") => {
                let pod = find(shared, "", "pods", &format!("{}/{}", ask.namespace, ask.name));
                let own = pod.is_some_and(|p| p.str_at(&["spec", "nodeName"]) == node);
                if own { Ok(()) } else { Err(unrelated(node)) }
            }
            ("", "list" | "watch") if selects(ask, "spec.nodeName", node) => Ok(()),
            ("", "list" | "watch") => Err("can only list/watch pods with spec.nodeName field selector".to_owned()),
            // Admission holds these to the pods of the node.
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Ok(()),
            ("", verb) => Err(format!("node cannot {verb} pods")),
            (subresource, verb) => Err(format!("node cannot {verb} subresource {subresource} of pods")),
        }
    }

    /// A pod of the node uses it.
    fn related(&self, shared: &Shared, node: &str, ask: &Ask<'_>) -> Result<(), String> {
        if ask.name.is_empty() {
            return Err("No Object name found".to_owned());
        }
        let uses = |resource: &'static str, namespace: &str, name: &str| {
            self.uses(shared, node, &Reference { resource, namespace: namespace.into(), name: name.into() })
        };
        let related = match ask.resource {
            "secrets" => uses("secrets", ask.namespace, ask.name),
            "configmaps" => uses("configmaps", ask.namespace, ask.name),
            "serviceaccounts" => uses("serviceaccounts", ask.namespace, ask.name),
            "persistentvolumeclaims" => uses("persistentvolumeclaims", ask.namespace, ask.name),
            "resourceclaims" => uses("resourceclaims", ask.namespace, ask.name),
            // By the claim that the volume is bound to.
            "persistentvolumes" => find(shared, "", "persistentvolumes", ask.name).is_some_and(|volume| {
                let claim = |field: &str| volume.str_at(&["spec", "claimRef", field]);
                uses("persistentvolumeclaims", claim("namespace"), claim("name"))
            }),
            "volumeattachments" => find(shared, ask.group, ask.resource, ask.name).is_some_and(|a| a.str_at(&["spec", "nodeName"]) == node),
            _ => false,
        };
        if related { Ok(()) } else { Err(unrelated(node)) }
    }

    fn uses(&self, shared: &Shared, node: &str, reference: &Reference) -> bool {
        let Some(row) = shared.registry.resource_by_name("", "v1", "pods") else { return false };
        let Ok(cache) = shared.caches.of(&row) else { return false };
        let mut state = self.state.lock();
        let (cursor, used) = &mut *state;
        if !cursor.is_current(&cache) {
            cursor.advance(&cache, used);
        }
        used.nodes.get(node).is_some_and(|uses| uses.contains_key(reference))
    }
}

fn unrelated(node: &str) -> String {
    format!("no relationship found between node '{node}' and this object")
}

fn own_node(node: &str, ask: &Ask<'_>) -> Result<(), String> {
    match (ask.subresource, ask.verb) {
        // Admission holds these to the own node.
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
        ("", "get" | "list" | "watch") if ask.name == node => Ok(()),
        ("", "get" | "list" | "watch") if ask.name.is_empty() => {
            Err(format!("node '{node}' cannot read all nodes, only its own Node object"))
        }
        ("", "get" | "list" | "watch") => Err(format!("node '{node}' cannot read '{}', only its own Node object", ask.name)),
        ("", verb) => Err(format!("node '{node}' cannot {verb} nodes")),
        (subresource, verb) => Err(format!("node '{node}' cannot {verb} subresource {subresource} of nodes")),
    }
}

fn selects(ask: &Ask<'_>, field: &str, value: &str) -> bool {
    ask.fields.and_then(|fields| fields.exact(field)) == Some(value)
}

fn find(shared: &Shared, group: &str, resource: &str, key: &str) -> Option<Object> {
    let row = shared.registry.resource_by_name(group, "v1", resource)?;
    Some(shared.caches.of(&row).ok()?.get(key)?.object())
}

impl Follow for Used {
    fn clear(&mut self) {
        *self = Self::default();
    }

    fn put(&mut self, item: &Item) {
        let pod = item.object();
        let node = pod.str_at(&["spec", "nodeName"]);
        // References of a bound pod do not change, but for ephemeral containers.
        self.remove(&item.key);
        if node.is_empty() {
            return;
        }
        let references = references(&pod);
        let uses = self.nodes.entry(node.into()).or_default();
        for reference in &references {
            *uses.entry(reference.clone()).or_default() += 1;
        }
        self.pods.insert(item.key.clone(), (node.into(), references));
    }

    fn remove(&mut self, key: &str) {
        let Some((node, references)) = self.pods.remove(key) else { return };
        let Some(uses) = self.nodes.get_mut(&node) else { return };
        for reference in references {
            if let Some(count) = uses.get_mut(&reference) {
                *count -= 1;
                if *count == 0 {
                    uses.remove(&reference);
                }
            }
        }
        if uses.is_empty() {
            self.nodes.remove(&node);
        }
    }
}

/// What a pod uses: `VisitPodSecretNames`, `VisitPodConfigmapNames` and the claims of `pkg/api/pod/util.go`.
fn references(pod: &Object) -> Vec<Reference> {
    let mut found = HashSet::new();
    let namespace = pod.namespace();
    let mut add = |resource: &'static str, name: Option<&Value>| {
        if let Some(name) = name.and_then(Value::as_str).filter(|n| !n.is_empty()) {
            found.insert(Reference { resource, namespace: namespace.into(), name: name.into() });
        }
    };
    let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    add("serviceaccounts", pod.at(&["spec", "serviceAccountName"]));
    for secret in items(pod.at(&["spec", "imagePullSecrets"])) {
        add("secrets", secret.get("name"));
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(pod.at(&["spec", list])) {
            for source in items(container.get("envFrom")) {
                add("secrets", source.pointer("/secretRef/name"));
                add("configmaps", source.pointer("/configMapRef/name"));
            }
            for variable in items(container.get("env")) {
                add("secrets", variable.pointer("/valueFrom/secretKeyRef/name"));
                add("configmaps", variable.pointer("/valueFrom/configMapKeyRef/name"));
            }
        }
    }
    for volume in items(pod.at(&["spec", "volumes"])) {
        add("secrets", volume.pointer("/secret/secretName"));
        for plugin in ["cephfs", "rbd", "flexVolume", "iscsi", "scaleIO", "storageos"] {
            add("secrets", volume.pointer(&format!("/{plugin}/secretRef/name")));
        }
        add("secrets", volume.pointer("/azureFile/secretName"));
        add("secrets", volume.pointer("/csi/nodePublishSecretRef/name"));
        add("configmaps", volume.pointer("/configMap/name"));
        add("persistentvolumeclaims", volume.pointer("/persistentVolumeClaim/claimName"));
        if volume.get("ephemeral").is_some() {
            let name = volume.get("name").and_then(Value::as_str).unwrap_or_default();
            add("persistentvolumeclaims", Some(&Value::String(format!("{}-{name}", pod.name()))));
        }
        for source in items(volume.pointer("/projected/sources")) {
            add("secrets", source.pointer("/secret/name"));
            add("configmaps", source.pointer("/configMap/name"));
        }
    }
    for claim in items(pod.at(&["spec", "resourceClaims"])) {
        add("resourceclaims", claim.get("resourceClaimName"));
    }
    for claim in items(pod.at(&["status", "resourceClaimStatuses"])) {
        add("resourceclaims", claim.get("resourceClaimName"));
    }
    found.into_iter().collect()
}
