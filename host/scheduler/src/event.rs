//! What happens in the cluster that may make a waiting pod schedulable: `pkg/scheduler/framework/types.go` (ClusterEvent).

use crate::node::NodeRow;
use crate::pod::PodInfo;
use std::ops::BitOr;
use std::sync::Arc;

/// A set of kinds of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(u16);

impl Events {
    pub const NONE: Self = Self(0);
    pub const NODE_ADDED: Self = Self(1);
    pub const NODE_ALLOCATABLE: Self = Self(1 << 1);
    pub const NODE_LABELS: Self = Self(1 << 2);
    pub const NODE_TAINTS: Self = Self(1 << 3);
    /// Conditions, annotations, images and the rest.
    pub const NODE_OTHER: Self = Self(1 << 4);
    /// A pod on a node went, or needs less.
    pub const POD_FREED: Self = Self(1 << 5);
    /// A pod came to a node, or its labels changed.
    pub const POD_PLACED: Self = Self(1 << 6);
    /// The waiting pod itself changed.
    pub const POD_ITSELF: Self = Self(1 << 7);
    /// The set of plugins changed.
    pub const PLUGINS: Self = Self(1 << 8);
    pub const ALL: Self = Self(u16::MAX);
    pub const NODE: Self = Self(0b1_1111);

    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// What changed between two versions of a node's row; `old` is `None` for a new node.
    pub fn of_node(old: Option<&NodeRow>, new: &NodeRow) -> Self {
        let Some(old) = old else { return Self::NODE_ADDED };
        let mut events = Self::NONE;
        if old.allocatable != new.allocatable || old.allowed_pods != new.allowed_pods {
            events = events | Self::NODE_ALLOCATABLE;
        }
        if old.labels() != new.labels() {
            events = events | Self::NODE_LABELS;
        }
        if old.taints != new.taints || old.unschedulable != new.unschedulable {
            events = events | Self::NODE_TAINTS;
        }
        let annotations = |row: &NodeRow| row.object.at(&["metadata", "annotations"]).cloned();
        if old.images != new.images || annotations(old) != annotations(new) {
            events = events | Self::NODE_OTHER;
        }
        events
    }
}

impl BitOr for Events {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
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
}
