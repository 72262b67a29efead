//! String formats of schemas: `k8s.io/kube-openapi/pkg/validation/strfmt` and the list of what CRDs support
//! (`apiextensions-apiserver/pkg/apiserver/validation/formats.go`).

use std::net::{IpAddr, Ipv6Addr};

/// Supported formats of strings, without dashes.
const STRING: [&str; 26] = [
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "datetime",
    "duration",
    "email",
    "hexcolor",
    "hostname",
    "ipv4",
    "ipv6",
    "isbn",
    "isbn10",
    "isbn13",
    "k8slongname",
    "k8sshortname",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uri",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
];

/// Whether schemas of these types check the format; unsupported ones are ignored (and warned about).
pub fn is_supported(types: &[&str], format: &str) -> bool {
    match types {
        ["integer"] => matches!(format, "int32" | "int64"),
        ["number"] => matches!(format, "float" | "double"),
        [] | ["string"] | ["integer", "string"] => STRING.binary_search(&format.replace('-', "").as_str()).is_ok(),
        _ => false,
    }
}

/// Whether a string is of a supported format. Unknown formats hold everything.
pub fn holds(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "byte" => is_base64(text),
        "cidr" => is_cidr(text),
        "creditcard" => is_credit_card(text),
        "date" => is_date(text),
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "email" => is_email(text),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        }
        "hostname" => is_hostname(text),
        "ipv4" => text.contains('.') && parse_ip(text).is_some(),
        "ipv6" => text.contains(':') && text.parse::<Ipv6Addr>().is_ok(),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "k8sshortname" => object::names::dns1123_label(text).is_empty(),
        "k8slongname" => object::names::dns1123_subdomain(text).is_empty(),
        "mac" => is_mac(text),
        "rgbcolor" => is_rgb_color(text),
        "ssn" => text.len() == 11 && is_ssn(text),
        "uri" => is_request_uri(text),
        "uuid" => is_uuid(text, None, false),
        "uuid3" => is_uuid(text, Some(b'3'), false),
        "uuid4" => is_uuid(text, Some(b'4'), true),
        "uuid5" => is_uuid(text, Some(b'5'), true),
        _ => true,
    }
}

/// Padded and not empty. The pattern looks at the alphabet and the padding only: bits below the last symbol may be set.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && padding <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

/// Leading zeros in an IPv4 address are tolerated (`netutils.ParseIPSloppy`).
fn parse_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let parts: Vec<&str> = text.split('.').collect();
    let [a, b, c, d] = parts.as_slice() else { return None };
    let octet = |s: &str| if s.is_empty() || !s.bytes().all(|b| b.is_ascii_digit()) { None } else { s.parse::<u8>().ok() };
    Some(IpAddr::from([octet(a)?, octet(b)?, octet(c)?, octet(d)?]))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let max = match parse_ip(address) {
        Some(IpAddr::V4(_)) => 32,
        Some(IpAddr::V6(_)) => 128,
        None => return false,
    };
    !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u32>().is_ok_and(|b| b <= max)
}

fn is_credit_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let written: String = text.chars().filter(char::is_ascii_digit).collect();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|p| written.starts_with(p));
    let second = |low: char, high: char| written.chars().nth(1).is_some_and(|c| (low..=high).contains(&c));
    let known = match digits.len() {
        13 => starts(&["4"]),
        14 => starts(&["300", "301", "302", "303", "304", "305", "36", "38"]),
        15 => starts(&["34", "37", "2131", "1800"]),
        16 => starts(&["4", "6011", "35"]) || (starts(&["5"]) && second('1', '5')) || (starts(&["65"]) && digits.len() == 16),
        _ => false,
    };
    let sum: u32 = digits.iter().rev().enumerate().map(|(at, d)| if at % 2 == 0 { *d } else { d * 2 / 10 + d * 2 % 10 }).sum();
    known && sum.is_multiple_of(10)
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// `2006-01-02`
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4), digits(month, 2), digits(day, 2)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// `strfmt.IsDateTime`: RFC 3339's date-time with any case of its letters; hours, minutes and seconds within bounds.
fn is_date_time(text: &str) -> bool {
    if text.len() < 4 {
        return false;
    }
    let lower = text.to_lowercase();
    let Some((date, time)) = lower.split_once('t') else { return false };
    if !is_date(date) {
        return false;
    }
    let (clock, rest) = time.split_at_checked(8).unwrap_or((time, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    let bounds = [(hour, 24), (minute, 60), (second, 60)];
    if bounds.iter().any(|(part, end)| digits(part, 2).is_none_or(|value| value >= *end)) {
        return false;
    }
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let tail = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if tail.len() == fraction.len() {
                return false;
            }
            tail
        }
        None => rest,
    };
    match rest {
        "z" => true,
        offset => {
            let signed = offset.strip_prefix(['+', '-']);
            let parts = signed.and_then(|s| s.split_once(':'));
            parts.is_some_and(|(hours, minutes)| digits(hours, 2).is_some() && digits(minutes, 2).is_some())
        }
    }
}

