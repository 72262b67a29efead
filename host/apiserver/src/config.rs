//! What the API server is told at start.

use crate::auth::Tokens;
use interfaces::admit::AdmissionSet;
use interfaces::authorize::Authorizer;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// `gitVersion` of `/version`: the API surface is that of Kubernetes 1.37.
pub const GIT_VERSION: &str = concat!("v1.37.0+coracle", env!("CARGO_PKG_VERSION"));

#[derive(Clone)]
pub struct Config {
    /// Cluster IPs are allocated from here; the first address is the `kubernetes` Service, the tenth the cluster DNS.
    pub service_cidr: (Ipv4Addr, u8),
    /// Inclusive.
    pub node_ports: (u16, u16),
    /// Where clients inside the cluster reach this server: the endpoints of the `kubernetes` Service.
    pub advertise: Option<(IpAddr, u16)>,
    /// Other servers share the store: the endpoints are those of all.
    pub peers: bool,
    /// Asked when neither the masters group nor the node authorizer nor RBAC lets a request pass.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// Plugins that answer for admission, as they are loaded. Without it every such plugin counts as not loaded.
    pub admission: Option<watch::Receiver<AdmissionSet>>,
    /// Signs and verifies service account tokens. Without it there are none.
    pub tokens: Option<Arc<Tokens>>,
    /// Pods run only under accounts that exist, and are given a volume with a token of theirs: upstream's admission plugin
    /// `ServiceAccount`. Off where no controller makes accounts.
    pub account_admission: bool,
    /// The roles and bindings of every cluster are made, and mended at each start.
    pub default_roles: bool,
    /// With a client certificate, for the node agents' endpoints (logs).
    pub node_client: Option<Arc<rustls::ClientConfig>>,
    /// Between bookmarks of one watch.
    pub bookmark_interval: Duration,
    /// Metrics of other parts, in Prometheus' text form: what `/metrics` tells beside the server's own.
    pub metrics: Vec<fn() -> String>,
    /// How often existing objects are audited by plugins that ask for it, beside when one of them changes.
    pub audit_interval: Duration,
    /// Requests at once, long-running ones apart: upstream's 400 reading and 200 writing.
    pub max_in_flight: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            service_cidr: (Ipv4Addr::new(10, 43, 0, 0), 16),
            node_ports: (30000, 32767),
            advertise: None,
            peers: false,
            authorizer: None,
            admission: None,
            tokens: None,
            account_admission: true,
            default_roles: true,
            node_client: None,
            // As upstream's `bookmarkFrequency`: often enough that a restarted client seldom relists.
            bookmark_interval: Duration::from_secs(60),
            metrics: Vec::new(),
            // An audit reads every object that a policy is about.
            audit_interval: Duration::from_secs(600),
            max_in_flight: 600,
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("service_cidr", &self.service_cidr).field("node_ports", &self.node_ports).finish_non_exhaustive()
    }
}
