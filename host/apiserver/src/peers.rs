//! The endpoints of the `kubernetes` Service when several servers share the store
//! (`pkg/controlplane/reconcilers/lease.go`, `pkg/controlplane/instance.go`).
//!
//! Each server keeps a Lease with its address in `kube-system`, as upstream's API server identities, and brings the endpoints
//! in line with the leases that are renewed. A lease counts as renewed by this server's own clock, from when the renewal was
//! seen: clocks of other machines are not trusted. The leases of the dead are deleted by whoever sees it first.

use crate::bootstrap::{checked, replace, send};
use crate::config::Config;
use crate::server::{ApiService, Error};
use http::Method;
use object::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Upstream's `EndpointReconciler` interval and `DefaultEndpointReconcilerTTL`.
const INTERVAL: Duration = Duration::from_secs(10);
const TTL: Duration = Duration::from_secs(15);
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const IDENTITY: &str = "apiserver.kubernetes.io/identity";

/// What is known of the servers.
#[derive(Default)]
pub struct Peers {
    /// Each lease's renewal as last seen, and since when.
    pub seen: HashMap<String, (String, Instant)>,
}

/// A lease of a server.
struct Peer {
    lease: String,
    revision: String,
    renewed: String,
    address: SocketAddr,
}

/// Renews and reconciles until the task is ended.
pub async fn keep(service: ApiService, config: Config) {
    let mut peers = Peers::default();
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = peers.reconcile(&service, &config).await {
            tracing::warn!(%error, "the kubernetes Service's endpoints");
        }
    }
}

impl Peers {
    /// One round.
    pub async fn reconcile(&mut self, service: &ApiService, config: &Config) -> Result<(), Error> {
        let Some(own) = config.advertise.map(SocketAddr::from) else { return Ok(()) };
        renew(service, own).await?;
        let mut alive = BTreeSet::from([own]);
        let peers = listed(service).await?;
        self.seen.retain(|lease, _| peers.iter().any(|peer| peer.lease == *lease));
        for peer in peers.into_iter().filter(|peer| peer.address != own) {
            let (renewed, since) = self.seen.entry(peer.lease.clone()).or_insert_with(|| (peer.renewed.clone(), Instant::now()));
            if *renewed != peer.renewed {
                (*renewed, *since) = (peer.renewed, Instant::now());
            }
            if since.elapsed() <= TTL {
                alive.insert(peer.address);
                continue;
            }
            // Renewed in this very moment: then the delete fails, and the next round sees it.
            let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "resourceVersion": peer.revision } });
            let (code, _) = send(service, Method::DELETE, &format!("{LEASES}/{}", peer.lease), &options).await;
            tracing::info!(address = %peer.address, code, "an API server is gone");
        }
        publish(service, &alive).await
    }
}

/// Takes this server out of the endpoints: it ends.
pub async fn leave(service: &ApiService, config: &Config) -> Result<(), Error> {
    let Some(own) = config.advertise.map(SocketAddr::from) else { return Ok(()) };
    send(service, Method::DELETE, &format!("{LEASES}/{}", lease_name(own)), &Value::Null).await;
    let others: BTreeSet<SocketAddr> = listed(service).await?.into_iter().map(|peer| peer.address).filter(|a| *a != own).collect();
    publish(service, &others).await
}

/// `apiserver-10-0-0-1-6443`.
fn lease_name(address: SocketAddr) -> String {
    let ip = address.ip().to_string().replace(['.', ':'], "-");
    // An IPv6 address may begin or end with colons.
    format!("apiserver-{}-{}", ip.trim_matches('-'), address.port())
}

async fn renew(service: &ApiService, own: SocketAddr) -> Result<(), Error> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": lease_name(own), "namespace": "kube-system", "labels": { IDENTITY: "kube-apiserver" } },
        "spec": {
            "holderIdentity": own.to_string(), "leaseDurationSeconds": TTL.as_secs(), "renewTime": object::time::now_micro(),
        },
    });
    match send(service, Method::PATCH, &format!("{LEASES}/{}", lease_name(own)), &lease).await {
        (404, _) => checked(&lease, send(service, Method::POST, LEASES, &lease).await),
        answer => checked(&lease, answer),
    }
}

async fn listed(service: &ApiService) -> Result<Vec<Peer>, Error> {
    let (code, list) = send(service, Method::GET, &format!("{LEASES}?labelSelector={IDENTITY}%3Dkube-apiserver"), &Value::Null).await;
    if code != 200 {
        let source = object::StatusError::from_value(code, &list);
        return Err(Error::Bootstrap { what: "the list of API servers".to_owned(), source });
    }
    let peer = |lease: &Value| {
        let text = |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let address = text("/spec/holderIdentity")?.parse().ok()?;
        Some(Peer {
            lease: text("/metadata/name")?,
            revision: text("/metadata/resourceVersion")?,
            renewed: text("/spec/renewTime").unwrap_or_default(),
            address,
        })
    };
    Ok(list.get("items").and_then(Value::as_array).into_iter().flatten().filter_map(peer).collect())
}

