//! Which controllers there are. A new one is one file and one row.

use crate::run::{Context, Controller};
use crate::{
    cloud, cluster_role_aggregation, deployment, endpoint_slice, endpoints, garbage, namespace, node_lifecycle, pod_gc, replica_set,
    root_ca, service_account, service_account_token, taint_eviction,
};
use std::sync::Arc;

pub(crate) struct Row {
    /// As `--disable` and upstream's `--controllers` name it.
    pub name: &'static str,
    /// Keys worked on at once. Requests in process cost little to wait for; five is upstream's default for most.
    pub workers: usize,
    pub make: fn(&Context) -> Arc<dyn Controller>,
}

pub(crate) const ROWS: &[Row] = &[
    Row { name: "deployment", workers: 5, make: deployment::make },
    Row { name: "replicaset", workers: 5, make: replica_set::make },
    Row { name: "endpoint", workers: 5, make: endpoints::make },
    Row { name: "endpointslice", workers: 5, make: endpoint_slice::make },
    // One namespace may take long to empty; it must not hold up the others.
    Row { name: "namespace", workers: 10, make: namespace::make },
    Row { name: "serviceaccount", workers: 1, make: service_account::make },
    Row { name: "serviceaccount-token", workers: 5, make: service_account_token::make },
    Row { name: "root-ca-cert-publisher", workers: 1, make: root_ca::make },
    // Most of its work is waiting for deletions (upstream: --concurrent-gc-syncs=20).
    Row { name: "garbagecollector", workers: 20, make: garbage::make },
    Row { name: "nodelifecycle", workers: 4, make: node_lifecycle::make },
    Row { name: "pod-garbage-collector", workers: 2, make: pod_gc::make },
    Row { name: "clusterrole-aggregation", workers: 1, make: cluster_role_aggregation::make },
    Row { name: "taint-eviction", workers: 8, make: taint_eviction::make },
    // These work with the cloud's provider, by upstream's names of them (`k8s.io/cloud-provider/names`).
    Row { name: "cloud-node", workers: 1, make: cloud::node::make },
    Row { name: "cloud-node-lifecycle", workers: 1, make: cloud::node_lifecycle::make },
    Row { name: "service", workers: 1, make: cloud::service::make },
    Row { name: "route", workers: 1, make: cloud::route::make },
];

/// The service account in `kube-system` that a controller acts under, empty for `system:kube-controller-manager` itself: upstream's names in
/// `cmd/kube-controller-manager/names` and `bootstrappolicy/controller_policy.go` differ for some.
pub(crate) fn account(controller: &str) -> &str {
    match controller {
        "deployment" => "deployment-controller",
        "replicaset" => "replicaset-controller",
        "replicationcontroller" => "replication-controller",
        "statefulset" => "statefulset-controller",
        "daemonset" => "daemon-set-controller",
        "job" => "job-controller",
        "cronjob" => "cronjob-controller",
        "disruption" => "disruption-controller",
        "endpoint" => "endpoint-controller",
        "endpointslice" => "endpointslice-controller",
        "endpointslicemirroring" => "endpointslicemirroring-controller",
        "namespace" => "namespace-controller",
        "serviceaccount" => "service-account-controller",
        "garbagecollector" => "generic-garbage-collector",
        "horizontalpodautoscaling" => "horizontal-pod-autoscaler",
        "nodelifecycle" | "taint-eviction" | "cloud-node" | "cloud-node-lifecycle" => "node-controller",
        "service" => "service-controller",
        "route" => "route-controller",
        "resourcequota" => "resourcequota-controller",
        "clusterrole-aggregation" => "clusterrole-aggregation-controller",
        "ttl-after-finished" => "ttl-after-finished-controller",
        "persistentvolume-binder" => "persistent-volume-binder",
        "pvc-protection" => "pvc-protection-controller",
        "pv-protection" => "pv-protection-controller",
        // Makes tokens, which only the manager of all controllers may.
        "serviceaccount-token" => "",
        // The others are named as they are.
        same => same,
    }
}
