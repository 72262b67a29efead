//! Gratuitous ARP (RFC 5227, section 3): tells neighbours where an address is now, so that they need not find out by their
//! connections breaking.

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

const BROADCAST: [u8; 6] = [0xff; 6];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// Sends one announcement on the interface. Some neighbours heed only requests and some only replies, so both are sent.
///
/// # Errors
/// There is no such interface, it has no hardware address, or the process may not send raw packets.
pub(super) fn announce(interface: &str, address: Ipv4Addr) -> io::Result<()> {
    let all = getifaddrs()?;
    let link = all.filter(|a| a.interface_name == interface).find_map(|a| a.address?.as_link_addr().copied());
    let missing = |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("{what} {interface}"));
    let link = link.ok_or_else(|| missing("no interface"))?;
    let hardware = link.addr().filter(|mac| link.halen() == 6 && *mac != [0; 6]).ok_or_else(|| missing("no hardware address on"))?;
    let raw = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    for operation in [REQUEST, REPLY] {
        sendto(raw.as_raw_fd(), &frame(hardware, address, operation), &link, MsgFlags::empty())?;
    }
    Ok(())
}

/// An Ethernet frame with an ARP packet (RFC 826) in which sender and target are the same.
fn frame(hardware: [u8; 6], address: Ipv4Addr, operation: u8) -> Vec<u8> {
    let target = if operation == REQUEST { [0; 6] } else { BROADCAST };
    [
        &BROADCAST[..],
        &hardware,
        &[0x08, 0x06],
        // Ethernet, IPv4, their lengths.
        &[0, 1, 0x08, 0, 6, 4, 0, operation],
        &hardware,
        &address.octets(),
        &target,
        &address.octets(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_the_standard_says() {
        let mac = [2, 0, 0, 0, 0, 1];
        let request = frame(mac, Ipv4Addr::new(192, 0, 2, 7), REQUEST);
        assert_eq!(request.len(), 42);
        assert_eq!(request[12..22], [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
        assert_eq!(request[22..32], [2, 0, 0, 0, 0, 1, 192, 0, 2, 7]);
        assert_eq!(request[32..], [0, 0, 0, 0, 0, 0, 192, 0, 2, 7]);
        assert_eq!(frame(mac, Ipv4Addr::new(192, 0, 2, 7), REPLY)[32..38], BROADCAST);
    }
}
