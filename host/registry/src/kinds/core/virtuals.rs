//! Kinds that are answered and never stored.

use super::core;
use crate::columns::component;
use crate::kind::{Kind, Verb};

/// A pod's node, by another path than `pods/binding`.
pub(super) fn bindings() -> Kind {
    core("Binding", "bindings")
        .virtual_kind(&[Verb::Create])
        .sample(r#"{"apiVersion":"v1","kind":"Binding","metadata":{"name":"sample"},"target":{"kind":"Node","name":"none"}}"#)
}

pub(super) fn component_statuses() -> Kind {
    core("ComponentStatus", "componentstatuses")
        .cluster()
        .short(&["cs"])
        .deprecated("v1 ComponentStatus is deprecated in v1.19+")
        .virtual_kind(&[Verb::Get, Verb::List])
        .name_column()
        .show("Status", "string", "Healthy, Unhealthy or Unknown.", component::status)
        .show("Message", "string", "What the check said.", component::message)
        .show("Error", "string", "Why the check failed.", component::error)
        .sample(r#"{"apiVersion":"v1","kind":"ComponentStatus","metadata":{"name":"store"}}"#)
}
