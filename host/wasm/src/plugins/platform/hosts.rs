//! Where a plugin may connect to: `spec.grants.hosts`.

use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use wasmtime_wasi::sockets::SocketAddrUse;

/// Addresses that are remembered for names; the oldest need not be known, a guest that asks for more has to ask again.
const REMEMBERED: usize = 1024;

/// One entry: `example.com:443`, `*.example.com`, `192.0.2.0/24:8080`, `[2001:db8::/32]:53`. Without a port: all ports.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    /// With its dot: `.example.com`.
    Below(String),
    Range(IpAddr, u8),
}

/// The allow-list of one plugin, and which addresses its names had.
#[derive(Debug, Default)]
pub struct Hosts {
    rules: Vec<Rule>,
    /// Numbers of the rules by whose names an address was found.
    found: Mutex<HashMap<IpAddr, HashSet<usize>>>,
}

impl Hosts {
    /// # Errors
    /// The first entry that is neither a name nor a range, and why.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let rules = entries
            .into_iter()
            .map(|entry| rule(entry).ok_or_else(|| format!("{entry:?} is not host, *.host or address/prefix, each with or without :port")));
        Ok(Self { rules: rules.collect::<Result<_, _>>()?, found: Mutex::default() })
    }

    /// Whether `name` may be looked up.
    pub fn allows_name(&self, name: &str) -> bool {
        name.parse::<IpAddr>().is_ok() || self.named(name).next().is_some()
    }

    /// `name` has these addresses: they may be connected to as it may. But for those that mean this machine, or the network that it is
    /// plugged into: whoever owns a name says where it leads, and no grant of a name lets that be the server's own ports or a
    /// cloud's metadata. `localhost` is what it says (RFC 6761); others are granted as addresses.
    pub fn remember(&self, name: &str, addresses: &[IpAddr]) {
        let rules: Vec<usize> = self.named(name).collect();
        let addresses: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).filter(|ip| is_localhost(name) || !is_near(*ip)).collect();
        let mut found = self.found.lock();
        if found.len() + addresses.len() > REMEMBERED {
            found.clear();
        }
        addresses.into_iter().for_each(|address| found.entry(address).or_default().extend(&rules));
    }

    pub fn allows(&self, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let by_name = self.found.lock().get(&ip).cloned().unwrap_or_default();
        self.rules.iter().enumerate().any(|(at, rule)| {
            rule.port.is_none_or(|allowed| allowed == port)
                && match &rule.host {
                    Host::Range(base, prefix) => within(ip, *base, *prefix),
                    Host::Name(_) | Host::Below(_) => by_name.contains(&at),
                }
        })
    }

    /// Connections out by the rules, local ports of the system's choice; nobody connects to a plugin.
    pub(super) fn allows_use(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        match usage {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => self.allows(address),
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => address.port() == 0,
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        }
    }

    fn named(&self, name: &str) -> impl Iterator<Item = usize> + use<'_> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.rules
            .iter()
            .enumerate()
            .filter(move |(_, rule)| match &rule.host {
                Host::Name(allowed) => *allowed == name,
                Host::Below(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
                Host::Range(..) => false,
            })
            .map(|(at, _)| at)
    }
}

fn rule(entry: &str) -> Option<Rule> {
    let (host, port) = match entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
        None if entry.matches(':').count() > 1 => (entry, None),
        None => entry.split_once(':').map_or((entry, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(str::parse).transpose().ok()?;
    let (address, prefix) = host.split_once('/').map_or((host, None), |(address, prefix)| (address, Some(prefix)));
    let host = match (address.parse::<IpAddr>(), prefix) {
        (Ok(ip), prefix) => {
            let widest = if ip.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Some(widest), |p| p.parse().ok()).filter(|p| *p <= widest)?;
            Host::Range(ip, prefix)
        }
        (Err(_), Some(_)) => return None,
        (Err(_), None) => {
            let (name, below) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
            let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !name.split('.').all(part) {
                return None;
            }
            let name = name.to_ascii_lowercase();
            if below { Host::Below(format!(".{name}")) } else { Host::Name(name) }
        }
    };
    Some(Rule { host, port })
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_near(ip: IpAddr) -> bool {
    let of_link = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    of_link || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()
}

fn within(ip: IpAddr, base: IpAddr, prefix: u8) -> bool {
    match (ip, base) {
        (IpAddr::V4(ip), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            (u32::from(ip) ^ u32::from(base)) & mask == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            (u128::from(ip) ^ u128::from(base)) & mask == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &[&str], found: &[(&str, &str)], to: &str, expect: bool) {
        let hosts = Hosts::parse(rules.iter().copied()).unwrap();
        for (name, address) in found {
            assert!(hosts.allows_name(name), "{name} by {rules:?}");
            hosts.remember(name, &[address.parse().unwrap()]);
        }
        assert_eq!(hosts.allows(to.parse().unwrap()), expect, "{to} by {rules:?}");
    }

    #[test]
    fn addresses_by_ranges_and_names() {
        check(&["192.0.2.0/24"], &[], "192.0.2.9:1", true);
        check(&["192.0.2.0/24:80"], &[], "192.0.2.9:81", false);
        check(&["192.0.2.0/24"], &[], "192.0.3.9:1", false);
        check(&["0.0.0.0/0:443"], &[], "198.51.100.1:443", true);
        check(&["127.0.0.1:80"], &[], "[::ffff:127.0.0.1]:80", true);
        check(&["[2001:db8::/32]:53"], &[], "[2001:db8::7]:53", true);
        check(&["2001:db8::1"], &[], "[2001:db8::1]:9", true);
        check(&["api.example.com:443"], &[("API.example.com.", "198.51.100.1")], "198.51.100.1:443", true);
        check(&["api.example.com:443"], &[("api.example.com", "198.51.100.1")], "198.51.100.1:80", false);
        check(&["api.example.com"], &[], "198.51.100.1:80", false);
        check(&["*.example.com"], &[("a.b.example.com", "198.51.100.1")], "198.51.100.1:80", true);
        for near in ["127.0.0.1", "127.8.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"]
        {
            let socket = std::net::SocketAddr::new(near.parse().unwrap(), 80);
            check(&["*.example.com"], &[("own.example.com", near)], &socket.to_string(), false);
        }
        check(&["localhost:80"], &[("localhost", "127.0.0.1")], "127.0.0.1:80", true);
        check(&["*.localhost:80"], &[("web.localhost", "::1")], "[::1]:80", true);
        check(&["*.example.com", "127.0.0.1"], &[("own.example.com", "127.0.0.1")], "127.0.0.1:80", true);
        let hosts = Hosts::parse(["*.example.com", "a.test"]).unwrap();
        assert!(!hosts.allows_name("example.com") && !hosts.allows_name("xa.test"));
    }

    #[test]
    fn entries_that_mean_nothing() {
        for bad in ["", "a b", "http://x", "x:port", "1.2.3.4/33", "a/8", "*", "x..y", "[::1]80"] {
            assert!(Hosts::parse([bad]).is_err(), "{bad}");
        }
    }
}
