//! Between the contract's records and those of `interfaces::cloud`. What a guest says is not believed: an answer that makes no
//! sense is a failure of the plugin.

use super::wit;
use super::{instances, load_balancer, routes, zones};
use interfaces::cloud::{Error, Ingress, InstanceMetadata, LoadBalancerStatus, NodeAddress, Route, Zone};
use object::{Object, Value};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// As `wit/cloud-provider.wit` says; the same for addresses and labels of a node, of which no cloud has more.
const MOST: usize = 64;
/// Routes of a cluster: one or two per node, of at most 5,000 nodes.
const MOST_ROUTES: usize = 20_000;
/// Longer than any cloud takes to make something; a guest cannot put a Service off for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Of one name, address, zone or label: the longest that is one, a host name, has 253.
const LONGEST_TEXT: usize = 1024;
/// A message stands in an event, which has at most 1 KiB of it.
const LONGEST_MESSAGE: usize = 1024;

pub(super) fn failure(provider: &str, operation: &'static str, failure: wit::Failure) -> Error {
    let cut = |mut text: String| {
        text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
        text
    };
    match failure {
        wit::Failure::NotSupported => Error::NotSupported { provider: provider.to_owned(), operation },
        wit::Failure::ImplementedElsewhere => Error::ImplementedElsewhere,
        wit::Failure::InstanceNotFound => Error::InstanceNotFound,
        wit::Failure::Retry(retry) => {
            Error::Retry { message: cut(retry.message), after: Duration::from_millis(retry.milliseconds).min(LONGEST_WAIT) }
        }
        wit::Failure::Failed(message) => Error::Failed(cut(message)),
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: Option<&Value>) -> u16 {
    value.and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).unwrap_or_default()
}

