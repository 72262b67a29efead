//! Group scheduling.k8s.io, v1: `pkg/registry/scheduling`.

use super::row;
use crate::columns::policy;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    let row = row("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses");
    vec![
        Kind { schema: "io.k8s.api.scheduling.v1.PriorityClass".to_owned(), ..row }
            .cluster()
            .short(&["pc"])
            .generation()
            .name_column()
            .show("Value", "integer", "Priority of the pods.", policy::priority_value)
            .show("Global-Default", "boolean", "Whether pods without a class get this one.", policy::global_default)
            .age_column()
            .show("PreemptionPolicy", "string", "Whether pods of the class preempt others.", policy::preemption_policy)
            .sample(r#"{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"sample"},"value":1000}"#),
    ]
}