/// Go's durations, or the words of Scala's: `3 days`.
fn is_duration(text: &str) -> bool {
    if object::time::parse_duration(text).is_some() {
        return true;
    }
    const UNITS: [(&[&str], &str); 8] = [
        (&["ns"], "nano"),
        (&["us", "µs"], "micro"),
        (&["ms"], "milli"),
        (&["s"], "sec"),
        (&["m"], "min"),
        (&["h", "hr"], "hour"),
        (&["d"], "day"),
        (&["w", "wk"], "week"),
    ];
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let number = rest.get(start..).unwrap_or_default();
        let after = number.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let unit: String = after.chars().take_while(|c| c.is_ascii_alphabetic() || *c == 'µ').collect();
        let lower = unit.to_lowercase();
        if UNITS.iter().any(|(exact, prefix)| exact.contains(&lower.as_str()) || (!lower.is_empty() && lower.starts_with(prefix))) {
            return true;
        }
        rest = after.get(unit.len()..).unwrap_or_default();
    }
    false
}

/// Close to Go's `net/mail.ParseAddress`: an address, or a name before one in angle brackets.
fn is_email(text: &str) -> bool {
    let text = text.trim();
    let address = match text.strip_suffix('>') {
        Some(named) => match named.rsplit_once('<') {
            Some((name, address)) if !name.contains(['@', '<', '>']) || name.trim().starts_with('"') => address,
            _ => return false,
        },
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii();
    let dotted = |s: &str| !s.is_empty() && s.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
    let quoted = |s: &str| s.len() >= 2 && s.starts_with('"') && s.ends_with('"') && !s.contains(['\r', '\n']);
    let literal = |s: &str| s.strip_prefix('[').and_then(|s| s.strip_suffix(']')).is_some_and(|ip| parse_ip(ip).is_some());
    (dotted(local) || quoted(local)) && (dotted(domain) || literal(domain))
}

/// Letters may be of any script and symbols are allowed, as in `strfmt.HostnamePattern`.
fn is_hostname(text: &str) -> bool {
    let symbol =
        |c: char| c.is_ascii_alphanumeric() || "$+<=>^`|~".contains(c) || (!c.is_ascii() && (c.is_alphabetic() || !c.is_numeric()));
    let labels: Vec<&str> = text.split('.').collect();
    if text.is_empty() || text.len() > 255 || labels.iter().any(|l| l.is_empty() || l.len() > 63) {
        return false;
    }
    match labels.as_slice() {
        [one] => {
            let mut dashes = 0;
            one.chars().enumerate().all(|(at, c)| match c {
                // One dash, and only as the second character.
                '-' => {
                    dashes += 1;
                    at == 1 && dashes == 1
                }
                _ => symbol(c),
            })
        }
        [parents @ .., top] => {
            let fits = |label: &&str| !label.starts_with('-') && !label.ends_with('-') && label.chars().all(|c| c == '-' || symbol(c));
            parents.iter().all(fits) && (2..=63).contains(&top.chars().count()) && top.chars().all(char::is_alphabetic)
        }
        [] => false,
    }
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

fn is_isbn10(text: &str) -> bool {
    let text = without_spaces(text);
    if text.len() != 10 {
        return false;
    }
    let digit = |(at, c): (usize, char)| match c {
        'X' if at == 9 => Some(10),
        c => c.to_digit(10),
    };
    let values: Option<Vec<u32>> = text.chars().enumerate().map(digit).collect();
    values.is_some_and(|v| v.iter().zip(1..).map(|(d, weight)| d * weight).sum::<u32>().is_multiple_of(11))
}

fn is_isbn13(text: &str) -> bool {
    let text = without_spaces(text);
    let values: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
    values.is_some_and(|v| {
        v.len() == 13 && v.iter().enumerate().map(|(at, d)| if at % 2 == 0 { *d } else { d * 3 }).sum::<u32>().is_multiple_of(10)
    })
}

/// 48, 64 or 160 bits, by twos with colons or dashes, or by fours with dots (`net.ParseMAC`).
fn is_mac(text: &str) -> bool {
    let grouped = |separator: char, width: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        matches!(parts.len() * width / 2, 6 | 8 | 20) && parts.iter().all(|p| p.len() == width && p.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    grouped(':', 2) || grouped('-', 2) || grouped('.', 4)
}

fn is_rgb_color(text: &str) -> bool {
    let Some(inside) = text.strip_prefix("rgb(").and_then(|t| t.strip_suffix(')')) else { return false };
    let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    let channel = |p: &&str| {
        !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()) && (p.len() == 1 || !p.starts_with('0')) && p.parse::<u8>().is_ok()
    };
    parts.len() == 3 && parts.iter().all(channel)
}

fn is_ssn(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let separators = text.char_indices().filter(|(_, c)| matches!(c, ' ' | '-')).map(|(at, _)| at);
    compact.len() == 9 && compact.bytes().all(|b| b.is_ascii_digit()) && separators.eq([3, 6])
}

/// Close to Go's `url.ParseRequestURI`: absolute, or a path from the root.
fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return false;
    }
    let escapes =
        |s: &str| s.split('%').skip(1).all(|after| after.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)));
    if text == "*" {
        return true;
    }
    if text.starts_with('/') {
        let path = text.split('?').next().unwrap_or_default();
        return escapes(path);
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.chars();
    let scheme_fits = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !scheme_fits {
        return false;
    }
    let Some(authority) = rest.strip_prefix("//") else {
        // A request's URI is no opaque one without a slash; Go takes it when a scheme stands before it.
        return true;
    };
    let end = authority.find(['/', '?']).unwrap_or(authority.len());
    let (authority, path) = authority.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match host.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((_, port)) => port,
            None => return false,
        },
        None => host.find(':').and_then(|at| host.get(at..)).unwrap_or_default(),
    };
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let host_fits = !host.contains([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}']);
    port_fits && host_fits && escapes(path.split('?').next().unwrap_or_default())
}

