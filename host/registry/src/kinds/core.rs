//! The core group, v1: `pkg/registry/core` and `pkg/apis/core`.

mod controllers;
mod limits;
mod virtuals;
mod volumes;

use super::row;
use crate::columns::{config, endpoints, namespace, node, pod, service};
use crate::kind::{Kind, NameRule, Verb};
use object::Gvk;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        namespaces(),
        pods(),
        nodes(),
        services(),
        endpoints_row(),
        configmaps(),
        secrets(),
        serviceaccounts(),
        super::events::core_events(),
        controllers::pod_templates(),
        controllers::replication_controllers(),
        volumes::volumes(),
        volumes::claims(),
        limits::limit_ranges(),
        limits::resource_quotas(),
        virtuals::bindings(),
        virtuals::component_statuses(),
    ]
}

fn core(kind: &str, resource: &str) -> Kind {
    row("", "v1", kind, resource).definition(&format!("io.k8s.api.core.v1.{kind}"))
}

fn namespaces() -> Kind {
    core("Namespace", "namespaces")
        .cluster()
        .short(&["ns"])
        .without(Verb::DeleteCollection)
        .names(NameRule::Label)
        .status()
        .sub("finalize", &[Verb::Update], None)
        .select("status.phase", "")
        .name_column()
        .show("Status", "string", "Phase of the namespace.", namespace::status)
        .age_column()
        .sample(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"sample"}}"#)
}

fn pods() -> Kind {
    core("Pod", "pods")
        .short(&["po"])
        .in_all()
        .generation()
        .status()
        .sub("binding", &[Verb::Create], Some(Gvk::new("", "v1", "Binding")))
        .sub("eviction", &[Verb::Create], Some(Gvk::new("policy", "v1", "Eviction")))
        .sub("log", &[Verb::Get], None)
        .sub("ephemeralcontainers", &[Verb::Get, Verb::Update, Verb::Patch], None)
        .sub("resize", &[Verb::Get, Verb::Update, Verb::Patch], None)
        .stream("attach", "PodAttachOptions")
        .stream("exec", "PodExecOptions")
        .stream("portforward", "PodPortForwardOptions")
        .proxy("PodProxyOptions")
        .select("spec.nodeName", "")
        .select("spec.restartPolicy", "")
        .select("spec.schedulerName", "")
        .select("spec.serviceAccountName", "")
        .select("spec.hostNetwork", "false")
        .select("status.phase", "")
        .select("status.podIP", "")
        .select("status.podIPs", "")
        .select("status.nominatedNodeName", "")
        .name_column()
        .show("Ready", "string", "Ready containers of all containers.", pod::ready)
        .show("Status", "string", "Phase of the pod, or the most telling reason of its containers.", pod::status)
        .show("Restarts", "string", "How often containers of the pod were restarted, and when last.", pod::restarts)
        .age_column()
        .wide("IP", "string", "First address of the pod.", pod::ip)
        .wide("Node", "string", "Node the pod is bound to.", pod::node)
        .wide("Nominated Node", "string", "Node where preemption makes room for the pod.", pod::nominated_node)
        .wide("Readiness Gates", "string", "True readiness gates of all readiness gates.", pod::readiness_gates)
        .sample(
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"sample"},"spec":{"containers":[{"name":"c","image":"example.test/app:1"}]}}"#,
        )
}

fn nodes() -> Kind {
    core("Node", "nodes")
        .cluster()
        .short(&["no"])
        .status()
        .proxy("NodeProxyOptions")
        .select("spec.unschedulable", "false")
        .name_column()
        .show("Status", "string", "Readiness of the node, and whether it takes new pods.", node::status)
        .show("Roles", "string", "Roles by the node's labels.", node::roles)
        .age_column()
        .show("Version", "string", "Version of the node agent.", node::version)
        .wide("Internal-IP", "string", "First internal address.", node::internal_ip)
        .wide("External-IP", "string", "First external address.", node::external_ip)
        .wide("OS-Image", "string", "Operating system as the node reports it.", node::os_image)
        .wide("Kernel-Version", "string", "Kernel as the node reports it.", node::kernel_version)
        .wide("Container-Runtime", "string", "Container runtime and its version.", node::container_runtime)
        .sample(r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"sample"}}"#)
}

fn services() -> Kind {
    core("Service", "services")
        .short(&["svc"])
        .in_all()
        .create_on_update()
        .names(NameRule::Dns1035Label)
        .status()
        .proxy("ServiceProxyOptions")
        .select("spec.clusterIP", "")
        .select("spec.type", "")
        .name_column()
        .show("Type", "string", "How the service is exposed.", service::ty)
        .show("Cluster-IP", "string", "Virtual address inside the cluster.", service::cluster_ip)
        .show("External-IP", "string", "Addresses that lead to the service from outside.", service::external_ip)
        .show("Port(s)", "string", "Ports, node ports and protocols.", service::ports)
        .age_column()
        .wide("Selector", "string", "Labels of the pods behind the service.", service::selector)
        .sample(r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"sample"},"spec":{"ports":[{"port":80}]}}"#)
}

fn endpoints_row() -> Kind {
    core("Endpoints", "endpoints")
        .short(&["ep"])
        .deprecated("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        .create_on_update()
        .name_column()
        .show("Endpoints", "string", "Addresses and ports of the ready backends.", endpoints::endpoints)
        .age_column()
        .sample(r#"{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"sample"}}"#)
}

fn configmaps() -> Kind {
    core("ConfigMap", "configmaps")
        .short(&["cm"])
        .name_column()
        .show("Data", "string", "Number of entries.", config::config_map_entries)
        .age_column()
        .sample(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"sample"},"data":{"k":"v"}}"#)
}

fn secrets() -> Kind {
    core("Secret", "secrets")
        .select("type", "")
        .name_column()
        .show("Type", "string", "What the secret is used for.", config::secret_type)
        .show("Data", "string", "Number of entries.", config::secret_entries)
        .age_column()
        .sample(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"sample"},"data":{"k":"dg=="}}"#)
}

fn serviceaccounts() -> Kind {
    core("ServiceAccount", "serviceaccounts")
        .short(&["sa"])
        .sub("token", &[Verb::Create], Some(Gvk::new("authentication.k8s.io", "v1", "TokenRequest")))
        .name_column()
        .show("Secrets", "string", "Number of secrets that the account may mount.", config::service_account_secrets)
        .age_column()
        .sample(r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"sample"}}"#)
}
