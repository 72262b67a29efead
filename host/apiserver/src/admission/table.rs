//! The steps, in order.

use super::{Step, lifecycle, pod};

pub const STEPS: &[&dyn Step] = &[
    // First: nothing else need be asked of an object that has no namespace to be in.
    &lifecycle::NamespaceLifecycle,
    &pod::ServiceAccountName,
    &pod::DefaultTolerationSeconds,
    &pod::Priority,
];