/// Dashes may be left out. `version` is the first digit of the third group; `variant` asks for 8, 9, a or b in the fourth.
fn is_uuid(text: &str, version: Option<u8>, variant: bool) -> bool {
    let mut rest = text;
    let mut groups: Vec<&str> = Vec::with_capacity(5);
    for (at, width) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if at > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let Some((group, tail)) = rest.split_at_checked(width) else { return false };
        if !group.bytes().all(|b| b.is_ascii_hexdigit()) {
            return false;
        }
        groups.push(group);
        rest = tail;
    }
    let first = |group: usize| groups.get(group).and_then(|g| g.bytes().next()).map(|b| b.to_ascii_lowercase());
    rest.is_empty()
        && version.is_none_or(|v| first(2) == Some(v))
        && (!variant || first(3).is_some_and(|b| matches!(b, b'8' | b'9' | b'a' | b'b')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_formats() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("bsonobjectid", &["507f1f77bcf86cd799439011"], &["507f1f77bcf86cd79943901", "x"]),
            ("byte", &["aGk=", "YWJj"], &["", "aGk", "a-k="]),
            ("cidr", &["10.0.0.0/8", "fd00::/64", "010.0.0.1/8"], &["10.0.0.0", "10.0.0.0/33", "x/8"]),
            ("creditcard", &["4111 1111 1111 1111", "5500-0000-0000-0004"], &["4111111111111112", "1"]),
            ("date", &["2024-02-29"], &["2023-02-29", "2024-2-1", "2024-13-01"]),
            (
                "date-time",
                &["2014-12-15T19:30:20.000Z", "2014-12-15t19:30:20+02:00"],
                &["2014-12-15", "2014-12-15T24:00:00Z", "2014-12-15T19:30:20"],
            ),
            ("duration", &["1h", "22 ns", "3 days", "1.5h"], &["x", "5", ""]),
            ("email", &["a@b.c", "Bob <bob@example.com>", "a.b+c@localhost"], &["a", "a@", "@b", "a b@c"]),
            ("hexcolor", &["#FFFFFF", "abc"], &["#ff", "ggg"]),
            ("hostname", &["localhost", "a-b.example.com", "1a.com", "österreich.at"], &["-a.com", "a_b.com", "a..b", "a.c"]),
            ("ipv4", &["1.2.3.4", "01.2.3.4"], &["1.2.3", "::1", "256.1.1.1"]),
            ("ipv6", &["::1", "fd00::1"], &["1.2.3.4", "x"]),
            ("isbn", &["0321751043", "978-0321751041", "080442957X"], &["0321751044", "1"]),
            ("k8s-short-name", &["a-b"], &["A", "a.b"]),
            ("k8s-long-name", &["a-b.c"], &["A.b", "-a"]),
            ("mac", &["01:23:45:67:89:ab", "0123.4567.89ab", "01-23-45-67-89-ab"], &["01:23", "x"]),
            ("password", &["anything", ""], &[]),
            ("rgbcolor", &["rgb(255,0, 1)"], &["rgb(256,0,0)", "rgb(01,0,0)"]),
            ("ssn", &["111-22-3333", "111 22 3333"], &["111223333", "11-222-3333"]),
            ("uri", &["http://a.b/c?d=e", "/x", "mailto:a@b"], &["a b", "", "x/y", "http://a:b/"]),
            ("uuid", &["123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"], &["123e4567"]),
            (
                "uuid4",
                &["c56a4180-65aa-42ec-a945-5fd21dec0538"],
                &["c56a4180-65aa-12ec-a945-5fd21dec0538", "c56a4180-65aa-42ec-c945-5fd21dec0538"],
            ),
        ];
        for (format, yes, no) in table {
            assert!(is_supported(&["string"], format), "{format}");
            yes.iter().for_each(|text| assert!(holds(format, text), "{format} {text}"));
            no.iter().for_each(|text| assert!(!holds(format, text), "{format} {text}"));
        }
        assert!(!is_supported(&["string"], "int32") && is_supported(&["integer"], "int32") && !is_supported(&["object"], "date"));
    }
}
