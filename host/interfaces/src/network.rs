//! A pod's place on the network. `node` asks, `net` makes it; the shape follows CNI's ADD, DEL and CHECK.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// Names a pod on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// What a pod got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodLink {
    /// A network namespace pinned to this file, without any process in it. `None`: the host's.
    pub netns: Option<PathBuf>,
    /// First is the pod's IP.
    pub addresses: Vec<IpAddr>,
}

/// What a pod's resolver asks: `dnsPolicy` and `dnsConfig` resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsConfig {
    pub servers: Vec<IpAddr>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no address is left in {range}")]
    Exhausted { range: String },
    #[error("{operation} for pod {pod} failed")]
    Kernel { operation: &'static str, pod: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The process may not make network namespaces; only pods on the host's network can run.
    #[error("pod networking needs {missing}; set hostNetwork: true or start the server as root")]
    Unprivileged { missing: String },
}

/// Idempotent by pod UID: a second `attach` answers with what the first one made, also after a restart.
#[async_trait]
pub trait PodNetwork: Send + Sync {
    async fn attach(&self, pod: &PodRef) -> Result<PodLink, Error>;
    async fn detach(&self, pod: &PodRef) -> Result<(), Error>;
    /// Links that exist, for clean-up after a restart.
    async fn attached(&self) -> Result<Vec<(PodRef, PodLink)>, Error>;
    /// The address a pod on the host's network has.
    fn node_address(&self) -> IpAddr;
    /// The address of the cluster's DNS service.
    fn cluster_dns(&self) -> IpAddr;
}
