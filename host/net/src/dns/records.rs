//! What a name of the cluster's zone answers with, from the caches of Services and slices. No DNS library here.

use client::{Cache, Client, gvr};
use object::Object;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// What a question about the zone is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Addresses of the name; empty: the name exists and has none of the asked type.
    Addresses(Vec<IpAddr>),
    /// (port, target name) of each SRV record; targets end with a dot.
    Services(Vec<(u16, String)>),
    /// The name stands for another one.
    Alias(String),
    /// Names of a reverse question.
    Names(Vec<String>),
    Text(String),
    /// The name does not exist in the zone.
    NoSuchName,
    /// The name is not ours.
    Elsewhere,
}

/// The zone of the cluster.
pub struct Zone {
    domain: String,
    services: Arc<Cache>,
    slices: Arc<Cache>,
}

/// Version of the DNS specification, as the `dns-version` record tells it.
const SPECIFICATION: &str = "1.1.0";
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Zone {
    pub fn new(client: &Client, domain: &str) -> Self {
        let services = client.cache(&gvr::services());
        let slices = client.cache(&gvr::endpoint_slices());
        Self { domain: domain.trim_matches('.').to_ascii_lowercase(), services, slices }
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether the caches know the cluster; before, answers would be false denials.
    pub fn is_ready(&self) -> bool {
        self.services.is_ready() && self.slices.is_ready()
    }

    /// Answers for a name without its last dot.
    pub fn ask(&self, name: &str) -> Answer {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(address) = reverse(&name) {
            return self.names_of(address);
        }
        let Some(inside) = name.strip_suffix(&self.domain) else { return Answer::Elsewhere };
        if inside.is_empty() {
            return Answer::Addresses(Vec::new());
        }
        let Some(inside) = inside.strip_suffix('.') else { return Answer::Elsewhere };
        let labels: Vec<&str> = inside.split('.').collect();
        match labels.as_slice() {
            ["dns-version"] => Answer::Text(SPECIFICATION.to_owned()),
            // Names above a record exist, without records: a resolver must not take them for absent.
            ["svc" | "pod"] => Answer::Addresses(Vec::new()),
            [_namespace, "svc" | "pod"] => Answer::Addresses(Vec::new()),
            [address, _namespace, "pod"] => pod_address(address),
            [service, namespace, "svc"] => self.service(namespace, service),
            [host, service, namespace, "svc"] if host.starts_with('_') => self.protocol_exists(namespace, service, host),
            [host, service, namespace, "svc"] => self.host(namespace, service, host),
            [port, protocol, service, namespace, "svc"] => self.ports(namespace, service, port, protocol),
            _ => Answer::NoSuchName,
        }
    }

    fn service(&self, namespace: &str, name: &str) -> Answer {
        let Some(service) = self.services.get(namespace, name) else { return Answer::NoSuchName };
        if service.str_at(&["spec", "type"]) == "ExternalName" {
            return Answer::Alias(format!("{}.", service.str_at(&["spec", "externalName"]).trim_end_matches('.')));
        }
        match cluster_address(&service) {
            Some(address) => Answer::Addresses(vec![address]),
            None => {
                let all = self.endpoints(&service);
                let addresses: BTreeSet<IpAddr> = all.iter().map(|e| e.address).collect();
                if addresses.is_empty() { Answer::NoSuchName } else { Answer::Addresses(addresses.into_iter().collect()) }
            }
        }
    }

    /// `HOST.SERVICE.NAMESPACE.svc`: an endpoint with that hostname, or with its address as name.
    fn host(&self, namespace: &str, service: &str, host: &str) -> Answer {
        let Some(service) = self.services.get(namespace, service) else { return Answer::NoSuchName };
        let found: BTreeSet<IpAddr> = self.endpoints(&service).into_iter().filter(|e| e.host() == host).map(|e| e.address).collect();
        if found.is_empty() { Answer::NoSuchName } else { Answer::Addresses(found.into_iter().collect()) }
    }

    fn protocol_exists(&self, namespace: &str, service: &str, protocol: &str) -> Answer {
        let known = self.services.get(namespace, service).is_some() && ["_tcp", "_udp", "_sctp"].contains(&protocol);
        if known { Answer::Addresses(Vec::new()) } else { Answer::NoSuchName }
    }

    /// `_PORT._PROTOCOL.SERVICE.NAMESPACE.svc`.
    fn ports(&self, namespace: &str, name: &str, port: &str, protocol: &str) -> Answer {
        let (Some(port), Some(protocol)) = (port.strip_prefix('_'), protocol.strip_prefix('_')) else { return Answer::NoSuchName };
        let Some(service) = self.services.get(namespace, name) else { return Answer::NoSuchName };
        let base = format!("{name}.{namespace}.svc.{}.", self.domain);
        let mut found = BTreeSet::new();
        if cluster_address(&service).is_some() {
            let ports = service.at(&["spec", "ports"]).and_then(|p| p.as_array().cloned()).unwrap_or_default();
            for row in ports {
                let named = row["name"].as_str().unwrap_or_default() == port;
                let same = row["protocol"].as_str().unwrap_or("TCP").eq_ignore_ascii_case(protocol);
                if let (true, Some(number)) = (named && same, row["port"].as_u64().and_then(|n| u16::try_from(n).ok())) {
                    found.insert((number, base.clone()));
                }
            }
        } else {
            for endpoint in self.endpoints(&service) {
                for (number, name, proto) in &endpoint.ports {
                    if name == port && proto.eq_ignore_ascii_case(protocol) {
                        found.insert((*number, format!("{}.{base}", endpoint.host())));
                    }
                }
            }
        }
        if found.is_empty() { Answer::NoSuchName } else { Answer::Services(found.into_iter().collect()) }
    }

    fn names_of(&self, address: IpAddr) -> Answer {
        let text = address.to_string();
        let of_service = |s: &Arc<Object>| format!("{}.{}.svc.{}.", s.name(), s.namespace(), self.domain);
        let services = self.services.list("");
        let mut names: BTreeSet<String> = services.iter().filter(|s| s.str_at(&["spec", "clusterIP"]) == text).map(of_service).collect();
        for service in services.iter().filter(|s| s.str_at(&["spec", "clusterIP"]) == "None") {
            for endpoint in self.endpoints(service).into_iter().filter(|e| e.address == address && !e.hostname.is_empty()) {
                names.insert(format!("{}.{}", endpoint.hostname, of_service(service)));
            }
        }
        if names.is_empty() { Answer::Elsewhere } else { Answer::Names(names.into_iter().collect()) }
    }

    /// Ready endpoints of a Service, or all of them with `publishNotReadyAddresses`.
    fn endpoints(&self, service: &Object) -> Vec<Endpoint> {
        let unready = service.at(&["spec", "publishNotReadyAddresses"]).and_then(object::Value::as_bool).unwrap_or(false);
        let slices = self.slices.list(service.namespace());
        let mut all = Vec::new();
        for slice in slices.iter().filter(|s| s.label(SERVICE_NAME) == Some(service.name())) {
            let Ok(slice) = typed::endpoint_slice(slice) else { continue };
            let ports: Vec<(u16, String, String)> = slice
                .ports
                .iter()
                .flatten()
                .filter_map(|p| {
                    let number = u16::try_from(p.port?).ok()?;
                    Some((number, p.name.clone().unwrap_or_default(), p.protocol.clone().unwrap_or_else(|| "TCP".to_owned())))
                })
                .collect();
            for endpoint in slice.endpoints.iter().flatten() {
                let ready = endpoint.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true);
                if !ready && !unready {
                    continue;
                }
                let hostname = endpoint.hostname.clone().unwrap_or_default();
                let addresses = endpoint.addresses.iter().filter_map(|a| a.parse().ok());
                all.extend(addresses.map(|address| Endpoint { address, hostname: hostname.clone(), ports: ports.clone() }));
            }
        }
        all
    }
}

