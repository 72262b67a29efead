//! The service proxy: Services and their endpoints as one nftables ruleset, as `pkg/proxy/nftables/proxier.go` does it.
//!
//! A change of a Service or slice wakes one task; it renders the whole table from the caches and swaps it in one
//! transaction. Changes during a swap are taken by the next one, so bursts cost few swaps.

mod health;
mod rules;
mod view;

use crate::cidr::Cidr;
use crate::middleware::Gate;
use client::{Client, gvr};
use health::Health;
use interfaces::middleware::MiddlewareSet;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub use rules::render;
pub use view::{Backend, ServicePort, service_ports};

/// Settings of the proxy.
#[derive(Clone, Debug)]
pub struct Config {
    pub pod_cidr: Cidr,
    pub service_cidr: Cidr,
    pub bridge: String,
    /// This node, for the policies `Local`.
    pub node_name: String,
    /// Plugins before Services' ports. A set without any unless someone provides them.
    pub middleware: watch::Receiver<MiddlewareSet>,
    /// The node's own address: also when it is a balancer's, its other ports stay open.
    pub node_address: Option<Ipv4Addr>,
}

/// Pause after `nft` refused a ruleset, or a port for health checks was taken: long enough not to fill the log, short enough to heal by itself.
const RETRY: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the service proxy needs the program nft (package nftables)")]
    NoProgram(#[source] std::io::Error),
    #[error("talking to nft")]
    Io(#[source] std::io::Error),
    #[error("nft refused the ruleset: {0}")]
    Refused(String),
}

/// Keeps the ruleset equal to the cluster's Services until `shutdown`. The rules stay: connections outlive the daemon.
pub async fn run(client: Client, config: Config, shutdown: CancellationToken) {
    let services = client.cache(&gvr::services());
    let slices = client.cache(&gvr::endpoint_slices());
    let wake = Arc::new(Notify::new());
    for cache in [&services, &slices] {
        let (mut changes, wake) = (cache.subscribe(), wake.clone());
        tokio::spawn(async move {
            while changes.recv().await.is_some() {
                wake.notify_one();
            }
        });
    }
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = async { services.ready().await; slices.ready().await; } => {}
    }
    let mut applied = String::new();
    let mut health = Health::new(&config.node_name, client.recorder("kube-proxy", &config.node_name));
    let gate = config.pod_cidr.nth(1).map(|address| Gate::new(address, config.middleware.clone()));
    loop {
        let (current, endpoints) = (services.list(""), slices.list(""));
        let mut ports = service_ports(&current, &endpoints, &config.node_name);
        if let Some(gate) = &gate {
            gate.put_before(&mut ports);
        }
        let ruleset = render(&config, &ports);
        let mut done = true;
        if ruleset != applied {
            match apply(&ruleset).await {
                Ok(()) => {
                    tracing::debug!(ports = ports.len(), "service rules applied");
                    applied = ruleset;
                }
                Err(error) => {
                    tracing::error!(error = %error, cause = ?std::error::Error::source(&error), "service rules not applied");
                    done = false;
                }
            }
        }
        // After the rules: who is told to come here is served.
        let open = health.sync(&health::wanted(&current, &endpoints, &config.node_name), done).await;
        if !done || !open {
            let again = wake.clone();
            tokio::spawn(async move {
                tokio::time::sleep(RETRY).await;
                again.notify_one();
            });
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = wake.notified() => {}
        }
    }
}

pub(crate) async fn apply(ruleset: &str) -> Result<(), Error> {
    let mut command = tokio::process::Command::new("nft");
    // Not every environment's path has the system programs.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).args(["-f", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(Error::NoProgram)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(ruleset.as_bytes()).await.map_err(Error::Io)?;
    }
    let out = child.wait_with_output().await.map_err(Error::Io)?;
    if out.status.success() { Ok(()) } else { Err(Error::Refused(String::from_utf8_lossy(&out.stderr).trim().to_owned())) }
}

/// The addresses of an address list as IPv4; others are skipped.
pub(crate) fn ipv4(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok()
}
