//! Scheduler plugins: `k8s.io/kube-scheduler/framework/interface.go`, in batch form, mirrored by `wit/scheduler.wit`.
//! The scheduler cannot tell a native plugin from a wasm one.
//!
//! A plugin sees a table of nodes with a version. `filter` and `score` are called once per pod for all candidates.

use async_trait::async_trait;
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

/// Why a node was refused. Codes as upstream's `fwk.Code`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub node: u32,
    pub code: Code,
    /// As it stands in the pod's event: `0/3 nodes are available: 2 <reason>, 1 <reason>.`
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    Unschedulable,
    UnschedulableAndUnresolvable,
}

/// The plugin itself failed: trap, timeout, memory excess, or it is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    #[error("plugin {plugin} trapped: {cause}")]
    Trap { plugin: String, cause: String },
    #[error("plugin {plugin} exceeded its time of {limit_ms} ms")]
    Timeout { plugin: String, limit_ms: u64 },
    #[error("plugin {plugin} exceeded its memory of {limit_mib} MiB")]
    Memory { plugin: String, limit_mib: u64 },
    #[error("plugin {plugin} failed: {cause}")]
    Failed { plugin: String, cause: String },
}

/// What to do when a plugin fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The pod's cycle fails and is retried: a broken filter never lets a pod pass.
    #[default]
    Fail,
    /// As if the plugin were not there for this pod.
    Ignore,
}

/// A scheduler plugin. Methods default to "no opinion".
#[async_trait]
pub trait SchedulePlugin: Send + Sync {
    fn name(&self) -> &str;

    /// Refuses some of `candidates` (numbers into `nodes`); all others pass.
    async fn filter(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        Ok(Vec::new())
    }

    /// One score of 0..=100 for each of `candidates`, in their order. Empty: no opinion.
    async fn score(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
        Ok(Vec::new())
    }
}

/// A plugin with the settings that the scheduler applies.
#[derive(Clone)]
pub struct PluginRow {
    pub plugin: Arc<dyn SchedulePlugin>,
    pub filters: bool,
    pub scores: bool,
    pub weight: i64,
    pub failure_policy: FailurePolicy,
}

/// The loaded wasm plugins, replaced whole on each change. `wasm` writes, `scheduler` reads.
pub type PluginSet = Arc<Vec<PluginRow>>;
