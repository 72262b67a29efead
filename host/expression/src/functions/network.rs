//! Addresses and networks: `apiserver/pkg/cel/library/{ip,cidr}.go` over Go's `net/netip`.

use super::*;
use crate::types::{CIDR, IP};
use crate::value::Opaque;
use std::any::Any;
use std::net::IpAddr;

pub(super) const ROWS: &[Row] = &[
    ("ip", &["(string):ip", "cidr.():ip"], |_, args| match args {
        [Value::String(text)] => Ok(Value::opaque(Ip(parse_ip(text)?))),
        [value] => Ok(Value::opaque(Ip(cidr(value)?.address))),
        _ => no_overload(),
    }),
    ("isIP", &["(string):bool"], |_, args| match args {
        [Value::String(text)] => Ok(Value::Bool(parse_ip(text).is_ok())),
        _ => no_overload(),
    }),
    ("ip.isCanonical", &["(string):bool"], |_, args| match args {
        [Value::String(text)] => Ok(Value::Bool(parse_ip(text)?.to_string() == **text)),
        _ => no_overload(),
    }),
    ("family", &["ip.():int"], |_, args| one(args, |ip| Value::Int(if ip.is_ipv4() { 4 } else { 6 }))),
    ("isUnspecified", &["ip.():bool"], |_, args| one(args, |ip| Value::Bool(ip.is_unspecified()))),
    ("isLoopback", &["ip.():bool"], |_, args| one(args, |ip| Value::Bool(ip.is_loopback()))),
    ("isLinkLocalMulticast", &["ip.():bool"], |_, args| one(args, |ip| Value::Bool(link_local_multicast(ip)))),
    ("isLinkLocalUnicast", &["ip.():bool"], |_, args| one(args, |ip| Value::Bool(link_local_unicast(ip)))),
    ("isGlobalUnicast", &["ip.():bool"], |_, args| {
        one(args, |ip| {
            let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
            let other = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_local_unicast(ip);
            Value::Bool(!broadcast && !other)
        })
    }),
    ("cidr", &["(string):cidr"], |_, args| match args {
        [Value::String(text)] => Ok(Value::opaque(parse_cidr(text)?)),
        _ => no_overload(),
    }),
    ("isCIDR", &["(string):bool"], |_, args| match args {
        [Value::String(text)] => Ok(Value::Bool(parse_cidr(text).is_ok())),
        _ => no_overload(),
    }),
    ("containsIP", &["cidr.(string):bool", "cidr.(ip):bool"], |_, args| match args {
        [net, Value::String(text)] => Ok(Value::Bool(cidr(net)?.contains(parse_ip(text)?))),
        [net, value] => Ok(Value::Bool(cidr(net)?.contains(value.downcast::<Ip>().ok_or(EvalError::NoSuchOverload)?.0))),
        _ => no_overload(),
    }),
    ("containsCIDR", &["cidr.(string):bool", "cidr.(cidr):bool"], |_, args| match args {
        [net, Value::String(text)] => Ok(Value::Bool(cidr(net)?.contains_all(&parse_cidr(text)?))),
        [net, value] => Ok(Value::Bool(cidr(net)?.contains_all(cidr(value)?))),
        _ => no_overload(),
    }),
    ("prefixLength", &["cidr.():int"], |_, args| match args {
        [net] => Ok(Value::Int(i64::from(cidr(net)?.length))),
        _ => no_overload(),
    }),
    ("masked", &["cidr.():cidr"], |_, args| match args {
        [net] => Ok(Value::opaque(cidr(net)?.masked())),
        _ => no_overload(),
    }),
];

#[derive(Debug, PartialEq)]
struct Ip(IpAddr);

#[derive(Debug, PartialEq)]
struct Cidr {
    address: IpAddr,
    length: u8,
}

impl Opaque for Ip {
    fn type_name(&self) -> &str {
        IP
    }
    fn equals(&self, other: &dyn Opaque) -> bool {
        (other as &dyn Any).downcast_ref() == Some(self)
    }
    fn to_text(&self) -> Option<String> {
        Some(self.0.to_string())
    }
    fn size(&self) -> u64 {
        if self.0.is_ipv4() { 4 } else { 16 }
    }
}

impl Opaque for Cidr {
    fn type_name(&self) -> &str {
        CIDR
    }
    fn equals(&self, other: &dyn Opaque) -> bool {
        (other as &dyn Any).downcast_ref() == Some(self)
    }
    fn to_text(&self) -> Option<String> {
        Some(format!("{}/{}", self.address, self.length))
    }
    fn size(&self) -> u64 {
        u64::from(self.length).div_ceil(8)
    }
}

impl Cidr {
    fn network(&self, address: IpAddr) -> Option<u128> {
        let length = u32::from(self.length);
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(ip)) => Some(u128::from(u32::from(ip).checked_shr(32 - length).unwrap_or(0))),
            (IpAddr::V6(_), IpAddr::V6(ip)) => Some(u128::from(ip).checked_shr(128 - length).unwrap_or(0)),
            _ => None,
        }
    }
    fn contains(&self, address: IpAddr) -> bool {
        self.network(address).is_some_and(|net| Some(net) == self.network(self.address))
    }
    fn contains_all(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }
    fn masked(&self) -> Self {
        let length = u32::from(self.length);
        let address = match self.address {
            IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & u32::MAX.checked_shl(32 - length).unwrap_or(0)).into()),
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & u128::MAX.checked_shl(128 - length).unwrap_or(0)).into()),
        };
        Self { address, length: self.length }
    }
}

