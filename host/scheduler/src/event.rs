//! What happens in the cluster that may make a waiting pod schedulable: `pkg/scheduler/framework/types.go` (ClusterEvent).

use crate::node::NodeRow;
use crate::pod::PodInfo;
use interfaces::schedule::{Happened, NodeView};
use std::sync::Arc;

pub use interfaces::schedule::Events;

/// What changed between two versions of a node's row; `old` is `None` for a new node.
pub fn of_node(old: Option<&NodeRow>, new: &NodeRow) -> Events {
    let Some(old) = old else { return Events::NODE_ADDED };
    let mut events = Events::NONE;
    if old.allocatable != new.allocatable || old.allowed_pods != new.allowed_pods {
        events = events | Events::NODE_ALLOCATABLE;
    }
    if old.labels() != new.labels() {
        events = events | Events::NODE_LABELS;
    }
    if old.taints != new.taints || old.unschedulable != new.unschedulable {
        events = events | Events::NODE_TAINTS;
    }
    let annotations = |row: &NodeRow| row.object.at(&["metadata", "annotations"]).cloned();
    if old.images != new.images || annotations(old) != annotations(new) {
        events = events | Events::NODE_OTHER;
    }
    events
}

/// One event with what it is about.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    pub kinds: Events,
    /// The node as it is now, for node events.
    pub node: Option<&'a NodeRow>,
    /// The other pod, for `POD_FREED` and `POD_PLACED`.
    pub pod: Option<&'a Arc<PodInfo>>,
}

impl Event<'_> {
    pub fn only(kinds: Events) -> Self {
        Self { kinds, node: None, pod: None }
    }

    /// As plugins outside see it.
    pub fn told(&self) -> Happened<'_> {
        let view = |node: &NodeRow| {
            let mut view = NodeView::default();
            node.write_view(&mut view, true);
            Arc::new(view)
        };
        Happened { kinds: self.kinds, node: self.node.map(view), pod: self.pod.map(|pod| pod.view()) }
    }
}