fn list<'o>(object: &'o Object, path: &[&str]) -> &'o [Value] {
    object.at(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn texts(object: &Object, path: &[&str]) -> Vec<String> {
    list(object, path).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Maps of the API are sorted already.
fn entries(object: &Object, path: &[&str]) -> Vec<wit::Entry> {
    let map = object.at(path).and_then(Value::as_object).into_iter().flatten();
    map.map(|(key, value)| wit::Entry { key: key.clone(), value: value.as_str().unwrap_or_default().to_owned() }).collect()
}

pub(super) fn service(service: &Object) -> load_balancer::Service {
    let spec = |key: &str| service.str_at(&["spec", key]).to_owned();
    let port = |p: &Value| load_balancer::Port {
        name: text(p, "name"),
        protocol: text(p, "protocol"),
        port: number(p.get("port")),
        node_port: number(p.get("nodePort")),
        app_protocol: text(p, "appProtocol"),
    };
    let ingress = |i: &Value| load_balancer::Ingress { ip: text(i, "ip"), hostname: text(i, "hostname"), ip_mode: text(i, "ipMode") };
    load_balancer::Service {
        namespace: service.namespace().to_owned(),
        name: service.name().to_owned(),
        uid: service.uid().to_owned(),
        labels: entries(service, &["metadata", "labels"]),
        annotations: entries(service, &["metadata", "annotations"]),
        ports: list(service, &["spec", "ports"]).iter().map(port).collect(),
        cluster_ips: texts(service, &["spec", "clusterIPs"]),
        ip_families: texts(service, &["spec", "ipFamilies"]),
        external_ips: texts(service, &["spec", "externalIPs"]),
        load_balancer_ip: spec("loadBalancerIP"),
        source_ranges: texts(service, &["spec", "loadBalancerSourceRanges"]),
        session_affinity: spec("sessionAffinity"),
        external_traffic_policy: spec("externalTrafficPolicy"),
        health_check_node_port: number(service.at(&["spec", "healthCheckNodePort"])),
        ingress: list(service, &["status", "loadBalancer", "ingress"]).iter().map(ingress).collect(),
    }
}

pub(super) fn nodes(nodes: &[Arc<Object>]) -> Vec<wit::Node> {
    nodes.iter().map(|n| node(n)).collect()
}

pub(super) fn node(node: &Object) -> wit::Node {
    let address = |a: &Value| wit::NodeAddress { kind: text(a, "type"), address: text(a, "address") };
    wit::Node {
        name: node.name().to_owned(),
        uid: node.uid().to_owned(),
        provider_id: node.str_at(&["spec", "providerID"]).to_owned(),
        labels: entries(node, &["metadata", "labels"]),
        annotations: entries(node, &["metadata", "annotations"]),
        addresses: list(node, &["status", "addresses"]).iter().map(address).collect(),
        pod_cidrs: texts(node, &["spec", "podCIDRs"]),
    }
}

pub(super) fn status(ingress: Vec<load_balancer::Ingress>) -> Result<LoadBalancerStatus, String> {
    if ingress.len() > MOST {
        return Err(format!("it gave {} ingresses, at most {MOST} are allowed", ingress.len()));
    }
    let one = |i: load_balancer::Ingress| {
        if i.ip.is_empty() && i.hostname.is_empty() {
            return Err("it gave an ingress without address and host name".to_owned());
        }
        texts_fit([&i.hostname])?;
        if !i.ip.is_empty() && i.ip.parse::<IpAddr>().is_err() {
            return Err(format!("it gave {:?} as an address", cut(&i.ip)));
        }
        if !["", "VIP", "Proxy"].contains(&i.ip_mode.as_str()) {
            return Err(format!("it gave {:?} as the mode of an address", cut(&i.ip_mode)));
        }
        Ok(Ingress { ip: i.ip, hostname: i.hostname, ip_mode: i.ip_mode })
    };
    Ok(LoadBalancerStatus { ingress: ingress.into_iter().map(one).collect::<Result<_, _>>()? })
}

/// What becomes a name, a label or an address in the API is not the size of a novel.
fn texts_fit<'t>(texts: impl IntoIterator<Item = &'t String>) -> Result<(), String> {
    match texts.into_iter().find(|text| text.len() > LONGEST_TEXT) {
        Some(text) => Err(format!("it gave a text of {} bytes, at most {LONGEST_TEXT} are allowed: {:?}…", text.len(), cut(text))),
        None => Ok(()),
    }
}

/// The name of a load balancer, or where a cluster is reached.
pub(super) fn name(text: String) -> Result<String, String> {
    texts_fit([&text]).map(|()| text)
}

/// Names of clusters: as many as there may be routes.
pub(super) fn names(names: Vec<String>) -> Result<Vec<String>, String> {
    if names.len() > MOST_ROUTES {
        return Err(format!("it gave {} names, at most {MOST_ROUTES} are allowed", names.len()));
    }
    texts_fit(&names).map(|()| names)
}

fn addresses(given: Vec<wit::NodeAddress>) -> Result<Vec<NodeAddress>, String> {
    for address in &given {
        texts_fit([&address.kind, &address.address])?;
        let is_ip = ["InternalIP", "ExternalIP"].contains(&address.kind.as_str());
        if is_ip && address.address.parse::<IpAddr>().is_err() {
            return Err(format!("it gave {:?} as an {}", cut(&address.address), address.kind));
        }
    }
    Ok(given.into_iter().map(address).collect())
}

/// Of something foreign, as much as a message needs.
pub(super) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(64)).unwrap_or_default()
}

fn address(address: wit::NodeAddress) -> NodeAddress {
    NodeAddress { ty: address.kind, address: address.address }
}

pub(super) fn metadata(metadata: instances::Metadata) -> Result<InstanceMetadata, String> {
    if metadata.addresses.len() > MOST || metadata.labels.len() > MOST {
        return Err(format!("it gave more than {MOST} addresses or labels of one node"));
    }
    texts_fit([&metadata.provider_id, &metadata.instance_type, &metadata.zone, &metadata.region])?;
    texts_fit(metadata.labels.iter().flat_map(|label| [&label.key, &label.value]))?;
    Ok(InstanceMetadata {
        provider_id: metadata.provider_id,
        instance_type: metadata.instance_type,
        node_addresses: addresses(metadata.addresses)?,
        zone: metadata.zone,
        region: metadata.region,
        additional_labels: metadata.labels.into_iter().map(|l| (l.key, l.value)).collect(),
    })
}

