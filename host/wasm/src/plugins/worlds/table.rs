//! All worlds.

use super::{World, scheduler};

pub static ALL: &[World] = &[World {
    name: "scheduler",
    exports: scheduler::EXPORTS,
    imports: &["coracle:plugin/whole-pod", "coracle:plugin/schedule-types"],
    // A pod waits for it.
    timeout_ms: 100,
    memory_mib: 16,
    // The scheduler calls for one pod after another; more are for dry runs beside it. Each has its own mirror of the nodes.
    instances: 4,
    load: scheduler::load,
}];
