//! Defaults that upstream sets in code, per group as its `pkg/apis/<group>/v1/defaults.go` does. Those that a schema
//! declares (`+default=…`) are in the graph and applied by `object::defaults`, before these.

mod apiextensions;
mod apps;
mod batch;
mod core;
mod extension;
mod networking;
mod pod;
mod pod_resources;
mod service;
mod volume;

pub use pod_resources::aggregate as aggregate_containers;

use crate::kind::Kind;
use object::{Map, Object, Value, json};

#[cfg(test)]
mod tests;

type Defaults = fn(&mut Map<String, Value>);

/// By group and kind; all versions of a kind share them.
const TABLE: &[(&str, &str, Defaults)] = &[
    ("", "Pod", pod::pod),
    ("", "Service", service::service),
    ("", "Secret", core::secret),
    ("", "Namespace", core::namespace),
    ("", "Node", core::node),
    ("", "Endpoints", core::endpoints),
    ("", "LimitRange", volume::limit_range),
    ("", "PersistentVolume", volume::volume),
    ("", "PersistentVolumeClaim", volume::claim),
    ("", "PodTemplate", pod::template),
    ("", "ReplicationController", apps::replication_controller),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy", extension::mutating_policy),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", extension::policy_binding),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", extension::mutating_webhooks),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", extension::validating_policy),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", extension::policy_binding),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", extension::validating_webhooks),
    ("apiregistration.k8s.io", "APIService", extension::api_service),
    ("apps", "DaemonSet", apps::daemon_set),
    ("apiextensions.k8s.io", "CustomResourceDefinition", apiextensions::definition),
    ("apps", "Deployment", apps::deployment),
    ("apps", "ReplicaSet", apps::replica_set),
    ("apps", "StatefulSet", apps::stateful_set),
    ("autoscaling", "HorizontalPodAutoscaler", batch::autoscaler),
    ("batch", "CronJob", batch::cron_job),
    ("batch", "Job", batch::job),
    ("certificates.k8s.io", "PodCertificateRequest", extension::pod_certificate_request),
    ("discovery.k8s.io", "EndpointSlice", core::endpoint_slice),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", extension::flow_schema),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", extension::priority_level),
    ("networking.k8s.io", "IngressClass", networking::ingress_class),
    ("networking.k8s.io", "NetworkPolicy", networking::network_policy),
    ("rbac.authorization.k8s.io", "RoleBinding", core::role_binding),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", core::role_binding),
    ("resource.k8s.io", "DeviceTaintRule", extension::taint_rule),
    ("resource.k8s.io", "ResourceClaim", extension::claim),
    ("resource.k8s.io", "ResourceClaimTemplate", extension::claim_template),
    ("resource.k8s.io", "ResourceSlice", extension::slice),
    ("scheduling.k8s.io", "PriorityClass", networking::priority_class),
    ("storage.k8s.io", "CSIDriver", volume::csi_driver),
    ("storage.k8s.io", "StorageClass", volume::storage_class),
];

/// Fills in what is absent. Idempotent; applied when an object is decoded and again after mutating admission.
pub fn apply(kind: &Kind, object: &mut Object) {
    if let Some((_, _, defaults)) = TABLE.iter().find(|(group, name, _)| *group == kind.group && *name == kind.kind) {
        defaults(object.as_map_mut());
    }
}

/// Whether Go would see a zero value: absent, null or an empty string.
fn is_unset(map: &Map<String, Value>, key: &str) -> bool {
    match map.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    }
}

fn set(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    if is_unset(map, key) {
        map.insert(key.to_owned(), value.into());
    }
}

/// The map under a key, when there is one.
fn child<'m>(map: &'m mut Map<String, Value>, key: &str) -> Option<&'m mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_object_mut)
}

/// The map under a key, made when absent.
fn child_or_new<'m>(map: &'m mut Map<String, Value>, key: &str) -> Option<&'m mut Map<String, Value>> {
    set(map, key, json!({}));
    child(map, key)
}

/// The maps of the list under a key.
fn items<'m>(map: &'m mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'m mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn text<'m>(map: &'m Map<String, Value>, key: &str) -> &'m str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// An object without labels gets those of its pods.
fn labels_of_template(root: &mut Map<String, Value>, labels: Option<Value>) {
    let Some(labels) = labels.filter(|l| l.as_object().is_some_and(|l| !l.is_empty())) else { return };
    if let Some(metadata) = child_or_new(root, "metadata")
        && metadata.get("labels").and_then(Value::as_object).is_none_or(Map::is_empty)
    {
        metadata.insert("labels".to_owned(), labels);
    }
}
