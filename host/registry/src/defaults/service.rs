//! Services: `SetDefaults_Service` of `pkg/apis/core/v1/defaults.go`. Addresses and IP families are given when one is
//! written, not here.

use super::{child, child_or_new, is_unset, items, set, text};
use object::{Map, Value};

/// Three hours: how long a client stays with a backend under `sessionAffinity: ClientIP`.
const AFFINITY_SECONDS: i64 = 10800;

pub(super) fn service(root: &mut Map<String, Value>) {
    let Some(spec) = child_or_new(root, "spec") else { return };
    set(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let client = child_or_new(spec, "sessionAffinityConfig").and_then(|c| child_or_new(c, "clientIP"));
            if let Some(client) = client {
                set(client, "timeoutSeconds", AFFINITY_SECONDS);
            }
        }
        _ => {}
    }
    set(spec, "type", "ClusterIP");
    for port in items(spec, "ports") {
        set(port, "protocol", "TCP");
        let unset = is_unset(port, "targetPort") || port.get("targetPort") == Some(&Value::from(0));
        if let (true, Some(number)) = (unset, port.get("port").cloned()) {
            port.insert("targetPort".to_owned(), number);
        }
    }
    let ty = text(spec, "type").to_owned();
    let external_ips = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|l| !l.is_empty());
    if matches!(ty.as_str(), "NodePort" | "LoadBalancer") || ty == "ClusterIP" && external_ips {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(ty.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        set(spec, "internalTrafficPolicy", "Cluster");
    }
    if ty == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true);
        let balancer = child(root, "status").and_then(|s| child(s, "loadBalancer"));
        for point in balancer.into_iter().flat_map(|b| items(b, "ingress")) {
            if !is_unset(point, "ip") {
                set(point, "ipMode", "VIP");
            }
        }
    }
}
