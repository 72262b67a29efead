//! Addresses of load balancers on the node's interfaces, by netlink. Ours are told from others by their label, so a new process
//! finds what an earlier one left.

use futures::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::{Handle, new_connection};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// What the labels end with: an alias of the interface, in the form of old.
const SUFFIX: &str = ":lb";
/// A label has at most 15 bytes (`IFNAMSIZ`).
const LONGEST: usize = 15;

/// `EEXIST` and `EADDRNOTAVAIL` as netlink reports them.
const EXISTS: i32 = 17;
const NOT_THERE: i32 = 99;

pub(super) struct Interfaces {
    handle: Handle,
}

/// One address on one interface.
#[derive(Clone, Debug)]
pub(super) struct Present {
    pub interface: String,
    pub address: Ipv4Addr,
    pub ours: bool,
    message: AddressMessage,
}

fn other(error: rtnetlink::Error) -> io::Error {
    match &error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        _ => io::Error::other(error),
    }
}

fn unless(code: i32, result: Result<(), rtnetlink::Error>) -> io::Result<()> {
    match result {
        Err(rtnetlink::Error::NetlinkError(message)) if message.raw_code().abs() == code => Ok(()),
        other_result => other_result.map_err(other),
    }
}

fn label(interface: &str) -> String {
    let room = interface.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|end| *end <= LONGEST - SUFFIX.len()).last();
    format!("{}{SUFFIX}", interface.get(..room.unwrap_or(0)).unwrap_or_default())
}

impl Interfaces {
    pub(super) fn open() -> io::Result<Self> {
        let (connection, handle, _) = new_connection()?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// All IPv4 addresses of this node.
    pub(super) async fn addresses(&self) -> io::Result<Vec<Present>> {
        let names = self.names().await?;
        let mut found = Vec::new();
        let mut messages = self.handle.address().get().execute();
        while let Some(message) = messages.try_next().await.map_err(other)? {
            let of = |pick: fn(&AddressAttribute) -> Option<Ipv4Addr>| message.attributes.iter().find_map(pick);
            // On links between two points `Address` is the other end's.
            let local = of(|a| if let AddressAttribute::Local(IpAddr::V4(ip)) = a { Some(*ip) } else { None });
            let address = local.or_else(|| of(|a| if let AddressAttribute::Address(IpAddr::V4(ip)) = a { Some(*ip) } else { None }));
            let (Some(address), Some(interface)) = (address, names.get(&message.header.index)) else { continue };
            let ours = message.attributes.iter().any(|a| matches!(a, AddressAttribute::Label(l) if l.ends_with(SUFFIX)));
            found.push(Present { interface: interface.clone(), address, ours, message });
        }
        Ok(found)
    }

    async fn names(&self) -> io::Result<HashMap<u32, String>> {
        let mut names = HashMap::new();
        let mut links = self.handle.link().get().execute();
        while let Some(link) = links.try_next().await.map_err(other)? {
            let name = link.attributes.iter().find_map(|a| if let LinkAttribute::IfName(name) = a { Some(name.clone()) } else { None });
            names.extend(name.map(|name| (link.header.index, name)));
        }
        Ok(names)
    }

    /// Puts the address on the interface, as one of ours.
    pub(super) async fn add(&self, interface: &str, address: Ipv4Addr) -> io::Result<()> {
        let index = self.names().await?.into_iter().find_map(|(index, name)| (name == interface).then_some(index));
        let index = index.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no interface {interface}")))?;
        let mut request = self.handle.address().add(index, IpAddr::V4(address), 32);
        request.message_mut().attributes.push(AddressAttribute::Label(label(interface)));
        unless(EXISTS, request.execute().await)
    }

    pub(super) async fn remove(&self, present: &Present) -> io::Result<()> {
        unless(NOT_THERE, self.handle.address().del(present.message.clone()).execute().await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit() {
        for (name, expect) in [("eth0", "eth0:lb"), ("enp0s31f6", "enp0s31f6:lb"), ("a-very-long-nam", "a-very-long-:lb")] {
            assert_eq!(label(name), expect);
            assert!(label(name).len() <= LONGEST);
        }
    }
}
