//! The points at which a plugin is asked, and what happens in the cluster.

use super::{NodeView, PodView};
use std::ops::{BitOr, Sub};
use std::sync::Arc;

/// A set of extension points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Points(u16);

impl Points {
    pub const NONE: Self = Self(0);
    pub const PRE_ENQUEUE: Self = Self(1);
    pub const QUEUE_SORT: Self = Self(1 << 1);
    pub const PRE_FILTER: Self = Self(1 << 2);
    /// It can tell what would be with pods added or removed: dry runs of preemption ask it.
    pub const PRE_FILTER_EXTENSIONS: Self = Self(1 << 3);
    pub const FILTER: Self = Self(1 << 4);
    pub const POST_FILTER: Self = Self(1 << 5);
    pub const PRE_SCORE: Self = Self(1 << 6);
    pub const SCORE: Self = Self(1 << 7);
    pub const SCORE_NORMALIZE: Self = Self(1 << 8);
    pub const RESERVE: Self = Self(1 << 9);
    pub const PERMIT: Self = Self(1 << 10);
    pub const PRE_BIND: Self = Self(1 << 11);
    pub const BIND: Self = Self(1 << 12);
    pub const POST_BIND: Self = Self(1 << 13);
    /// It names the events that may change its refusals, and judges them pod by pod.
    pub const REQUEUE: Self = Self(1 << 14);
    pub const ALL: Self = Self((1 << 15) - 1);

    /// Each point with its name, as in `spec.scheduler.extensionPoints` and, but for the three that belong to another, in a
    /// KubeSchedulerConfiguration.
    pub const NAMED: [(&'static str, Self); 15] = [
        ("preEnqueue", Self::PRE_ENQUEUE),
        ("queueSort", Self::QUEUE_SORT),
        ("preFilter", Self::PRE_FILTER),
        ("preFilterExtensions", Self::PRE_FILTER_EXTENSIONS),
        ("filter", Self::FILTER),
        ("postFilter", Self::POST_FILTER),
        ("preScore", Self::PRE_SCORE),
        ("score", Self::SCORE),
        ("scoreNormalize", Self::SCORE_NORMALIZE),
        ("reserve", Self::RESERVE),
        ("permit", Self::PERMIT),
        ("preBind", Self::PRE_BIND),
        ("bind", Self::BIND),
        ("postBind", Self::POST_BIND),
        ("requeue", Self::REQUEUE),
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, point)| *point)
    }

    /// Whether all of `other` are in it.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// `|`, for constants.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Points {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

impl Sub for Points {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A set of kinds of events that may make a waiting pod schedulable: `pkg/scheduler/framework/types.go` (ClusterEvent).
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
    pub const NODE_REMOVED: Self = Self(1 << 9);
    pub const ALL: Self = Self(u16::MAX);
    pub const NODE: Self = Self(0b1_1111 | 1 << 9);

    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Events {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An event as a plugin outside the scheduler sees it.
#[derive(Clone, Debug)]
pub struct Happened<'a> {
    pub kinds: Events,
    /// The node as it is now, or was when it went; for node events.
    pub node: Option<Arc<NodeView>>,
    /// The other pod, for [`Events::POD_FREED`] and [`Events::POD_PLACED`].
    pub pod: Option<&'a PodView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_one_name() {
        let all = Points::NAMED.iter().fold(Points::NONE, |all, (_, point)| all | *point);
        assert_eq!(all, Points::ALL);
        for (name, point) in Points::NAMED {
            assert_eq!(Points::named(name), Some(point));
        }
        assert_eq!(Points::named("Filter"), None);
        let some = Points::FILTER | Points::SCORE;
        assert!(some.has(Points::FILTER) && !some.has(Points::FILTER | Points::BIND) && some.overlaps(Points::FILTER | Points::BIND));
        assert_eq!(some - Points::SCORE, Points::FILTER);
    }
}
