//! Group node.k8s.io, v1.

use super::row;
use crate::columns::config;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        row("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses")
            .definition("io.k8s.api.node.v1.RuntimeClass")
            .cluster()
            .name_column()
            .show("Handler", "string", "Which runtime of the node runs the pods.", config::runtime_class_handler)
            .age_column()
            .sample(r#"{"apiVersion":"node.k8s.io/v1","kind":"RuntimeClass","metadata":{"name":"sample"},"handler":"wasm"}"#),
    ]
}
