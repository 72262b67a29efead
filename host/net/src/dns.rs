//! The cluster's DNS, by the Kubernetes DNS specification 1.1.0 (`kubernetes/dns`, `docs/specification.md`): Services,
//! headless endpoints, SRV, PTR and pod names from the shared caches; every other name is asked of the node's resolvers.

mod answer;
mod records;

use client::{Client, gvr};
use hickory_server::Server;
use object::{Object, json};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

pub use records::{Answer, Zone};

/// Settings of the DNS server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; the Service's endpoint.
    pub listen: IpAddr,
    pub port: u16,
    /// The Service's address.
    pub cluster_dns: IpAddr,
    /// `cluster.local`.
    pub domain: String,
}

/// How long a TCP client may be silent, as BIND's default of 30 s.
const TCP_IDLE: Duration = Duration::from_secs(30);
/// Responses waiting on one TCP connection.
const TCP_QUEUE: usize = 16;
/// Between tries to publish the Service while the API is not ready.
const RETRY: Duration = Duration::from_secs(1);

/// Serves until `shutdown`, and publishes itself as Service `kube-system/kube-dns`.
pub async fn run(client: Client, config: Config, shutdown: CancellationToken) -> io::Result<()> {
    let address = SocketAddr::new(config.listen, config.port);
    let zone = Zone::new(&client, &config.domain);
    let mut server = Server::new(answer::Handler::new(zone));
    server.register_socket(UdpSocket::bind(address).await?);
    server.register_listener(TcpListener::bind(address).await?, TCP_IDLE, TCP_QUEUE);
    tracing::info!(%address, "cluster DNS listens");
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = publish(&client, &config) => shutdown.cancelled().await,
    }
    server.shutdown_gracefully().await.map_err(io::Error::other)
}

/// Makes the Service and the slice that lead to this server, once; what is there is kept.
async fn publish(client: &Client, config: &Config) {
    let ports = |target: bool| {
        let port = |name: &str, protocol: &str| {
            let mut port = json!({"name": name, "port": if target { config.port } else { 53 }, "protocol": protocol});
            if !target && let Some(map) = port.as_object_mut() {
                map.insert("targetPort".into(), json!(config.port));
            }
            port
        };
        json!([port("dns", "UDP"), port("dns-tcp", "TCP")])
    };
    let labels = json!({"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"});
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "spec": {"clusterIP": config.cluster_dns.to_string(), "ports": ports(false)},
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-node", "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns", "endpointslice.kubernetes.io/managed-by": "coracle"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [config.listen.to_string()], "conditions": {"ready": true, "serving": true, "terminating": false}}],
        "ports": ports(true),
    });
    for (kind, value) in [(gvr::services(), service), (gvr::endpoint_slices(), slice)] {
        let Some(object) = Object::from_value(value) else { continue };
        let api = client.api(&kind);
        loop {
            // Looked for first: a fixed address would be refused as taken before the name is.
            let made = match api.get("kube-system", object.name()).await {
                Err(error) if error.is_not_found() => api.create("kube-system", &object).await,
                found => found,
            };
            match made {
                Ok(_) => break,
                Err(error) if error.is_already_exists() => break,
                Err(error) => {
                    tracing::warn!(name = object.name(), error = %error.chain(), "publishing the DNS service");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
