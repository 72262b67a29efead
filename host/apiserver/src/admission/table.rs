//! The steps, in order.

use super::{Step, escalation, event, lifecycle, node_restriction, pod, priority, runtime_class, service_account};

pub const STEPS: &[&dyn Step] = &[
    // First: nothing else need be asked of an object that has no namespace to be in.
    &lifecycle::NamespaceLifecycle,
    // Before defaults that the class may bring are needed by anything else.
    &runtime_class::RuntimeClass,
    &service_account::ServiceAccount,
    &pod::DefaultTolerationSeconds,
    &priority::Priority,
    &event::NewEvents,
    // Of what will be stored, so after everything that changes it.
    &escalation::Escalation,
    &node_restriction::NodeRestriction,
];
