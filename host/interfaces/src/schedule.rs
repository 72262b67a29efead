//! Scheduler plugins: `k8s.io/kube-scheduler/framework/interface.go`, in batch form, mirrored by `wit/scheduler*.wit`.
//! The scheduler cannot tell a native plugin from a wasm one.
//!
//! A plugin sees a table of nodes with a version. What concerns nodes is asked once per pod for all candidates; what
//! concerns waiting pods is asked once for all of them.

mod answers;
mod plugin;
mod points;

pub use answers::{Bind, Code, FailurePolicy, Permit, PluginError, PostFilter, PreFilter, PreScore, Refusal, Refused, Rejection, SortKey};
pub use plugin::{PluginRow, PluginSet, PodsChange, PodsOn, SchedulePlugin, Waiting, WaitingPods};
pub use points::{Events, Happened, Points};

use object::Object;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the scheduler tells of a node. Amounts: cpu in millicores, others in units (bytes).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeView {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    pub unschedulable: bool,
    pub allocatable: BTreeMap<String, i64>,
    /// Sum of the requests of the pods on it, assumed ones included.
    pub requested: BTreeMap<String, i64>,
    pub pod_count: u32,
    /// Images present: name to size in bytes.
    pub images: BTreeMap<String, i64>,
    /// Raised whenever anything above changes: what deltas to guests go by.
    pub generation: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taint {
    pub key: String,
    pub value: String,
    pub effect: String,
}

/// What the scheduler tells of a pod.
#[derive(Clone, Debug)]
pub struct PodView {
    pub object: Arc<Object>,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub node_selector: BTreeMap<String, String>,
    pub priority: i32,
    pub scheduler_name: String,
    /// Effective requests (init containers, sidecars and overhead included).
    pub requests: BTreeMap<String, i64>,
    pub images: Vec<String>,
}

/// One consistent snapshot of all nodes. Index in `nodes` is the node's number within one cycle.
#[derive(Clone, Debug, Default)]
pub struct NodeTable {
    /// Raised with every change of any row.
    pub version: u64,
    pub nodes: Vec<Arc<NodeView>>,
}
