//! What the proxy knows of a Service: one row per port, with the backends that its slices name.

use super::ipv4;
use crate::cidr::Cidr;
use object::Object;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// One port of one Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// `namespace/name:port`.
    pub name: String,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    pub cluster_ips: Vec<Ipv4Addr>,
    pub external_ips: Vec<Ipv4Addr>,
    /// Of `status.loadBalancer.ingress`, but for those of mode `Proxy`, whose packets come with a node's address.
    pub balancer_ips: Vec<Ipv4Addr>,
    /// `loadBalancerSourceRanges`: who may use the balancer's addresses. Empty: everyone.
    pub source_ranges: Vec<Cidr>,
    pub port: u16,
    /// 0: none.
    pub node_port: u16,
    /// `sessionAffinity: ClientIP`.
    pub sticky: bool,
    /// Sorted.
    pub backends: Vec<Backend>,
    /// Plugins that requests pass, by name (`middleware.coracle.dev/<port>`).
    pub middleware: Vec<String>,
    /// Those on this node; only filled where a policy asks for them.
    pub local: Vec<Backend>,
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// `externalTrafficPolicy: Local`: the client's address is kept, and nodes without a backend take nothing.
    pub external_local: bool,
    /// 0: none.
    pub health_check_node_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    pub address: Ipv4Addr,
    pub port: u16,
}

/// The slices' label that names their Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Before a port's number or name.
const MIDDLEWARE: &str = "middleware.coracle.dev/";

/// All ports of all Services that have a virtual address, sorted by name. Backends are the ready endpoints, or, when
/// none is ready, those that still serve while terminating (KEP-1669).
pub fn service_ports(services: &[Arc<Object>], slices: &[Arc<Object>], node: &str) -> Vec<ServicePort> {
    let mut by_service: BTreeMap<(&str, &str), Vec<&Object>> = BTreeMap::new();
    for slice in slices {
        if let Some(service) = slice.label(SERVICE_NAME) {
            by_service.entry((slice.namespace(), service)).or_default().push(slice);
        }
    }
    let mut all = Vec::new();
    for object in services {
        let Ok(service) = typed::service(object) else { continue };
        let Some(spec) = &service.spec else { continue };
        let addresses = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
        let cluster_ips: BTreeSet<Ipv4Addr> = addresses.filter_map(|a| ipv4(a)).collect();
        if cluster_ips.is_empty() || spec.type_.as_deref() == Some("ExternalName") {
            continue;
        }
        let is_local = |policy: &Option<String>| policy.as_deref() == Some("Local");
        let (internal_local, external_local) = (is_local(&spec.internal_traffic_policy), is_local(&spec.external_traffic_policy));
        let balanced = spec.type_.as_deref() == Some("LoadBalancer");
        let ingress = service.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|b| b.ingress.as_ref());
        let ingress = ingress.into_iter().flatten().filter(|i| balanced && i.ip_mode.as_deref() != Some("Proxy"));
        let balancer_ips: BTreeSet<Ipv4Addr> = ingress.filter_map(|i| ipv4(i.ip.as_deref()?)).collect();
        let source_ranges = source_ranges(spec.load_balancer_source_ranges.iter().flatten());
        let slices = by_service.get(&(object.namespace(), object.name())).map(Vec::as_slice).unwrap_or_default();
        for port in spec.ports.iter().flatten() {
            let port_name = port.name.as_deref().unwrap_or_default();
            let mut name = format!("{}/{}", object.namespace(), object.name());
            if !port_name.is_empty() {
                name = format!("{name}:{port_name}");
            }
            all.push(ServicePort {
                name,
                protocol: port.protocol.as_deref().unwrap_or("TCP").to_ascii_lowercase(),
                cluster_ips: cluster_ips.iter().copied().collect(),
                external_ips: spec.external_ips.iter().flatten().filter_map(|a| ipv4(a)).collect(),
                port: u16::try_from(port.port).unwrap_or_default(),
                node_port: port.node_port.and_then(|p| u16::try_from(p).ok()).unwrap_or_default(),
                sticky: spec.session_affinity.as_deref() == Some("ClientIP"),
                backends: backends(slices, port_name, None),
                local: if internal_local || external_local { backends(slices, port_name, Some(node)) } else { Vec::new() },
                balancer_ips: balancer_ips.iter().copied().collect(),
                source_ranges: source_ranges.clone(),
                internal_local,
                external_local,
                health_check_node_port: spec.health_check_node_port.and_then(|p| u16::try_from(p).ok()).unwrap_or_default(),
                middleware: middleware(object, port.port, port_name),
            });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The annotation by the port's number goes before the one by its name.
fn middleware(service: &Object, port: i32, name: &str) -> Vec<String> {
    let by_number = service.annotation(&format!("{MIDDLEWARE}{port}"));
    let value = by_number.or_else(|| service.annotation(&format!("{MIDDLEWARE}{name}")).filter(|_| !name.is_empty()));
    value.unwrap_or_default().split([',', '\n']).map(str::trim).filter(|plugin| !plugin.is_empty()).map(str::to_owned).collect()
}

/// The IPv4 ranges among them. Ranges of IPv6 alone let no IPv4 client in, which one range without addresses says.
fn source_ranges<'t>(texts: impl Iterator<Item = &'t String>) -> Vec<Cidr> {
    let all: Vec<&String> = texts.collect();
    let ranges: Vec<Cidr> = all.iter().filter_map(|text| Cidr::any(text.trim())).collect();
    if ranges.is_empty() && !all.is_empty() { vec![Cidr { base: Ipv4Addr::UNSPECIFIED, prefix: 32 }] } else { ranges }
}

fn backends(slices: &[&Object], port_name: &str, only_node: Option<&str>) -> Vec<Backend> {
    let (mut ready, mut terminating) = (BTreeSet::new(), BTreeSet::new());
    for slice in slices {
        let Ok(slice) = typed::endpoint_slice(slice) else { continue };
        if slice.address_type != "IPv4" {
            continue;
        }
        let port = slice.ports.iter().flatten().find(|p| p.name.as_deref().unwrap_or_default() == port_name);
        let Some(port) = port.and_then(|p| p.port).and_then(|p| u16::try_from(p).ok()) else { continue };
        for endpoint in slice.endpoints.iter().flatten() {
            if only_node.is_some_and(|node| endpoint.node_name.as_deref() != Some(node)) {
                continue;
            }
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            let is_ready = conditions.ready.unwrap_or(true);
            let serves = conditions.serving.unwrap_or(is_ready) && conditions.terminating.unwrap_or(false);
            for address in endpoint.addresses.iter().filter_map(|a| ipv4(a)) {
                if is_ready {
                    ready.insert(Backend { address, port });
                } else if serves {
                    terminating.insert(Backend { address, port });
                }
            }
        }
    }
    if ready.is_empty() { terminating } else { ready }.into_iter().collect()
}
