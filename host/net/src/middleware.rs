//! HTTP middleware before Services' ports: `middleware.coracle.dev/<port>: <plugin>, …` of a Service.
//!
//! The port's traffic on this node is sent to a proxy of the node instead of an endpoint, by the same rules: the Service's
//! addresses, node ports and policies stay what they are, and the proxy ([`proxy`]) picks among the same endpoints. Plugins
//! are called for heads only ([`chain`]); bodies stream past.
//!
//! Connections that were there before the annotation go on without it. They end with the server, unlike those that need
//! no proxy.

mod chain;
mod headers;
mod proxy;
#[cfg(test)]
mod tests;

use crate::services::{Backend, ServicePort};
use interfaces::middleware::MiddlewareSet;
use parking_lot::{Mutex, RwLock};
use proxy::{Front, Upstream};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The proxies of this node, one per Service port that has middleware.
pub struct Gate {
    /// Where proxies listen: the bridge's, which pods and node reach and nobody else.
    address: Ipv4Addr,
    set: watch::Receiver<MiddlewareSet>,
    upstream: Arc<Upstream>,
    /// By `ServicePort::name`.
    fronts: Mutex<HashMap<String, Standing>>,
}

struct Standing {
    front: Arc<Front>,
    port: u16,
    /// Dropping it ends the listener; requests in flight are answered.
    _stop: DropGuard,
}

/// What a proxy stands for, as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub namespace: String,
    pub service: String,
    pub port: u16,
    pub plugins: Vec<String>,
    pub backends: Vec<Backend>,
    /// `sessionAffinity: ClientIP`.
    pub sticky: bool,
}

impl Target {
    fn of(port: &ServicePort) -> Self {
        let (namespace, rest) = port.name.split_once('/').unwrap_or(("", &port.name));
        let service = rest.split_once(':').map_or(rest, |(service, _)| service);
        Self {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            port: port.port,
            plugins: port.middleware.clone(),
            backends: if port.internal_local { port.local.clone() } else { port.backends.clone() },
            sticky: port.sticky,
        }
    }
}

impl Gate {
    pub fn new(address: Ipv4Addr, set: watch::Receiver<MiddlewareSet>) -> Self {
        Self { address, set, upstream: Arc::new(Upstream::new()), fronts: Mutex::default() }
    }

    /// Starts and ends proxies so that each port with middleware has one, and makes it the port's only backend. A port whose
    /// proxy cannot be started is refused: middleware is not passed by.
    pub fn put_before(&self, ports: &mut [ServicePort]) {
        let mut fronts = self.fronts.lock();
        let wanted = |port: &&mut ServicePort| !port.middleware.is_empty() && port.protocol == "tcp";
        fronts.retain(|name, _| ports.iter().any(|p| !p.middleware.is_empty() && p.protocol == "tcp" && p.name == *name));
        for port in ports.iter_mut().filter(wanted) {
            let target = Target::of(port);
            let here = !port.local.is_empty();
            port.backends.clear();
            port.local.clear();
            port.sticky = false;
            let standing = match fronts.get(&port.name) {
                Some(standing) => {
                    standing.front.aim(target);
                    standing
                }
                None => match self.start(target) {
                    Ok(standing) => fronts.entry(port.name.clone()).or_insert(standing),
                    Err(error) => {
                        tracing::error!(%error, service = port.name, "no proxy for the Service's middleware");
                        continue;
                    }
                },
            };
            let proxy = Backend { address: self.address, port: standing.port };
            port.backends.push(proxy);
            port.local.extend(here.then_some(proxy));
        }
    }

    fn start(&self, target: Target) -> std::io::Result<Standing> {
        let listener = std::net::TcpListener::bind((self.address, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let front = Arc::new(Front {
            target: RwLock::new(Arc::new(target)),
            set: self.set.clone(),
            upstream: self.upstream.clone(),
            next: std::sync::atomic::AtomicUsize::new(0),
        });
        let stop = CancellationToken::new();
        tokio::spawn(front.clone().serve(listener, stop.clone()));
        Ok(Standing { front, port, _stop: stop.drop_guard() })
    }
}
