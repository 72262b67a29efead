//! Group autoscaling: `pkg/registry/autoscaling`. Objects are stored as v2.

use super::row;
use crate::columns::autoscaler;
use crate::conversion::autoscaling::{to_v1, to_v2};
use crate::kind::{Conversion, Kind};

pub(crate) fn rows() -> Vec<Kind> {
    let v1 = autoscalers("v1")
        .stored_as("autoscaling", "v2", "horizontalpodautoscalers", Conversion::Code { to_storage: to_v2, from_storage: to_v1 })
        .sample(
            r#"{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"sample-v1"},"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"sample"},"minReplicas":1,"maxReplicas":3,"targetCPUUtilizationPercentage":50}}"#,
        );
    let v2 = autoscalers("v2").sample(
        r#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"sample"},"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"sample"},"minReplicas":1,"maxReplicas":3,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}}"#,
    );
    vec![v1, v2]
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
