//! The pods behind a service: what Endpoints and EndpointSlices both tell.

use crate::run::Key;
use crate::view::{flag, list, pod, text};
use client::{Cache, Change, Client, gvr};
use object::selector::LabelSelector;
use object::{Map, Object, Value, json};
use std::sync::Arc;

/// One pod that a service selects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Backend {
    pub address: String,
    /// Resolved for this pod: a named port may differ from pod to pod. Sorted by name.
    pub ports: Vec<Value>,
    /// Passes its readiness checks, also while it ends.
    pub serving: bool,
    pub terminating: bool,
    /// The service publishes addresses whether ready or not.
    pub publish_always: bool,
    pub node: Option<String>,
    pub hostname: String,
    pub subdomain: String,
    /// `targetRef`: the pod.
    pub target: Value,
}

pub(crate) struct Backends {
    services: Arc<Cache>,
    pods: Arc<Cache>,
}

impl Backends {
    pub(crate) fn new(client: &Client) -> Self {
        Self { services: client.cache(&gvr::services()), pods: client.cache(&gvr::pods()) }
    }

    pub(crate) fn service(&self, key: &Key) -> Option<Arc<Object>> {
        self.services.get(&key.namespace, &key.name)
    }

    /// The services that select a changed pod, before or after. A change that no backend shows wakes nobody.
    pub(crate) fn services_of(&self, change: &Change) -> Vec<Key> {
        if let (Some(old), Some(new)) = (&change.old, &change.new)
            && seen(old) == seen(new)
        {
            return Vec::new();
        }
        let selects = |service: &Arc<Object>| {
            let selector = selector(service);
            [&change.old, &change.new].into_iter().flatten().any(|p| selector.matches_object(p))
        };
        self.services.list(&change.namespace).iter().filter(|s| selects(s)).map(|s| Key::of(s)).collect()
    }

    /// Backends of a service by address: pods that match, have an address and have not ended.
    pub(crate) fn of(&self, service: &Object) -> Vec<Backend> {
        let selector = selector(service);
        let pods = self.pods.list(service.namespace());
        let mut found: Vec<Backend> = pods.iter().filter(|p| selector.matches_object(p)).filter_map(|p| backend(service, p)).collect();
        found.sort_by(|a, b| a.address.cmp(&b.address));
        found
    }
}

pub(crate) fn has_selector(service: &Object) -> bool {
    crate::view::map_at(service, &["spec", "selector"]).is_some_and(|s| !s.is_empty())
        && service.str_at(&["spec", "type"]) != "ExternalName"
}

pub(crate) fn is_headless(service: &Object) -> bool {
    service.str_at(&["spec", "clusterIP"]) == "None"
}

fn selector(service: &Object) -> LabelSelector {
    LabelSelector::from_map(crate::view::map_at(service, &["spec", "selector"]))
}

/// All that a backend shows of a pod.
#[derive(PartialEq)]
struct Seen<'p> {
    labels: Option<&'p Map<String, Value>>,
    addresses: [Option<&'p Value>; 2],
    ready_deleting_terminal: [bool; 3],
}

fn seen(p: &Object) -> Seen<'_> {
    Seen {
        labels: p.labels(),
        addresses: [p.at(&["status", "podIPs"]), p.at(&["status", "podIP"])],
        ready_deleting_terminal: [pod::is_ready(p), p.is_deleting(), pod::is_terminal(p)],
    }
}

fn backend(service: &Object, p: &Object) -> Option<Backend> {
    let address = address(service, p)?;
    if pod::is_terminal(p) {
        return None;
    }
    let node = p.str_at(&["spec", "nodeName"]);
    Some(Backend {
        address,
        ports: ports(service, p),
        serving: pod::is_ready(p),
        terminating: p.is_deleting(),
        publish_always: flag(service, &["spec", "publishNotReadyAddresses"]),
        node: (!node.is_empty()).then(|| node.to_owned()),
        hostname: p.str_at(&["spec", "hostname"]).to_owned(),
        subdomain: p.str_at(&["spec", "subdomain"]).to_owned(),
        target: json!({ "kind": "Pod", "namespace": p.namespace(), "name": p.name(), "uid": p.uid() }),
    })
}

