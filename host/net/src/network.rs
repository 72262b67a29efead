//! [`Network`]: the node's implementation of [`PodNetwork`].

use crate::addresses::{self, Addresses, Lease};
use crate::cidr::Cidr;
use crate::link::{self, Links};
use crate::pool::{Pool, Ready};
use async_trait::async_trait;
use interfaces::network::{Error, PodLink, PodNetwork, PodRef};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// Settings of the node's network.
#[derive(Clone, Debug)]
pub struct Config {
    /// Keeps address records, `<dir>/*.json`.
    pub state_dir: PathBuf,
    /// Keeps the files that namespaces are pinned to.
    pub netns_dir: PathBuf,
    /// This node's share of the pod range.
    pub pod_cidr: Cidr,
    pub service_cidr: Cidr,
    /// The cluster's DNS service.
    pub cluster_dns: Ipv4Addr,
    pub cluster_domain: String,
    pub bridge: String,
    /// Given by the user; otherwise the first global address, or the bridge's.
    pub node_address: Option<IpAddr>,
}

/// Pods that may have no namespace of their own get an address of the loopback range each.
const LOOPBACK_PODS: Cidr = Cidr { base: Ipv4Addr::new(127, 42, 0, 0), prefix: 16 };

pub struct Network {
    config: Config,
    addresses: Arc<Addresses>,
    /// `None`: this process may not make namespaces.
    pool: Option<Pool>,
    node_address: IpAddr,
}

impl Network {
    /// Makes the bridge and reads the address records. Without the privileges, pods share the host's network, each with a
    /// loopback address of its own: enough for wasm pods, which the runtime binds to their pod's address.
    pub async fn open(config: Config) -> std::io::Result<Self> {
        let links =
            if may_make_namespaces() { Some(Links::open(&config.bridge, config.pod_cidr, config.service_cidr).await?) } else { None };
        let range = if links.is_some() { config.pod_cidr } else { LOOPBACK_PODS };
        let addresses = Arc::new(Addresses::open(&config.state_dir, range).map_err(std::io::Error::other)?);
        let node_address = match (config.node_address, &links) {
            (Some(given), _) => given,
            (None, Some(_)) => {
                let found = link::first_address(&config.bridge).await;
                IpAddr::V4(found.or_else(|| config.pod_cidr.nth(1)).unwrap_or(Ipv4Addr::LOCALHOST))
            }
            (None, None) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let pool = match links {
            Some(links) => Some(Pool::open(Arc::new(links), addresses.clone(), config.netns_dir.clone()).await?),
            None => None,
        };
        Ok(Self { config, addresses, pool, node_address })
    }

    /// Why pods have no network of their own here.
    pub fn limitation(&self) -> Option<&'static str> {
        self.pool
            .is_none()
            .then_some("no CAP_NET_ADMIN and CAP_SYS_ADMIN: pods share the host's network, Services have no virtual addresses")
    }

    /// Removes links that were made in advance and no pod has. Pods keep theirs.
    pub async fn close(&self) {
        if let Some(pool) = &self.pool {
            pool.close().await;
        }
    }

    pub fn has_links(&self) -> bool {
        self.pool.is_some()
    }

    fn link_of(&self, lease: &Lease) -> PodLink {
        let netns = self.pool.as_ref().map(|pool| pool.namespace(&lease.link));
        PodLink { netns, addresses: vec![IpAddr::V4(lease.address)] }
    }
}

fn may_make_namespaces() -> bool {
    nix::unistd::geteuid().is_root() && has_net_admin()
}

/// `CAP_NET_ADMIN` (12) and `CAP_SYS_ADMIN` (21) in the effective set.
fn has_net_admin() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|l| l.strip_prefix("CapEff:")).and_then(|v| u64::from_str_radix(v.trim(), 16).ok());
    effective.is_some_and(|set| set & (1 << 12) != 0 && set & (1 << 21) != 0)
}

fn kernel(operation: &'static str, pod: &PodRef, source: std::io::Error) -> Error {
    Error::Kernel { operation, pod: format!("{}/{}", pod.namespace, pod.name), source: Box::new(source) }
}

#[async_trait]
impl PodNetwork for Network {
    async fn attach(&self, pod: &PodRef) -> Result<PodLink, Error> {
        let exhausted = |error: addresses::Error| match error {
            addresses::Error::Exhausted(range) => Error::Exhausted { range: range.to_string() },
            other => Error::Kernel { operation: "recording the address", pod: pod.name.clone(), source: Box::new(other) },
        };
        if let Some(lease) = self.addresses.of(&pod.uid) {
            if let Some(pool) = &self.pool {
                let ready = Ready { link: lease.link.clone(), address: lease.address };
                pool.ensure(&ready).await.map_err(|e| kernel("connecting the network", pod, e))?;
            }
            return Ok(self.link_of(&lease));
        }
        let ready = match &self.pool {
            Some(pool) => match pool.take() {
                Some(ready) => ready,
                None => {
                    let address = self.addresses.reserve().map_err(exhausted)?;
                    let ready = Ready { link: pod.uid.clone(), address };
                    if let Err(error) = pool.ensure(&ready).await {
                        pool.discard(&ready).await;
                        return Err(kernel("connecting the network", pod, error));
                    }
                    ready
                }
            },
            None => Ready { link: String::new(), address: self.addresses.reserve().map_err(exhausted)? },
        };
        let lease = Lease { pod: pod.clone(), address: ready.address, link: ready.link };
        self.addresses.record(lease.clone()).map_err(exhausted)?;
        Ok(self.link_of(&lease))
    }

    async fn detach(&self, pod: &PodRef) -> Result<(), Error> {
        let Some(lease) = self.addresses.of(&pod.uid) else { return Ok(()) };
        if let Some(pool) = &self.pool {
            pool.remove(&lease.link).await.map_err(|e| kernel("removing the link", pod, e))?;
        }
        let released = self.addresses.release(&pod.uid);
        released.map_err(|e| Error::Kernel { operation: "releasing the address", pod: pod.name.clone(), source: Box::new(e) })
    }

    async fn attached(&self) -> Result<Vec<(PodRef, PodLink)>, Error> {
        Ok(self.addresses.all().into_iter().map(|lease| (lease.pod.clone(), self.link_of(&lease))).collect())
    }

    fn node_address(&self) -> IpAddr {
        self.node_address
    }

    fn cluster_dns(&self) -> IpAddr {
        IpAddr::V4(self.config.cluster_dns)
    }
}
