//! All worlds.

use super::{World, adapter, admission, cloud_provider, controller, middleware, scheduler};

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
    World {
        name: "adapter",
        exports: adapter::EXPORTS,
        imports: &[],
        // Lines wait for it, the container does not.
        timeout_ms: 1000,
        memory_mib: 16,
        // Streams are adapted side by side.
        instances: 4,
        load: adapter::load,
    },
    World {
        name: "http-middleware",
        exports: middleware::EXPORTS,
        imports: &["coracle:plugin/http-types"],
        // A client waits for it.
        timeout_ms: 100,
        memory_mib: 16,
        // Requests are many at the same time; a call takes microseconds unless it waits.
        instances: 16,
        load: middleware::load,
    },
    World {
        name: "cloud-provider",
        exports: cloud_provider::EXPORTS,
        imports: &["coracle:plugin/cloud-types"],
        // A cloud is asked over its network, and takes its time.
        timeout_ms: 30_000,
        memory_mib: 32,
        // One for each of the controllers that call it.
        instances: 4,
        load: cloud_provider::load,
    },
    World {
        name: "controller",
        exports: controller::EXPORTS,
        imports: &["coracle:plugin/owner"],
        // A reconcile asks the API several times, and nobody waits for it.
        timeout_ms: 10_000,
        memory_mib: 16,
        instances: 16,
        load: controller::load,
    },
];
