//! Definitions of group metrics.k8s.io, by `k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go`, with its protobuf tags.

use super::build::{Types, field, required};
use object::schema::{Graph, List, ListKind, ListMerge, Scalar, Shape};
use std::sync::Arc;

/// Adds `io.k8s.metrics.pkg.apis.metrics.v1beta1.*`.
pub(super) fn add(graph: &mut Graph) {
    let mut types = Types { graph };
    let string = types.scalar(Scalar::String);
    let quantity = types.known("io.k8s.apimachinery.pkg.api.resource.Quantity");
    let time = types.known("io.k8s.apimachinery.pkg.apis.meta.v1.Time");
    let metadata = types.known("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    let usage = types.anonymous(Shape::Map { value: quantity, atomic: false });
    let container = types.named(
        "io.k8s.metrics.pkg.apis.metrics.v1beta1.ContainerMetrics",
        "What one container uses.",
        vec![
            required(field("name", 1, string, "Name of the container, as in the pod.")),
            required(field("usage", 2, usage, "Use by resource: cpu and memory.")),
        ],
    );
    let list =
        List { item: container, kind: ListKind::Map(vec![Arc::from("name")]), merge: Some(ListMerge { key: Some(Arc::from("name")) }) };
    let containers = types.anonymous(Shape::List(list));
    let head = || {
        vec![
            field("apiVersion", 0, string, "Version of this object's schema."),
            field("kind", 0, string, "Kind of this object."),
            field("metadata", 1, metadata, "Standard metadata."),
            required(field("timestamp", 2, time, "End of the span that the use was measured over.")),
            required(field("window", 3, string, "Length of that span.")),
        ]
    };
    let mut node = head();
    node.push(required(field("usage", 4, usage, "Use by resource: cpu and memory.")));
    types.named("io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics", "What a node uses.", node);
    let mut pod = head();
    pod.push(required(field("containers", 4, containers, "Use of each container.")));
    types.named("io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics", "What a pod uses.", pod);
}
