//! PodTemplates and ReplicationControllers.

use super::core;
use crate::columns::workload;
use crate::kind::Kind;

pub(super) fn pod_templates() -> Kind {
    core("PodTemplate", "podtemplates")
        .generation()
        .name_column()
        .show("Containers", "string", "Names of the template's containers.", workload::template_containers)
        .show("Images", "string", "Images of the template's containers.", workload::template_images)
        .show("Pod Labels", "string", "Labels of the pods.", workload::template_labels)
        .sample(
            r#"{"apiVersion":"v1","kind":"PodTemplate","metadata":{"name":"sample"},"template":{"metadata":{"labels":{"app":"sample"}},"spec":{"containers":[{"name":"c","image":"example.test/app:1"}]}}}"#,
        )
}

pub(super) fn replication_controllers() -> Kind {
    core("ReplicationController", "replicationcontrollers")
        .short(&["rc"])
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
        .wide("Selector", "string", "Labels of the pods.", workload::plain_selector)
        .sample(
            r#"{"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"sample"},"spec":{"replicas":0,"selector":{"app":"sample"},"template":{"metadata":{"labels":{"app":"sample"}},"spec":{"containers":[{"name":"c","image":"example.test/app:1"}]}}}}"#,
        )
}
