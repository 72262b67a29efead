//! Group apps, v1: `pkg/registry/apps`.

use super::row;
use crate::columns::workload;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![deployments(), replicasets(), stateful_sets(), daemon_sets(), controller_revisions()]
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

fn of_group(kind: &str, resource: &str) -> Kind {
    Kind { schema: format!("io.k8s.api.apps.v1.{kind}"), ..row("apps", "v1", kind, resource) }
}

fn stateful_sets() -> Kind {
    of_group("StatefulSet", "statefulsets")
        .short(&["sts"])
        .in_all()
        .generation()
        .status()
        .scale()
        .name_column()
        .show("Ready", "string", "Ready pods of wanted pods.", workload::deployment_ready)
        .age_column()
        .wide("Containers", "string", "Names of the template's containers.", workload::containers)
        .wide("Images", "string", "Images of the template's containers.", workload::images)
        .sample(
            r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"sample"},"spec":{"replicas":0,"serviceName":"sample","selector":{"matchLabels":{"app":"sample"}},"template":{"metadata":{"labels":{"app":"sample"}},"spec":{"containers":[{"name":"c","image":"example.test/app:1"}]}}}}"#,
        )
}

fn daemon_sets() -> Kind {
    of_group("DaemonSet", "daemonsets")
        .short(&["ds"])
        .in_all()
        .generation()
        .status()
        .name_column()
        .show("Desired", "integer", "Nodes that should run a pod.", workload::daemon_desired)
        .show("Current", "integer", "Nodes that run a pod and should.", workload::daemon_current)
        .show("Ready", "integer", "Nodes whose pod is ready.", workload::daemon_ready)
        .show("Up-to-date", "integer", "Nodes that run a pod of the newest template.", workload::daemon_up_to_date)
        .show("Available", "integer", "Nodes whose pod is available.", workload::daemon_available)
        .show("Node Selector", "string", "Labels of the nodes.", workload::daemon_node_selector)
        .age_column()
        .wide("Containers", "string", "Names of the template's containers.", workload::containers)
        .wide("Images", "string", "Images of the template's containers.", workload::images)
        .wide("Selector", "string", "Labels of the pods.", workload::selector)
        .sample(
            r#"{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"sample"},"spec":{"selector":{"matchLabels":{"app":"sample"}},"template":{"metadata":{"labels":{"app":"sample"}},"spec":{"nodeSelector":{"none":"none"},"containers":[{"name":"c","image":"example.test/app:1"}]}}}}"#,
        )
}

fn controller_revisions() -> Kind {
    of_group("ControllerRevision", "controllerrevisions")
        .name_column()
        .show("Controller", "string", "What the revision belongs to.", workload::revision_controller)
        .show("Revision", "string", "Number of the revision.", workload::revision)
        .age_column()
        .sample(r#"{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"sample"},"revision":1,"data":{"spec":{"a":1}}}"#)
}
