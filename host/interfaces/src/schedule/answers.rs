//! What plugins answer. Upstream's `fwk.Status` is one type for all extension points; here each point has the answers that
//! mean something there.

use std::sync::Arc;
use std::time::Duration;

/// Why a node was refused. Codes as upstream's `fwk.Code`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub node: u32,
    pub code: Code,
    /// As it stands in the pod's event: `0/3 nodes are available: 2 <reason>, 1 <reason>.` Nodes with the same cause share it.
    pub reason: Arc<str>,
}

/// A node that was refused in this cycle, and by which plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<'a> {
    pub node: u32,
    pub code: Code,
    pub plugin: &'a str,
}

/// Why a pod was refused as such, or on the node that was chosen for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: Code,
    /// As it stands in the pod's event.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    Unschedulable,
    UnschedulableAndUnresolvable,
}

/// A pod's place in the queue: compared element by element, the smaller is first; a prefix of another is before it.
pub type SortKey = Box<[i64]>;

/// Before any node is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreFilter {
    Pass,
    /// The plugin has no opinion about this pod: neither its filter nor its add and remove are asked in this cycle.
    Skip,
    /// Only these nodes, by number, come into question.
    Only(Vec<u32>),
    /// No node will do.
    Refuse(Rejection),
}

/// After every node was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostFilter {
    /// This plugin does not know better; the next is asked. The reason is told after the others; empty: nothing is.
    Nothing(String),
    /// Nothing will help, and no other plugin need be asked.
    Unresolvable(String),
    /// These pods (by uid, all on that node) are to go, and the pod is to be tried there next.
    Nominate { node: u32, victims: Vec<String> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreScore {
    Pass,
    /// The plugin has no opinion about this pod: its score is not asked in this cycle.
    Skip,
}

/// Whether a pod whose node is chosen may be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    Allow,
    /// It may not: it goes back to the queue.
    Deny(String),
    /// It waits until the plugin allows or rejects it ([`super::WaitingPods`]), at most so long; then it is rejected.
    Wait(Duration),
}

/// Who writes the pod's binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// The next plugin that binds.
    Skip,
    /// This plugin has done it.
    Done,
    /// The scheduler, with these annotations, which the pod then has.
    Write(Vec<(String, String)>),
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
