//! Addresses and ranges in the fields of objects (`k8s.io/apimachinery/pkg/util/validation/ip.go`,
//! `ValidateNonSpecialIP` of `pkg/apis/core/validation`).

use object::field::{ErrorList, Path};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, and whether its IPv4 octets have zeros in front: upstream reads those, and then refuses them in words.
fn sloppy(text: &str) -> Option<(IpAddr, bool)> {
    if let Ok(ip) = text.parse() {
        return Some((ip, false));
    }
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next().filter(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))?;
        *octet = part.trim_start_matches('0').parse().or_else(|e| if part.bytes().all(|b| b == b'0') { Ok(0) } else { Err(e) }).ok()?;
    }
    parts.next().is_none().then(|| (Ipv4Addr::from(octets).into(), true))
}

/// An address in any usual form.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    sloppy(text).map(|(ip, _)| canonical(ip))
}

/// IPv4 in IPv6 is IPv4.
fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        v4 => v4,
    }
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// An address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub ip: IpAddr,
    pub bits: u8,
}

impl Cidr {
    pub fn parse(text: &str) -> Option<Self> {
        Self::sloppy(text).map(|(cidr, _)| cidr)
    }

    fn sloppy(text: &str) -> Option<(Self, bool)> {
        let (ip, bits) = text.split_once('/')?;
        let (ip, zeros) = sloppy(ip)?;
        let max = if ip.is_ipv4() { 32 } else { 128 };
        let zeros = zeros || bits.len() > 1 && bits.starts_with('0');
        let bits = bits.bytes().all(|b| b.is_ascii_digit()).then(|| bits.parse().ok())??;
        (bits <= max).then_some((Self { ip, bits }, zeros))
    }

    /// With nothing behind the prefix.
    pub fn masked(self) -> Self {
        let ip = match self.ip {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
        };
        Self { ip, bits: self.bits }
    }

    pub fn contains(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && Self { ip, bits: self.bits }.masked().ip == self.masked().ip
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

/// `IsValidIPForLegacyField`, strict: what has one meaning only, in any form of it.
pub fn ip(value: &str, path: &Path, errors: &mut ErrorList) -> Option<IpAddr> {
    let Some((ip, zeros)) = sloppy(value) else {
        errors.invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        return None;
    };
    if zeros {
        errors.invalid(path, value, "must not have leading 0s");
    } else if is_mapped(ip) {
        errors.invalid(path, value, "must not be an IPv4-mapped IPv6 address");
    } else {
        return Some(ip);
    }
    None
}

/// `IsValidIP`: in canonical form.
pub fn canonical_ip(value: &str, path: &Path, errors: &mut ErrorList) {
    if let Some(ip) = ip(value, path, errors).filter(|ip| ip.to_string() != value) {
        errors.invalid(path, value, &format!("must be in canonical form (\"{ip}\")"));
    }
}

/// `IsValidCIDRForLegacyField`, strict.
pub fn cidr(value: &str, path: &Path, errors: &mut ErrorList) -> Option<Cidr> {
    let Some((cidr, zeros)) = Cidr::sloppy(value) else {
        errors.invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        return None;
    };
    if zeros {
        errors.invalid(path, value, "must not have leading 0s in IP or prefix length");
    } else if is_mapped(cidr.ip) {
        errors.invalid(path, value, "must not have an IPv4-mapped IPv6 address");
    } else if cidr.masked() != cidr {
        errors.invalid(path, value, "must not have bits set beyond the prefix length");
    } else {
        return Some(cidr);
    }
    None
}

/// `IsValidCIDR`: in canonical form.
pub fn canonical_cidr(value: &str, path: &Path, errors: &mut ErrorList) {
    if let Some(cidr) = cidr(value, path, errors).filter(|cidr| cidr.to_string() != value) {
        errors.invalid(path, value, &format!("must be in canonical form (\"{cidr}\")"));
    }
}

/// `ValidateNonSpecialIP`: one that can be reached from elsewhere.
pub fn non_special(value: &str, path: &Path, errors: &mut ErrorList) {
    let Some(ip) = parse_ip(value) else {
        return errors.invalid(path, value, "must be a valid IP address");
    };
    let (link_local, multicast) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            (first & 0xffc0 == 0xfe80, first & 0xff0f == 0xff02)
        }
    };
    if ip.is_unspecified() {
        errors.invalid(path, value, &format!("may not be unspecified ({value})"));
    }
    if ip.is_loopback() {
        errors.invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        errors.invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        errors.invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&str, &Path, &mut ErrorList), value: &str, expect: &str) {
        let mut errors = ErrorList::new();
        rule(value, &Path::new("f"), &mut errors);
        let told: Vec<&str> =
            errors.causes().iter().map(|c| c.message.split_once("\": ").map_or(c.message.as_str(), |(_, detail)| detail)).collect();
        assert_eq!(told.join("|"), expect, "{value}");
    }

    #[test]
    fn addresses() {
        let legacy = |v: &str, p: &Path, e: &mut ErrorList| {
            ip(v, p, e);
        };
        let invalid = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        for (value, expect) in [
            ("1.2.3.4", ""),
            ("FE80:0::1", ""),
            ("1.2.3", invalid),
            ("1.2.3.256", invalid),
            ("1.2.3.4.5", invalid),
            ("", invalid),
            ("a", invalid),
            ("1.2.3.04", "must not have leading 0s"),
            ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"),
        ] {
            check(legacy, value, expect);
        }
        for (value, expect) in
            [("2001:db8::1", ""), ("2001:DB8::1", "must be in canonical form (\"2001:db8::1\")"), ("000.0.0.1", "must not have leading 0s")]
        {
            check(canonical_ip, value, expect);
        }
    }

    #[test]
    fn ranges() {
        let legacy = |v: &str, p: &Path, e: &mut ErrorList| {
            cidr(v, p, e);
        };
        let invalid = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        for (value, expect) in [
            ("10.0.0.0/8", ""),
            ("0.0.0.0/0", ""),
            ("2001:DB8::/32", ""),
            ("10.0.0.0", invalid),
            ("10.0.0.0/33", invalid),
            ("10.0.0.0/+8", invalid),
            ("10.0.0.0/", invalid),
            ("10.0.0.1/8", "must not have bits set beyond the prefix length"),
            ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
            ("::ffff:1.2.3.0/120", "must not have an IPv4-mapped IPv6 address"),
        ] {
            check(legacy, value, expect);
        }
        check(canonical_cidr, "2001:DB8::/32", "must be in canonical form (\"2001:db8::/32\")");
        let outer = Cidr::parse("10.1.0.0/16").unwrap();
        assert!(outer.contains("10.1.2.3".parse().unwrap()) && !outer.contains("10.2.0.0".parse().unwrap()));
        assert!(!outer.contains("::1".parse().unwrap()));
    }

    #[test]
    fn special_addresses() {
        for (value, expect) in [
            ("8.8.8.8", ""),
            ("0.0.0.0", "may not be unspecified (0.0.0.0)"),
            ("127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
            ("169.254.1.1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
            ("fe80::1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
            ("224.0.0.9", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
            ("ff02::1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
            ("x", "must be a valid IP address"),
        ] {
            check(non_special, value, expect);
        }
    }
}
