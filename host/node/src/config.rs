//! What the agent is told. One file of `cli` reads flags and fills this in.

use interfaces::adapt::AdapterSet;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Clone)]
pub struct Config {
    pub node_name: String,
    /// `/var/lib/coracle`: pods, logs and run-time state lie below.
    pub data_dir: PathBuf,
    /// Archives in it are imported at start. `None`: `images/import` below the data folder.
    pub image_dir: Option<PathBuf>,
    /// What the node writes into its `spec.podCIDR` when it has none.
    pub pod_cidr: Option<String>,
    /// The kubelet's endpoint: logs, health. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Must ask clients for a certificate of the cluster's CA; requests without one are refused.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// `kubeletVersion`: `v1.37.0+coracle…`.
    pub version: String,
    pub labels: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    /// A cloud tells of new nodes (kubelet's `--cloud-provider=external`): until it has, they take no pods.
    pub external_cloud: bool,
    /// The node's address as the administrator gave it; a cloud must know of it.
    pub node_ip: Option<IpAddr>,
    pub max_pods: u32,
    /// `cluster.local`.
    pub cluster_domain: String,
    /// The node's own resolver.
    pub resolv_conf: PathBuf,
    /// Registries (`host` or `host:port`) spoken to by plain HTTP. Those on loopback need not be listed.
    pub insecure_registries: Vec<String>,
    /// Further certificate authorities for registries, PEM.
    pub registry_roots: Vec<Vec<u8>>,
    /// Plugins that adapt containers' logs. A set without any unless someone provides them.
    pub adapters: watch::Receiver<AdapterSet>,
    /// Pods may mount and make namespaces. Without it, only wasm pods without memory volumes run.
    pub privileged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    pub key: String,
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`.
    pub effect: String,
}

impl Config {
    /// A node of this name with everything else as usual.
    pub fn new(node_name: impl Into<String>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            node_name: node_name.into(),
            data_dir: data_dir.into(),
            image_dir: None,
            pod_cidr: None,
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 10250)),
            tls: None,
            version: "v1.37.0".to_owned(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            external_cloud: false,
            node_ip: None,
            max_pods: 110,
            cluster_domain: "cluster.local".to_owned(),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            insecure_registries: Vec::new(),
            registry_roots: Vec::new(),
            adapters: watch::channel(Some(Arc::default())).1,
            privileged: nix::unistd::geteuid().is_root(),
        }
    }

    pub fn pod_dir(&self, uid: &str) -> PathBuf {
        self.data_dir.join("pods").join(uid)
    }

    /// Private to the runtime; short, because unix sockets lie in it.
    pub fn state_dir(&self, uid: &str) -> PathBuf {
        self.data_dir.join("run/pods").join(uid)
    }

    pub fn log_dir(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.data_dir.join("logs/pods").join(format!("{namespace}_{name}_{uid}"))
    }

    pub fn import_dir(&self) -> PathBuf {
        self.image_dir.clone().unwrap_or_else(|| self.data_dir.join("images/import"))
    }

    pub fn seccomp_dir(&self) -> PathBuf {
        self.data_dir.join("seccomp")
    }
}
