//! Group apps, v1: `pkg/registry/apps`.

use super::row;
use crate::columns::workload;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![deployments(), replicasets()]
}

fn deployments() -> Kind {
    row("apps", "v1", "Deployment", "deployments")
        .definition("io.k8s.api.apps.v1.Deployment")
        .short(&["deploy"])
        .in_all()
        .generation()
        .status()
        .scale()
        .name_column()
        .show("Ready", "string", "Ready pods of wanted pods.", workload::deployment_ready)
        .show("Up-to-date", "string", "Pods of the newest template.", workload::deployment_up_to_date)
        .show("Available", "string", "Pods ready for at least minReadySeconds.", workload::deployment_available)
        .age_column()
        .wide("Containers", "string", "Names of the template's containers.", workload::containers)
        .wide("Images", "string", "Images of the template's containers.", workload::images)
        .wide("Selector", "string", "Labels of the pods.", workload::selector)
        .sample(
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"sample"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"sample"}},"template":{"metadata":{"labels":{"app":"sample"}},"spec":{"containers":[{"name":"c","image":"example.test/app:1"}]}}}}"#,
        )
}

fn replicasets() -> Kind {
    row("apps", "v1", "ReplicaSet", "replicasets")
        .definition("io.k8s.api.apps.v1.ReplicaSet")
        .short(&["rs"])
        .in_all()
        .generation()
        .status()
        .scale()
        .select("status.replicas", "0")
        .name_column()
        .show("Desired", "integer", "Wanted pods.", workload::replica_set_desired)
        .show("Current", "integer", "Pods that exist.", workload::replica_set_current)
        .show("Ready", "integer", "Pods that are ready.", workload::replica_set_ready)
        .age_column()
        .wide("Containers", "string", "Names of the template's containers.", workload::containers)
        .wide("Images", "string", "Images of the template's containers.", workload::images)
        .wide("Selector", "string", "Labels of the pods.", workload::selector)
        .sample(
            r#"{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"sample"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"sample"}},"template":{"metadata":{"labels":{"app":"sample"}},"spec":{"containers":[{"name":"c","image":"example.test/app:1"}]}}}}"#,
        )
}
