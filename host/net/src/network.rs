//! [`Network`]: the node's implementation of [`PodNetwork`].

use crate::addresses::{Addresses, Lease};
use crate::cidr::Cidr;
use crate::link::{self, Links};
use crate::netns;
use async_trait::async_trait;
use interfaces::network::{Error, PodLink, PodNetwork, PodRef};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

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
    addresses: Addresses,
    /// `None`: this process may not make namespaces.
    links: Option<Links>,
    node_address: IpAddr,
}

impl Network {
    /// Makes the bridge and reads the address records. Without the privileges, pods share the host's network, each with a
    /// loopback address of its own: enough for wasm pods, which the runtime binds to their pod's address.
    pub async fn open(config: Config) -> std::io::Result<Self> {
        let links =
            if may_make_namespaces() { Some(Links::open(&config.bridge, config.pod_cidr, config.service_cidr).await?) } else { None };
        let range = if links.is_some() { config.pod_cidr } else { LOOPBACK_PODS };
        let addresses = Addresses::open(&config.state_dir, range).map_err(std::io::Error::other)?;
        let node_address = match (config.node_address, &links) {
            (Some(given), _) => given,
            (None, Some(_)) => {
                let found = link::first_address(&config.bridge).await;
                IpAddr::V4(found.or_else(|| config.pod_cidr.nth(1)).unwrap_or(Ipv4Addr::LOCALHOST))
            }
            (None, None) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Ok(Self { config, addresses, links, node_address })
    }

    /// Why pods have no network of their own here.
    pub fn limitation(&self) -> Option<&'static str> {
        self.links
            .is_none()
            .then_some("no CAP_NET_ADMIN and CAP_SYS_ADMIN: pods share the host's network, Services have no virtual addresses")
    }

    pub fn has_links(&self) -> bool {
        self.links.is_some()
    }

    fn namespace(&self, uid: &str) -> PathBuf {
        self.config.netns_dir.join(uid)
    }

    fn link_of(&self, lease: &Lease) -> PodLink {
        let netns = self.links.is_some().then(|| self.namespace(&lease.pod.uid));
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

/// Name of the node's end: at most 15 bytes, unlike for unlike pods.
fn host_end(uid: &str) -> String {
    let hash = uid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("vc{:011x}", hash & 0xfff_ffff_ffff)
}

fn kernel(operation: &'static str, pod: &PodRef, source: std::io::Error) -> Error {
    Error::Kernel { operation, pod: format!("{}/{}", pod.namespace, pod.name), source: Box::new(source) }
}

#[async_trait]
impl PodNetwork for Network {
    async fn attach(&self, pod: &PodRef) -> Result<PodLink, Error> {
        let lease = self.addresses.lease(pod).map_err(|error| match error {
            crate::addresses::Error::Exhausted(range) => Error::Exhausted { range: range.to_string() },
            other => Error::Kernel { operation: "recording the address", pod: pod.name.clone(), source: Box::new(other) },
        })?;
        if let Some(links) = &self.links {
            let path = self.namespace(&pod.uid);
            if !netns::is_pinned(&path) {
                let pin = path.clone();
                let made = tokio::task::spawn_blocking(move || netns::create(&pin)).await;
                made.map_err(std::io::Error::other).flatten().map_err(|e| kernel("making the network namespace", pod, e))?;
            }
            let connected = links.connect(&host_end(&pod.uid), &path, lease.address).await;
            connected.map_err(|e| kernel("connecting the network", pod, e))?;
        }
        Ok(self.link_of(&lease))
    }

    async fn detach(&self, pod: &PodRef) -> Result<(), Error> {
        if let Some(links) = &self.links {
            links.disconnect(&host_end(&pod.uid)).await.map_err(|e| kernel("removing the link", pod, e))?;
            netns::remove(&self.namespace(&pod.uid)).map_err(|e| kernel("removing the network namespace", pod, e))?;
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
