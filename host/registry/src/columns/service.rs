//! Cells of services: `printService` of upstream's printers.

use super::{format_labels, list, none, str_of, text};
use object::{Object, Value, json};

pub(crate) fn ty(service: &Object) -> Value {
    text(service, &["spec", "type"], "")
}

pub(crate) fn cluster_ip(service: &Object) -> Value {
    let first = list(service, &["spec", "clusterIPs"]).first().and_then(Value::as_str).unwrap_or_default();
    if first.is_empty() { text(service, &["spec", "clusterIP"], "<none>") } else { json!(first) }
}

pub(crate) fn external_ip(service: &Object) -> Value {
    let mut ips: Vec<&str> = list(service, &["spec", "externalIPs"]).iter().filter_map(Value::as_str).collect();
    match service.str_at(&["spec", "type"]) {
        "ClusterIP" | "NodePort" if ips.is_empty() => none(),
        "ClusterIP" | "NodePort" => json!(ips.join(",")),
        "LoadBalancer" => {
            let mut told = ingress_points(service);
            told.append(&mut ips);
            if told.is_empty() { json!("<pending>") } else { json!(told.join(",")) }
        }
        "ExternalName" => json!(service.str_at(&["spec", "externalName"])),
        _ => json!("<unknown>"),
    }
}

/// Addresses, or else host names, of `status.loadBalancer`; of ingresses too.
pub(crate) fn ingress_points(service: &Object) -> Vec<&str> {
    let mut told: Vec<&str> = Vec::new();
    for point in list(service, &["status", "loadBalancer", "ingress"]) {
        let address = [str_of(point, "ip"), str_of(point, "hostname")].into_iter().find(|a| !a.is_empty());
        told.extend(address.filter(|a| !told.contains(a)));
    }
    told
}

pub(crate) fn ports(service: &Object) -> Value {
    let told: Vec<String> = list(service, &["spec", "ports"])
        .iter()
        .map(|p| {
            let number = |key: &str| p.get(key).and_then(Value::as_i64).unwrap_or_default();
            let (port, node_port, protocol) = (number("port"), number("nodePort"), str_of(p, "protocol"));
            if node_port > 0 { format!("{port}:{node_port}/{protocol}") } else { format!("{port}/{protocol}") }
        })
        .collect();
    if told.is_empty() { none() } else { json!(told.join(",")) }
}

pub(crate) fn selector(service: &Object) -> Value {
    json!(format_labels(service.at(&["spec", "selector"])))
}
