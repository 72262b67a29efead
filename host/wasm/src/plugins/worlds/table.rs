//! All worlds.

use super::{World, admission, scheduler};

pub static ALL: &[World] = &[
    World {
        name: "scheduler",
        exports: scheduler::EXPORTS,
        imports: scheduler::IMPORTS,
        // A pod waits for it.
        timeout_ms: 100,
        memory_mib: 16,
        // For bindings, which go on beside each other. The cycle has one of its own, with its mirror of the nodes.
        instances: 4,
        load: scheduler::load,
    },
    World {
        name: "admission",
        exports: admission::EXPORTS,
        imports: &["coracle:plugin/admission-types"],
        // A client waits for it, and it may look up others' objects first.
        timeout_ms: 1000,
        memory_mib: 16,
        // As many requests at once as a small machine has cores to work on; others wait their turn within their time.
        instances: 8,
        load: admission::load,
    },
];
