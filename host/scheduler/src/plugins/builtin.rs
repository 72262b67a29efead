//! Upstream's plugins for what the queue, the preemption and the writer do themselves: rows that can be ordered, disabled and
//! configured like the others, and are asked nothing.

use super::Plugin;
use crate::config::args::PreemptionArgs;

/// `schedulinggates`: a pod with gates is not queued.
pub(super) struct SchedulingGates;
impl Plugin for SchedulingGates {
    fn name(&self) -> &str {
        "SchedulingGates"
    }
}

/// `queuesort`: by priority, then by arrival.
pub(super) struct PrioritySort;
impl Plugin for PrioritySort {
    fn name(&self) -> &str {
        "PrioritySort"
    }
}

/// `defaultpreemption`.
pub(super) struct DefaultPreemption(pub(super) PreemptionArgs);
impl Plugin for DefaultPreemption {
    fn name(&self) -> &str {
        "DefaultPreemption"
    }
    fn preemption(&self) -> Option<&PreemptionArgs> {
        Some(&self.0)
    }
}

/// `defaultbinder`.
pub(super) struct DefaultBinder;
impl Plugin for DefaultBinder {
    fn name(&self) -> &str {
        "DefaultBinder"
    }
}
