//! Group autoscaling: `pkg/registry/autoscaling`. Objects are stored as v2.

use super::row;
use crate::columns::autoscaler;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![autoscalers("v2").sample(
        r#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"sample"},"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"sample"},"minReplicas":1,"maxReplicas":3,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}}"#,
    )]
}

fn autoscalers(version: &str) -> Kind {
    let kind = "HorizontalPodAutoscaler";
    let row = row("autoscaling", version, kind, "horizontalpodautoscalers");
    Kind { schema: format!("io.k8s.api.autoscaling.{version}.{kind}"), ..row }
        .short(&["hpa"])
        .in_all()
        .status()
        .name_column()
        .show("Reference", "string", "What is scaled.", autoscaler::reference)
        .show("Targets", "string", "Current and wanted value of each metric.", autoscaler::targets)
        .show("MinPods", "string", "Fewest pods.", autoscaler::min_pods)
        .show("MaxPods", "string", "Most pods.", autoscaler::max_pods)
        .show("Replicas", "string", "Pods that exist.", autoscaler::replicas)
        .age_column()
}
