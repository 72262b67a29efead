//! IPv4 ranges in CIDR form.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 range, e.g. `10.42.0.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub base: Ipv4Addr,
    pub prefix: u8,
}

impl Cidr {
    pub fn size(self) -> u32 {
        1u32.checked_shl(32 - u32::from(self.prefix)).unwrap_or(u32::MAX)
    }

    /// The address at an offset from the base; `None` outside the range.
    pub fn nth(self, offset: u32) -> Option<Ipv4Addr> {
        (offset < self.size()).then(|| Ipv4Addr::from(u32::from(self.base).wrapping_add(offset)))
    }

    /// Any IPv4 range, also one whose base has further bits set, as `10.0.0.1/8`; `None` when the text is none.
    pub fn any(text: &str) -> Option<Self> {
        let (base, prefix) = text.split_once('/')?;
        let (base, prefix): (Ipv4Addr, u8) = (base.parse().ok()?, prefix.parse().ok().filter(|p| *p <= 32)?);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Some(Self { base: Ipv4Addr::from(u32::from(base) & mask), prefix })
    }

    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address).wrapping_sub(u32::from(self.base)) < self.size()
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no IPv4 range; write it as 10.42.0.0/24");
        let (base, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let base: Ipv4Addr = base.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let made = Self { base, prefix };
        if !(8..=30).contains(&prefix) || u32::from(base) % made.size() != 0 {
            return Err(wrong());
        }
        Ok(made)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_ranges_and_refuses_others() {
        for (text, size) in [("10.42.0.0/24", 256), ("10.43.0.0/16", 65536), ("127.42.0.0/16", 65536)] {
            assert_eq!(text.parse::<Cidr>().map(|c| c.size()), Ok(size), "{text}");
        }
        for text in ["10.42.0.0", "10.42.0.1/24", "10.42.0.0/33", "x/24", "10.42.0.0/31"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn any_range_is_read() {
        for (text, expect) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("10.1.2.3/32", Some("10.1.2.3/32")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("fd00::/8", None),
            ("10.0.0.0/33", None),
            ("10.0.0.0", None),
        ] {
            assert_eq!(Cidr::any(text).map(|c| c.to_string()).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn knows_its_addresses() {
        let range: Cidr = "10.42.0.0/24".parse().unwrap();
        assert_eq!(range.nth(1), Some(Ipv4Addr::new(10, 42, 0, 1)));
        assert_eq!(range.nth(256), None);
        assert!(range.contains(Ipv4Addr::new(10, 42, 0, 255)));
        assert!(!range.contains(Ipv4Addr::new(10, 42, 1, 0)));
    }
}