struct Endpoint {
    address: IpAddr,
    hostname: String,
    /// Number, name, protocol.
    ports: Vec<(u16, String, String)>,
}

impl Endpoint {
    /// Its name below the Service: the hostname, or the address with dashes.
    fn host(&self) -> String {
        if self.hostname.is_empty() { self.address.to_string().replace(['.', ':'], "-") } else { self.hostname.clone() }
    }
}

fn cluster_address(service: &Object) -> Option<IpAddr> {
    service.str_at(&["spec", "clusterIP"]).parse().ok()
}

/// `10-42-0-5.NAMESPACE.pod`.
fn pod_address(label: &str) -> Answer {
    match label.replace('-', ".").parse::<Ipv4Addr>() {
        Ok(address) => Answer::Addresses(vec![IpAddr::V4(address)]),
        Err(_) => Answer::NoSuchName,
    }
}

/// The address of a name below `in-addr.arpa`.
fn reverse(name: &str) -> Option<IpAddr> {
    let inside = name.strip_suffix(".in-addr.arpa")?;
    let turned: Vec<&str> = inside.split('.').rev().collect();
    turned.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_reverse_and_pod_names() {
        assert_eq!(reverse("10.0.43.10.in-addr.arpa"), Some(IpAddr::V4(Ipv4Addr::new(10, 43, 0, 10))));
        for name in ["43.10.in-addr.arpa", "x.in-addr.arpa", "example.com"] {
            assert_eq!(reverse(name), None, "{name}");
        }
        assert_eq!(pod_address("10-42-0-5"), Answer::Addresses(vec![IpAddr::V4(Ipv4Addr::new(10, 42, 0, 5))]));
        assert_eq!(pod_address("web"), Answer::NoSuchName);
    }
}
