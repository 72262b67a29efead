//! Each node's part: the addresses that it is elected for are on its interface, and the neighbours know.

use super::elect::World;
use super::interface::Interfaces;
use super::{AddressPool, arp};
use client::{Client, Type, gvr};
use object::ObjectRef;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Settings of a node's announcer.
#[derive(Clone, Debug)]
pub struct Config {
    pub node_name: String,
    pub pool: AddressPool,
    /// Where addresses are put. `None`: on the interface with the node's own address, else on the bridge.
    pub interface: Option<String>,
    pub node_address: IpAddr,
    pub bridge: String,
}

/// A new address is announced this often, as MetalLB does (`internal/layer2/announcer.go`): some switches miss the first.
const TIMES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(1100);
/// Pause after the kernel refused something.
const RETRY: Duration = Duration::from_secs(5);

/// Runs until `shutdown`. At the end the addresses stay, as the rules of Services do, unless another node can take them over.
pub async fn run(client: Client, config: Config, shutdown: CancellationToken) {
    let (services, slices, nodes) = (client.cache(&gvr::services()), client.cache(&gvr::endpoint_slices()), client.cache(&gvr::nodes()));
    let wake = Arc::new(Notify::new());
    for cache in [&services, &slices, &nodes] {
        let (mut changes, wake) = (cache.subscribe(), wake.clone());
        tokio::spawn(async move {
            while changes.recv().await.is_some() {
                wake.notify_one();
            }
        });
    }
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = async { services.ready().await; slices.ready().await; nodes.ready().await; } => {}
    }
    let events = client.recorder("coracle-bare", &config.node_name);
    let world = || World { services: services.list(""), slices: slices.list(""), nodes: nodes.list("") };
    let mut announcer = Announcer { config: config.clone(), told: BTreeSet::new(), fresh: BTreeMap::new() };
    let mut due: Option<Instant> = None;
    loop {
        let wanted = world().of_node(&config.node_name, &config.pool);
        let applied = announcer.apply(&wanted.keys().copied().collect()).await;
        let until: Option<Instant>;
        match applied {
            Ok(new) => {
                let said = format!("announcing from node {:?} with protocol \"layer2\"", config.node_name);
                let about = |address: &Ipv4Addr| wanted.get(address).into_iter().flatten().collect::<Vec<&ObjectRef>>();
                for service in new.iter().flat_map(about) {
                    events.event(service, Type::Normal, "nodeAssigned", &said);
                }
                let now = Instant::now();
                if !new.is_empty() || due.is_some_and(|due| due <= now) {
                    due = announcer.speak().then(|| now + BETWEEN);
                }
                until = due;
            }
            Err(error) => {
                tracing::warn!(%error, "addresses of load balancers are not in order; trying again");
                until = Some(Instant::now() + RETRY);
            }
        }
        let again = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = wake.notified() => {}
            () = again => {}
        }
    }
    if world().has_others(&config.node_name)
        && let Err(error) = announcer.apply(&BTreeSet::new()).await
    {
        tracing::warn!(%error, "addresses of load balancers are not given up");
    }
}

/// Removes what an earlier process with this provider left on the node's interfaces.
///
/// # Errors
/// The kernel does not answer.
pub async fn clear() -> io::Result<()> {
    let interfaces = Interfaces::open()?;
    for present in interfaces.addresses().await?.iter().filter(|p| p.ours) {
        interfaces.remove(present).await?;
    }
    Ok(())
}

struct Announcer {
    config: Config,
    /// Addresses of which the neighbours were told by this process.
    told: BTreeSet<Ipv4Addr>,
    /// How often each is still to be announced, and where.
    fresh: BTreeMap<Ipv4Addr, (String, u32)>,
}

impl Announcer {
    /// Makes the node's addresses of ours exactly the wanted ones. Answers which it begins to announce.
    async fn apply(&mut self, wanted: &BTreeSet<Ipv4Addr>) -> io::Result<Vec<Ipv4Addr>> {
        let interfaces = Interfaces::open()?;
        let present = interfaces.addresses().await?;
        let home = self.config.interface.clone().unwrap_or_else(|| {
            let own = present.iter().find(|p| IpAddr::V4(p.address) == self.config.node_address && !p.ours);
            own.map_or_else(|| self.config.bridge.clone(), |p| p.interface.clone())
        });
        let at_home = |address: Ipv4Addr| present.iter().any(|p| p.address == address && (p.interface == home || !p.ours));
        for gone in present.iter().filter(|p| p.ours && (!wanted.contains(&p.address) || p.interface != home)) {
            interfaces.remove(gone).await?;
            tracing::info!(address = %gone.address, interface = gone.interface, "load balancer's address is given up");
        }
        let mut new = Vec::new();
        for address in wanted {
            if !at_home(*address) {
                interfaces.add(&home, *address).await?;
                tracing::info!(%address, interface = home, "load balancer's address is here");
            } else if self.told.contains(address) {
                continue;
            }
            self.fresh.insert(*address, (home.clone(), TIMES));
            new.push(*address);
        }
        self.told.clone_from(wanted);
        self.fresh.retain(|address, _| wanted.contains(address));
        Ok(new)
    }

    /// Announces what is new; answers whether something is to be announced again.
    fn speak(&mut self) -> bool {
        for (address, (interface, left)) in &mut self.fresh {
            *left -= 1;
            if let Err(error) = arp::announce(interface, *address) {
                // The address works; neighbours find it when they ask.
                tracing::debug!(%address, interface, %error, "address is not announced");
                *left = 0;
            }
        }
        self.fresh.retain(|_, (_, left)| *left > 0);
        !self.fresh.is_empty()
    }
}

#[cfg(test)]
mod tests;
