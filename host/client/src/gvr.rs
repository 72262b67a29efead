//! Names of the resources that our own parts use.

use object::Gvr;

macro_rules! resources {
    ($($function:ident => $group:literal, $version:literal, $resource:literal;)*) => {
        $(pub fn $function() -> Gvr { Gvr::new($group, $version, $resource) })*
    };
}

resources! {
    namespaces => "", "v1", "namespaces";
    pods => "", "v1", "pods";
    nodes => "", "v1", "nodes";
    services => "", "v1", "services";
    endpoints => "", "v1", "endpoints";
    config_maps => "", "v1", "configmaps";
    secrets => "", "v1", "secrets";
    service_accounts => "", "v1", "serviceaccounts";
    events => "", "v1", "events";
    replica_sets => "apps", "v1", "replicasets";
    deployments => "apps", "v1", "deployments";
    endpoint_slices => "discovery.k8s.io", "v1", "endpointslices";
    cluster_roles => "rbac.authorization.k8s.io", "v1", "clusterroles";
    leases => "coordination.k8s.io", "v1", "leases";
    runtime_classes => "node.k8s.io", "v1", "runtimeclasses";
    wasm_plugins => "coracle.dev", "v1alpha1", "wasmplugins";
}