fn one<'a>(args: &[Value<'a>], f: impl FnOnce(IpAddr) -> Value<'a>) -> Result<Value<'a>> {
    match args {
        [value] => value.downcast::<Ip>().map(|ip| f(ip.0)).ok_or(EvalError::NoSuchOverload),
        _ => no_overload(),
    }
}

fn cidr<'v>(value: &'v Value<'_>) -> Result<&'v Cidr> {
    value.downcast::<Cidr>().ok_or(EvalError::NoSuchOverload)
}

fn parse_ip(text: &str) -> Result<IpAddr> {
    if text.contains('%') && text.contains(':') {
        return Err(EvalError::Argument(format!("IP address {text:?} with zone value is not allowed")));
    }
    let parse = || {
        let why = reason(text);
        EvalError::Argument(format!("IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): {why}"))
    };
    let ip: IpAddr = text.parse().map_err(|_| parse())?;
    if matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
        return Err(EvalError::Argument(format!("IPv4-mapped IPv6 address {text:?} is not allowed")));
    }
    Ok(ip)
}

fn parse_cidr(text: &str) -> Result<Cidr> {
    let refuse = |why: &str| {
        let prefix = "network address parse error during conversion from string: ";
        EvalError::Argument(format!("{prefix}{prefix}netip.ParsePrefix({text:?}): {why}"))
    };
    let (address, length) = text.rsplit_once('/').ok_or_else(|| refuse("no '/'"))?;
    let address: IpAddr = address.parse().map_err(|_| refuse(&format!("ParseAddr({address:?}): {}", reason(address))))?;
    if matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
        let prefix = "network address parse error during conversion from string: ";
        return Err(EvalError::Argument(format!("{prefix}IPv4-mapped IPv6 address {text:?} is not allowed")));
    }
    let plain = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let bits: Option<u8> = if plain { length.parse().ok() } else { None };
    let bits = bits.ok_or_else(|| refuse(&format!("bad bits after slash: {length:?}")))?;
    if bits > if address.is_ipv4() { 32 } else { 128 } {
        return Err(refuse("prefix length out of range"));
    }
    Ok(Cidr { address, length: bits })
}

/// Why Go's `netip.ParseAddr` refuses a text, for the mistakes that are made.
fn reason(text: &str) -> String {
    let first = text.find(['.', ':', '%']).and_then(|at| text.get(at..)?.chars().next());
    match first {
        Some('.') => reason_v4(text),
        Some(':') => reason_v6(text),
        Some('%') => "missing IPv6 address".to_owned(),
        _ => "unable to parse IP".to_owned(),
    }
}

fn reason_v4(text: &str) -> String {
    let fields: Vec<&str> = text.split('.').collect();
    for (n, field) in fields.iter().enumerate() {
        let at = fields.iter().take(n).map(|f| f.len() + 1).sum::<usize>();
        if let Some(wrong) = field.find(|c: char| !c.is_ascii_digit()) {
            return format!("unexpected character (at {:?})", text.get(at + wrong..).unwrap_or_default());
        }
        match field.parse::<u32>() {
            Err(_) if field.is_empty() => {
                return format!("IPv4 field must have at least one digit (at {:?})", text.get(at..).unwrap_or_default());
            }
            Ok(value) if value <= 255 => {}
            _ => return "IPv4 field has value >255".to_owned(),
        }
        if field.len() > 1 && field.starts_with('0') {
            return "IPv4 field has octet with leading zero".to_owned();
        }
        if n == 4 {
            return "IPv4 address too long".to_owned();
        }
    }
    "IPv4 address too short".to_owned()
}

fn reason_v6(text: &str) -> String {
    let mut at = usize::from(text.starts_with("::")) * 2;
    let mut shortened = at > 0;
    for _ in 0..8 {
        let rest = text.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return "unable to parse IP".to_owned();
        }
        let length = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        if length == 0 {
            return format!("each colon-separated field must have at least one digit (at {rest:?})");
        }
        if length > 4 {
            return format!("each group must have four or fewer hex digits (at {rest:?})");
        }
        let behind = rest.get(length..).unwrap_or_default();
        if behind.is_empty() {
            return "address string too short".to_owned();
        }
        let Some(next) = behind.strip_prefix(':') else {
            return format!("unexpected character, want colon (at {behind:?})");
        };
        if next.is_empty() {
            return format!("colon must be followed by more characters (at {behind:?})");
        }
        at += length + 1;
        if next.starts_with(':') {
            if shortened {
                return format!("multiple :: in address (at {next:?})");
            }
            shortened = true;
            at += 1;
        }
    }
    format!("trailing garbage after address (at {:?})", text.get(at..).unwrap_or_default())
}

fn link_local_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn link_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [224, 0, 0, _]),
        IpAddr::V6(ip) => ip.segments().first().is_some_and(|s| s & 0xff0f == 0xff02),
    }
}
