//! The kernel side of a pod's link, by netlink: a bridge on the node, a veth pair per pod.

use crate::cidr::Cidr;
use crate::netns;
use futures::TryStreamExt;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder, new_connection};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::path::Path;

/// Name of a pod's interface inside its namespace, as every CNI plugin names it.
const POD_INTERFACE: &str = "eth0";

/// `EEXIST` as netlink reports it.
const EXISTS: i32 = 17;

pub(crate) struct Links {
    handle: Handle,
    bridge: u32,
    gateway: Ipv4Addr,
}

fn other(error: rtnetlink::Error) -> io::Error {
    match &error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        _ => io::Error::other(error),
    }
}

fn unless_exists(result: Result<(), rtnetlink::Error>) -> io::Result<()> {
    match result {
        Err(rtnetlink::Error::NetlinkError(message)) if message.raw_code().abs() == EXISTS => Ok(()),
        other_result => other_result.map_err(other),
    }
}

impl Links {
    /// Makes the bridge with the gateway's address, and the routes to pods and Services.
    pub(crate) async fn open(bridge: &str, pods: Cidr, services: Cidr) -> io::Result<Self> {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        let gateway = pods.nth(1).ok_or_else(|| io::Error::other("the pod range is too small"))?;
        let lo = index(&handle, "lo").await?;
        up(&handle, lo).await?;
        unless_exists(handle.link().add(LinkBridge::new(bridge).up().build()).execute().await)?;
        let bridge_index = index(&handle, bridge).await?;
        unless_exists(handle.address().add(bridge_index, IpAddr::V4(gateway), pods.prefix).execute().await)?;
        up(&handle, bridge_index).await?;
        // Local processes need a route before their packets reach the translation of Service addresses.
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(services.base, services.prefix)
            .output_interface(bridge_index)
            .scope(RouteScope::Link);
        unless_exists(handle.route().add(route.build()).execute().await)?;
        sysctl("net/ipv4/ip_forward", "1")?;
        // Pods reach each other through the node on one interface; a redirect would break the way back of Services.
        sysctl("net/ipv4/conf/all/send_redirects", "0")?;
        sysctl(&format!("net/ipv4/conf/{bridge}/send_redirects"), "0")?;
        Ok(Self { handle, bridge: bridge_index, gateway })
    }

    /// Makes the pair, one end on the bridge and one as `eth0` in the namespace, with address and routes.
    pub(crate) async fn connect(&self, host_end: &str, namespace: &Path, address: Ipv4Addr) -> io::Result<()> {
        let target = File::open(namespace)?;
        let peer = LinkMessageBuilder::<LinkUnspec>::new().name(POD_INTERFACE).setns_by_fd(target.as_raw_fd()).build();
        let pair = veth(host_end, peer, self.bridge);
        unless_exists(self.handle.link().add(pair).execute().await)?;
        // With bridge filtering on, a pod that reaches itself through a Service is bridged back to its own port.
        let end = index(&self.handle, host_end).await?;
        self.handle.link().set_port(LinkBridgePort::new(end).hairpin(true).build()).execute().await.map_err(other)?;
        let (path, gateway) = (namespace.to_path_buf(), self.gateway);
        tokio::task::spawn_blocking(move || netns::run(&path, async move || configure(address, gateway).await))
            .await
            .map_err(io::Error::other)?
    }

    pub(crate) async fn disconnect(&self, host_end: &str) -> io::Result<()> {
        match index(&self.handle, host_end).await {
            Ok(found) => match self.handle.link().del(found).execute().await {
                // It went with its namespace in between.
                Err(rtnetlink::Error::NetlinkError(_)) => Ok(()),
                result => result.map_err(other),
            },
            Err(_) => Ok(()),
        }
    }
}

fn veth(name: &str, peer: LinkMessage, bridge: u32) -> LinkMessage {
    LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Veth)
        .name(name)
        .controller(bridge)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .up()
        .build()
}

/// Inside the pod: loopback and `eth0` up, a /32 address, and the node as the only neighbour.
async fn configure(address: Ipv4Addr, gateway: Ipv4Addr) -> io::Result<()> {
    let (connection, handle, _) = new_connection()?;
    tokio::spawn(connection);
    let lo = index(&handle, "lo").await?;
    up(&handle, lo).await?;
    let eth0 = index(&handle, POD_INTERFACE).await?;
    unless_exists(handle.address().add(eth0, IpAddr::V4(address), 32).execute().await)?;
    up(&handle, eth0).await?;
    let node = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(gateway, 32).output_interface(eth0).scope(RouteScope::Link);
    unless_exists(handle.route().add(node.build()).execute().await)?;
    let default = RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).output_interface(eth0);
    unless_exists(handle.route().add(default.build()).execute().await)
}

async fn up(handle: &Handle, index: u32) -> io::Result<()> {
    let message = LinkMessageBuilder::<LinkUnspec>::new().index(index).up().build();
    handle.link().set(message).execute().await.map_err(other)
}

async fn index(handle: &Handle, name: &str) -> io::Result<u32> {
    let mut found = handle.link().get().match_name(name.to_owned()).execute();
    let link = found.try_next().await.map_err(other)?;
    link.map(|l| l.header.index).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no interface {name}")))
}

/// The first global IPv4 address of this machine: what other hosts reach it by.
pub(crate) async fn first_address(except: &str) -> Option<Ipv4Addr> {
    let (connection, handle, _) = new_connection().ok()?;
    tokio::spawn(connection);
    let mut links = handle.link().get().execute();
    while let Ok(Some(link)) = links.try_next().await {
        let named = link.attributes.iter().any(|a| matches!(a, LinkAttribute::IfName(n) if n != except && n != "lo"));
        if !named {
            continue;
        }
        let mut addresses = handle.address().get().set_link_index_filter(link.header.index).execute();
        while let Ok(Some(address)) = addresses.try_next().await {
            for attribute in address.attributes {
                if let rtnetlink::packet_route::address::AddressAttribute::Address(IpAddr::V4(ip)) = attribute
                    && !ip.is_loopback()
                    && !ip.is_link_local()
                {
                    return Some(ip);
                }
            }
        }
    }
    None
}

fn sysctl(name: &str, value: &str) -> io::Result<()> {
    let path = Path::new("/proc/sys").join(name);
    if std::fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    std::fs::write(&path, value).map_err(|e| io::Error::new(e.kind(), format!("cannot set {name} to {value}: {e}")))
}
