//! Group metrics.k8s.io, v1beta1: what nodes and pods use now, measured and never stored. Its definitions stand in
//! `graph/metrics.rs`.

use super::row;
use crate::columns::extension;
use crate::kind::{Kind, Verb};

pub(crate) fn rows() -> Vec<Kind> {
    vec![metrics("NodeMetrics", "nodes").cluster(), metrics("PodMetrics", "pods")]
}

fn metrics(kind: &str, resource: &str) -> Kind {
    let mut row = row("metrics.k8s.io", "v1beta1", kind, resource)
        .definition(&format!("io.k8s.metrics.pkg.apis.metrics.v1beta1.{kind}"))
        .virtual_kind(&[Verb::Get, Verb::List])
        .name_column()
        .show("cpu", "string", "Processor time used, in cores.", extension::used_cpu)
        .show("memory", "string", "Memory used.", extension::used_memory)
        .show("Window", "string", "Span that the use was measured over.", extension::window);
    // As the metrics server registers them.
    row.singular = String::new();
    row
}
