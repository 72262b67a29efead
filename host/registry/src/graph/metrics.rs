//! What the definitions of group metrics.k8s.io are for (`k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go`): the table has
//! them without descriptions, as `k8s-openapi` lacks the group.

use object::schema::{Graph, Shape};
use std::sync::Arc;

const PACKAGE: &str = "io.k8s.metrics.pkg.apis.metrics.v1beta1";
const METADATA: (&str, &str) = ("metadata", "Standard metadata.");
const API_VERSION: (&str, &str) = ("apiVersion", "Version of this object's schema.");
const KIND: (&str, &str) = ("kind", "Kind of this object.");
const TIMESTAMP: (&str, &str) = ("timestamp", "End of the span that the use was measured over.");
const WINDOW: (&str, &str) = ("window", "Length of that span.");
const USAGE: (&str, &str) = ("usage", "Use by resource: cpu and memory.");

/// Definition, what it is, and its fields.
type Told = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const TOLD: [Told; 3] = [
    ("ContainerMetrics", "What one container uses.", &[("name", "Name of the container, as in the pod."), USAGE]),
    ("NodeMetrics", "What a node uses.", &[API_VERSION, KIND, METADATA, TIMESTAMP, WINDOW, USAGE]),
    ("PodMetrics", "What a pod uses.", &[API_VERSION, KIND, METADATA, TIMESTAMP, WINDOW, ("containers", "Use of each container.")]),
];

/// Describes `io.k8s.metrics.pkg.apis.metrics.v1beta1.*`.
pub(super) fn describe(graph: &mut Graph) {
    for (name, description, fields) in TOLD {
        let id = graph.by_name.get(format!("{PACKAGE}.{name}").as_str()).copied();
        let Some(ty) = id.and_then(|id| graph.types.get_mut(id.0 as usize)) else { continue };
        ty.description = Arc::from(description);
        let Shape::Struct(shape) = &mut ty.shape else { continue };
        for field in &mut shape.fields {
            if let Some((_, text)) = fields.iter().find(|(name, _)| *name == &*field.name) {
                field.description = Arc::from(*text);
            }
        }
    }
}