pub(super) fn zone(zone: zones::Zone) -> Result<Zone, String> {
    texts_fit([&zone.failure_domain, &zone.region])?;
    Ok(Zone { failure_domain: zone.failure_domain, region: zone.region })
}

pub(super) fn routes(routes: Vec<routes::Route>) -> Result<Vec<Route>, String> {
    if routes.len() > MOST_ROUTES {
        return Err(format!("it gave {} routes, at most {MOST_ROUTES} are allowed", routes.len()));
    }
    let one = |r: routes::Route| {
        texts_fit([&r.name, &r.target_node, &r.destination, &r.gateway])?;
        if r.target_addresses.len() > MOST {
            return Err(format!("it gave more than {MOST} addresses of one node"));
        }
        Ok(Route {
            name: r.name,
            target_node: r.target_node,
            enable_node_addresses: r.has_addresses,
            target_node_addresses: addresses(r.target_addresses)?,
            destination_cidr: r.destination,
            gateway_address: r.gateway,
            blackhole: r.blackhole,
        })
    };
    routes.into_iter().map(one).collect()
}

pub(super) fn route(route: &Route) -> routes::Route {
    let address = |a: &NodeAddress| wit::NodeAddress { kind: a.ty.clone(), address: a.address.clone() };
    routes::Route {
        name: route.name.clone(),
        target_node: route.target_node.clone(),
        has_addresses: route.enable_node_addresses,
        target_addresses: route.target_node_addresses.iter().map(address).collect(),
        destination: route.destination_cidr.clone(),
        gateway: route.gateway_address.clone(),
        blackhole: route.blackhole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn a_service_and_a_node_are_told() {
        let root = json!({"metadata": {"name": "web", "namespace": "d", "uid": "u", "annotations": {"b": "2", "a": "1"}},
            "spec": {"ports": [{"name": "http", "port": 80, "nodePort": 30080, "protocol": "TCP"}], "clusterIPs": ["10.43.0.1"],
                "loadBalancerIP": "192.0.2.1", "loadBalancerSourceRanges": ["10.0.0.0/8"], "externalTrafficPolicy": "Local",
                "healthCheckNodePort": 30090},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}}});
        let told = service(&Object::from_value(root).unwrap());
        assert_eq!(told.annotations.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((told.ports[0].port, told.ports[0].node_port, told.health_check_node_port), (80, 30080, 30090));
        assert_eq!((told.load_balancer_ip.as_str(), told.source_ranges.len(), told.ingress.len()), ("192.0.2.1", 1, 1));
        let root = json!({"metadata": {"name": "n"}, "spec": {"providerID": "sim://1", "podCIDRs": ["10.42.0.0/24"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}});
        let told = node(&Object::from_value(root).unwrap());
        assert_eq!((told.provider_id.as_str(), told.addresses[0].kind.as_str(), told.pod_cidrs.len()), ("sim://1", "InternalIP", 1));
    }

    #[test]
    fn answers_without_sense_are_refused() {
        let check = |ip: &str, hostname: &str, mode: &str, count: usize, good: bool| {
            let one = load_balancer::Ingress { ip: ip.into(), hostname: hostname.into(), ip_mode: mode.into() };
            assert_eq!(status(vec![one; count]).is_ok(), good, "{ip} {hostname} {mode} {count}");
        };
        check("192.0.2.1", "", "VIP", 1, true);
        check("", "lb.example", "", 64, true);
        check("192.0.2.1", "", "", 65, false);
        check("", "", "", 1, false);
        check("not an address", "", "", 1, false);
        check("192.0.2.1", "", "Magic", 1, false);
    }

    #[test]
    fn a_wait_has_an_end() {
        let retry = wit::RetryAfter { message: "ä".repeat(2000), milliseconds: u64::MAX };
        match failure("p", "o", wit::Failure::Retry(retry)) {
            Error::Retry { message, after } => assert!(message.len() <= LONGEST_MESSAGE && after == LONGEST_WAIT),
            other => panic!("{other}"),
        }
    }
}
