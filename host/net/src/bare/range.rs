//! The pool: ranges of addresses, in the order in which they are given out.

use crate::cidr::Cidr;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The most addresses a pool may have: each may have to be looked at for one Service.
const MOST: u32 = 1 << 16;

/// Addresses for load balancers: `192.0.2.0/28`, `192.0.2.10-192.0.2.20`, `192.0.2.9`, or several with commas between. All
/// addresses of a range are given out, also its first and last: they are used as single addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPool {
    /// First and last, both included.
    ranges: Vec<(u32, u32)>,
}

impl AddressPool {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&address))
    }

    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.ranges.iter().flat_map(|(first, last)| (*first..=*last).map(Ipv4Addr::from))
    }

    /// The ranges of several texts as one pool.
    ///
    /// # Errors
    /// A text is no range, ranges overlap, or there are more than 65,536 addresses.
    pub fn of<T: AsRef<str>>(texts: &[T]) -> Result<Self, String> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for text in texts.iter().flat_map(|t| t.as_ref().split(',')).map(str::trim).filter(|t| !t.is_empty()) {
            let (first, last) = range(text).ok_or_else(|| {
                format!("{text:?} is no range of IPv4 addresses; write it as 192.0.2.0/28, 192.0.2.10-192.0.2.20 or 192.0.2.9")
            })?;
            if let Some((a, b)) = ranges.iter().find(|(a, b)| first <= *b && *a <= last) {
                return Err(format!("{text} overlaps {}-{}", Ipv4Addr::from(*a), Ipv4Addr::from(*b)));
            }
            ranges.push((first, last));
        }
        let count: u64 = ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum();
        if count > u64::from(MOST) {
            return Err(format!("{count} addresses are too many; a pool has at most {MOST}"));
        }
        Ok(Self { ranges })
    }
}

fn range(text: &str) -> Option<(u32, u32)> {
    let address = |text: &str| text.trim().parse::<Ipv4Addr>().ok().map(u32::from);
    let (first, last) = if let Some(cidr) = Cidr::any(text) {
        let first = u32::from(cidr.base);
        (first, first | u32::MAX.checked_shr(u32::from(cidr.prefix)).unwrap_or(0))
    } else if let Some((first, last)) = text.split_once('-') {
        (address(first)?, address(last)?)
    } else {
        let one = address(text)?;
        (one, one)
    };
    let usable = |a: u32| {
        let a = Ipv4Addr::from(a);
        !a.is_unspecified() && !a.is_loopback() && !a.is_multicast() && !a.is_broadcast()
    };
    (first <= last && usable(first) && usable(last)).then_some((first, last))
}

impl FromStr for AddressPool {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of(&[text])
    }
}

impl fmt::Display for AddressPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let (first, last) = (Ipv4Addr::from(*first), Ipv4Addr::from(*last));
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (text, expect) in [
            ("192.0.2.0/30", Ok("192.0.2.0-192.0.2.3")),
            ("192.0.2.9", Ok("192.0.2.9")),
            ("192.0.2.9/32", Ok("192.0.2.9")),
            ("192.0.2.20 - 192.0.2.21, 192.0.2.1", Ok("192.0.2.20-192.0.2.21,192.0.2.1")),
            ("", Ok("")),
            ("192.0.2.0/30,192.0.2.3", Err("192.0.2.3 overlaps 192.0.2.0-192.0.2.3")),
            ("10.0.0.0/8", Err("16777216 addresses are too many; a pool has at most 65536")),
            ("192.0.2.9-192.0.2.1", Err("\"192.0.2.9-192.0.2.1\" is no range")),
            ("127.0.0.1", Err("\"127.0.0.1\" is no range")),
            ("fd00::1", Err("\"fd00::1\" is no range")),
        ] {
            match (text.parse::<AddressPool>(), expect) {
                (Ok(pool), Ok(told)) => assert_eq!(pool.to_string(), told, "{text}"),
                (Err(error), Err(part)) => assert!(error.starts_with(part), "{error}"),
                (got, expect) => panic!("{text}: {got:?} instead of {expect:?}"),
            }
        }
        let pool: AddressPool = "192.0.2.254-192.0.3.1".parse().unwrap();
        assert_eq!(pool.addresses().count(), 4);
        assert!(pool.contains(Ipv4Addr::new(192, 0, 3, 0)) && !pool.contains(Ipv4Addr::new(192, 0, 3, 2)));
    }
}
