//! Which strategy a kind has; all others have the default one.

use super::{Strategy, cluster, config, namespace, pod, service, volume, workload};
use crate::crd;
use registry::Kind;

struct Plain;
impl Strategy for Plain {}

const RBAC: &str = "rbac.authorization.k8s.io";

/// Group, resource, strategy.
const ROWS: &[(&str, &str, &dyn Strategy)] = &[
    ("", "configmaps", &config::ConfigMapStrategy),
    ("", "endpoints", &cluster::EndpointsStrategy),
    ("", "events", &cluster::EventStrategy),
    ("", "namespaces", &namespace::NamespaceStrategy),
    ("", "nodes", &cluster::NodeStrategy),
    ("", "persistentvolumeclaims", &volume::ClaimStrategy),
    ("", "persistentvolumes", &volume::VolumeStrategy),
    ("", "pods", &pod::PodStrategy),
    ("", "secrets", &config::SecretStrategy),
    ("", "services", &service::ServiceStrategy),
    (crd::GROUP, crd::RESOURCE, &crd::DefinitionStrategy),
    ("apps", "deployments", &workload::DeploymentStrategy),
    ("apps", "replicasets", &workload::ReplicaSetStrategy),
    ("coordination.k8s.io", "leases", &cluster::LeaseStrategy),
    ("coracle.dev", "wasmplugins", &cluster::WasmPluginStrategy),
    ("discovery.k8s.io", "endpointslices", &cluster::EndpointSliceStrategy),
    ("node.k8s.io", "runtimeclasses", &cluster::RuntimeClassStrategy),
    (RBAC, "roles", &cluster::RoleStrategy),
    (RBAC, "clusterroles", &cluster::RoleStrategy),
    (RBAC, "rolebindings", &cluster::RoleBindingStrategy),
    (RBAC, "clusterrolebindings", &cluster::RoleBindingStrategy),
];

pub fn of(kind: &Kind) -> &'static dyn Strategy {
    let row = ROWS.iter().find(|(group, resource, _)| *group == kind.group && *resource == kind.resource);
    row.map_or(&Plain, |(_, _, strategy)| *strategy)
}