/// The pod's address of the service's first family.
fn address(service: &Object, p: &Object) -> Option<String> {
    let wants_v6 = list(service, &["spec", "ipFamilies"]).first().and_then(Value::as_str) == Some("IPv6");
    let all = list(p, &["status", "podIPs"]).iter().map(|ip| text(ip, "ip")).chain([p.str_at(&["status", "podIP"])]);
    all.filter(|ip| !ip.is_empty()).find(|ip| ip.contains(':') == wants_v6).map(str::to_owned)
}

/// The service's ports on this pod; one whose name the pod does not have is left out.
fn ports(service: &Object, p: &Object) -> Vec<Value> {
    let mut found: Vec<Value> = list(service, &["spec", "ports"])
        .iter()
        .filter_map(|port| {
            let number = target(port, p)?;
            let mut out = json!({ "name": text(port, "name"), "port": number, "protocol": protocol(port) });
            if let Some(app) = port.get("appProtocol").filter(|a| !a.is_null()) {
                out["appProtocol"] = app.clone();
            }
            Some(out)
        })
        .collect();
    found.sort_by_key(|port| text(port, "name").to_owned());
    found
}

fn protocol(port: &Value) -> &str {
    match text(port, "protocol") {
        "" => "TCP",
        protocol => protocol,
    }
}

/// `podutil.FindPort`: a number as it is, a name among the containers' ports.
fn target(port: &Value, p: &Object) -> Option<i64> {
    match port.get("targetPort") {
        Some(Value::Number(number)) if number.as_i64() != Some(0) => number.as_i64(),
        Some(Value::String(name)) if !name.is_empty() => {
            let sidecars = list(p, &["spec", "initContainers"]).iter().filter(|c| text(c, "restartPolicy") == "Always");
            let containers = list(p, &["spec", "containers"]).iter().chain(sidecars);
            let ports = containers.flat_map(|c| crate::view::items(c, "ports"));
            let mut named = ports.filter(|c| text(c, "name") == name && protocol(c) == protocol(port));
            named.find_map(|c| c.get("containerPort")?.as_i64())
        }
        _ => port.get("port")?.as_i64(),
    }
}

/// Ports as Endpoints have them: an empty name is left out.
pub(crate) fn legacy_ports(ports: &[Value]) -> Value {
    let plain = |port: &Value| {
        let mut port = port.clone();
        if let Some(map) = port.as_object_mut()
            && map.get("name").and_then(Value::as_str) == Some("")
        {
            map.remove("name");
        }
        port
    };
    ports.iter().map(plain).collect()
}

impl Backend {
    /// The name of this backend in a headless service's DNS, when the pod asked for one.
    pub(crate) fn hostname_in(&self, service: &Object) -> Option<&str> {
        let has_name = !self.hostname.is_empty() && self.subdomain == service.name();
        has_name.then_some(self.hostname.as_str())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn service(spec: Value) -> Object {
        Object::from_value(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n", "uid": "u"}, "spec": spec}),
        )
        .unwrap()
    }

    /// (name, address, ready, port named http)
    pub(crate) fn backends(service: &Object, pods: &[(&str, &str, bool, i64)]) -> Vec<Backend> {
        let pod = |(name, ip, ready, port): &(&str, &str, bool, i64)| {
            let status = json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
                "conditions": [{"type": "Ready", "status": if *ready { "True" } else { "False" }}]});
            let container = json!({"name": "c", "ports": [{"name": "http", "containerPort": port}]});
            let pod = json!({"metadata": {"name": name, "namespace": "n", "uid": name}, "spec": {"nodeName": "node", "containers": [container]}, "status": status});
            Object::from_value(pod).unwrap()
        };
        pods.iter().filter_map(|p| backend(service, &pod(p))).collect()
    }

    #[test]
    fn ports_are_found_by_number_and_name() {
        let p = Object::from_value(json!({"spec": {"containers": [{"ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns", "containerPort": 54}]}]}})).unwrap();
        let check = |port: Value, expect: Option<i64>| assert_eq!(target(&port, &p), expect, "{port}");
        check(json!({"port": 80}), Some(80));
        check(json!({"port": 80, "targetPort": 8080}), Some(8080));
        check(json!({"port": 80, "targetPort": 0}), Some(80));
        check(json!({"port": 80, "targetPort": "dns"}), Some(54));
        check(json!({"port": 80, "targetPort": "dns", "protocol": "UDP"}), Some(53));
        check(json!({"port": 80, "targetPort": "nope"}), None);
    }
}