/// Makes Endpoints and EndpointSlices say these addresses; writes nothing when they do.
async fn publish(service: &ApiService, addresses: &BTreeSet<SocketAddr>) -> Result<(), Error> {
    replace_if_other(service, ENDPOINTS, &endpoints(addresses), "subsets").await?;
    let wanted = slices(addresses);
    for slice in wanted.values() {
        replace_if_other(service, SLICES, slice, "endpoints").await?;
    }
    let (_, list) =
        send(service, Method::GET, &format!("{SLICES}?labelSelector=kubernetes.io/service-name%3Dkubernetes"), &Value::Null).await;
    let names = list.get("items").and_then(Value::as_array).into_iter().flatten().filter_map(|s| s.pointer("/metadata/name")?.as_str());
    for name in names.filter(|name| !wanted.contains_key(*name)) {
        send(service, Method::DELETE, &format!("{SLICES}/{name}"), &Value::Null).await;
    }
    Ok(())
}

async fn replace_if_other(service: &ApiService, path: &str, object: &Value, field: &str) -> Result<(), Error> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let (code, now) = send(service, Method::GET, &format!("{path}/{name}"), &Value::Null).await;
    let same = code == 200 && now.get(field) == object.get(field) && now.get("ports") == object.get("ports");
    if same { Ok(()) } else { replace(service, path, object).await }
}

fn port(number: u16) -> Value {
    json!({ "name": "https", "port": number, "protocol": "TCP" })
}

fn by_port(addresses: &BTreeSet<SocketAddr>) -> BTreeMap<u16, Vec<IpAddr>> {
    let mut ports: BTreeMap<u16, Vec<IpAddr>> = BTreeMap::new();
    for address in addresses {
        ports.entry(address.port()).or_default().push(address.ip());
    }
    ports
}

/// A subset for each port: normally one.
fn endpoints(addresses: &BTreeSet<SocketAddr>) -> Value {
    let subset = |(number, ips): (u16, Vec<IpAddr>)| {
        let ips: Vec<Value> = ips.iter().map(|ip| json!({ "ip": ip.to_string() })).collect();
        json!({ "addresses": ips, "ports": [port(number)] })
    };
    let subsets: Vec<Value> = by_port(addresses).into_iter().map(subset).collect();
    json!({
        "apiVersion": "v1", "kind": "Endpoints", "subsets": subsets,
        "metadata": { "name": "kubernetes", "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } },
    })
}

/// A slice holds addresses of one family and one port. The first is `kubernetes`, as upstream's only one.
fn slices(addresses: &BTreeSet<SocketAddr>) -> BTreeMap<String, Value> {
    let mut slices = BTreeMap::new();
    for (number, ips) in by_port(addresses) {
        for (family, ips) in
            [("IPv4", ips.iter().filter(|ip| ip.is_ipv4()).collect::<Vec<_>>()), ("IPv6", ips.iter().filter(|ip| ip.is_ipv6()).collect())]
        {
            if ips.is_empty() {
                continue;
            }
            let name = match slices.is_empty() {
                true => "kubernetes".to_owned(),
                false => format!("kubernetes-{}-{number}", family.to_lowercase()),
            };
            let endpoints: Vec<Value> =
                ips.iter().map(|ip| json!({ "addresses": [ip.to_string()], "conditions": { "ready": true } })).collect();
            let slice = json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family, "endpoints": endpoints,
                "metadata": { "name": name, "labels": { "kubernetes.io/service-name": "kubernetes" } }, "ports": [port(number)],
            });
            slices.insert(name, slice);
        }
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(list: &[&str]) -> (usize, Vec<String>) {
        let addresses = list.iter().map(|text| text.parse().unwrap()).collect();
        let subsets = endpoints(&addresses)["subsets"].as_array().unwrap().len();
        let slice = |(name, slice): (String, Value)| {
            let ips: Vec<&str> = slice["endpoints"].as_array().unwrap().iter().filter_map(|e| e["addresses"][0].as_str()).collect();
            format!("{name} {} {} {}", slice["addressType"].as_str().unwrap(), slice["ports"][0]["port"], ips.join(","))
        };
        (subsets, slices(&addresses).into_iter().map(slice).collect())
    }

    #[test]
    fn addresses_become_subsets_and_slices() {
        assert_eq!(told(&["10.0.0.2:6443", "10.0.0.1:6443"]), (1, vec!["kubernetes IPv4 6443 10.0.0.1,10.0.0.2".to_owned()]));
        let two = vec!["kubernetes IPv4 6443 10.0.0.1".to_owned(), "kubernetes-ipv4-7443 IPv4 7443 10.0.0.1".to_owned()];
        assert_eq!(told(&["10.0.0.1:6443", "10.0.0.1:7443"]), (2, two));
        let families = vec!["kubernetes IPv4 6443 10.0.0.1".to_owned(), "kubernetes-ipv6-6443 IPv6 6443 fd00::1".to_owned()];
        assert_eq!(told(&["[fd00::1]:6443", "10.0.0.1:6443"]), (1, families));
        assert_eq!(told(&[]), (0, vec![]));
    }

    #[test]
    fn leases_have_valid_names() {
        for (address, expect) in
            [("10.0.0.1:6443", "apiserver-10-0-0-1-6443"), ("[fd00::1]:6443", "apiserver-fd00--1-6443"), ("[::1]:1", "apiserver-1-1")]
        {
            let name = lease_name(address.parse().unwrap());
            assert_eq!(name, expect);
            assert!(object::names::dns1123_subdomain(&name).is_empty());
        }
    }
}
