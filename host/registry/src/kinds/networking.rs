//! Group networking.k8s.io, v1: `pkg/registry/networking`.

use super::row;
use crate::columns::networking;
use crate::kind::{Kind, NameRule};

pub(crate) fn rows() -> Vec<Kind> {
    vec![ingresses(), ingress_classes(), network_policies(), service_cidrs(), ip_addresses()]
}

fn of_group(kind: &str, resource: &str) -> Kind {
    Kind { schema: format!("io.k8s.api.networking.v1.{kind}"), ..row("networking.k8s.io", "v1", kind, resource) }
}

fn ingresses() -> Kind {
    of_group("Ingress", "ingresses")
        .short(&["ing"])
        .generation()
        .status()
        .name_column()
        .show("Class", "string", "Class that answers for the ingress.", networking::ingress_class)
        .show("Hosts", "string", "Hosts of the rules.", networking::hosts)
        .show("Address", "string", "Addresses that lead to the ingress.", networking::address)
        .show("Ports", "string", "Ports of the ingress.", networking::ports)
        .age_column()
        .sample(
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"sample"},"spec":{"rules":[{"host":"sample.example.com","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"s","port":{"number":80}}}}]}}]}}"#,
        )
}

fn ingress_classes() -> Kind {
    of_group("IngressClass", "ingressclasses")
        .cluster()
        .generation()
        .name_column()
        .show("Controller", "string", "Controller of the class.", networking::controller)
        .show("Parameters", "string", "Object with more settings.", networking::parameters)
        .age_column()
        .sample(
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"sample"},"spec":{"controller":"example.com/ingress"}}"#,
        )
}

fn network_policies() -> Kind {
    of_group("NetworkPolicy", "networkpolicies")
        .short(&["netpol"])
        .generation()
        .name_column()
        .show("Pod-Selector", "string", "Pods that the policy is about.", networking::pod_selector)
        .age_column()
        .sample(
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"sample"},"spec":{"podSelector":{"matchLabels":{"app":"none"}},"ingress":[{"ports":[{"port":80,"protocol":"TCP"}]}]}}"#,
        )
}

fn service_cidrs() -> Kind {
    of_group("ServiceCIDR", "servicecidrs")
        .cluster()
        .status()
        .name_column()
        .show("CIDRs", "string", "Ranges that service addresses are taken from.", networking::cidrs)
        .age_column()
        .sample(
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"ServiceCIDR","metadata":{"name":"sample"},"spec":{"cidrs":["10.99.0.0/24"]}}"#,
        )
}

/// The name is the address, so it may hold colons.
fn ip_addresses() -> Kind {
    of_group("IPAddress", "ipaddresses")
        .cluster()
        .short(&["ip"])
        .names(NameRule::PathSegment)
        .name_column()
        .show("ParentRef", "string", "What the address is allocated to.", networking::parent)
        .age_column()
        .sample(
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"IPAddress","metadata":{"name":"10.99.0.9"},"spec":{"parentRef":{"resource":"services","namespace":"default","name":"sample"}}}"#,
        )
}
