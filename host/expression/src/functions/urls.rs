//! URLs: `apiserver/pkg/cel/library/urls.go` over Go's `net/url` (`ParseRequestURI`, then `Parse`).

use super::*;
use crate::types::URL;
use crate::value::{Key, Map, Opaque};
use std::any::Any;
use std::collections::BTreeMap;

pub(super) const ROWS: &[Row] = &[
    ("url", &["(string):url"], |_, args| match args {
        [Value::String(text)] => match Url::parse(text) {
            Ok(url) => Ok(Value::opaque(url)),
            Err(why) => {
                let text: &str = text;
                Err(EvalError::Argument(format!("URL parse error during conversion from string: parse {text:?}: {why}")))
            }
        },
        _ => no_overload(),
    }),
    ("isURL", &["(string):bool"], |_, args| match args {
        [Value::String(text)] => Ok(Value::Bool(Url::parse(text).is_ok())),
        _ => no_overload(),
    }),
    ("getScheme", &["url.():string"], |_, args| text(args, |u| u.scheme.clone())),
    ("getHost", &["url.():string"], |_, args| text(args, |u| u.host.clone())),
    ("getHostname", &["url.():string"], |_, args| text(args, |u| u.hostname().to_owned())),
    ("getPort", &["url.():string"], |_, args| text(args, |u| u.port().to_owned())),
    ("getEscapedPath", &["url.():string"], |_, args| text(args, |u| u.escaped_path())),
    ("getQuery", &["url.():map(string,list(string))"], |_, args| match args {
        [value] => match value.downcast::<Url>() {
            Some(url) => Ok(url.query_map()),
            None => no_overload(),
        },
        _ => no_overload(),
    }),
];

fn text<'a>(args: &[Value<'a>], f: impl FnOnce(&Url) -> String) -> Result<Value<'a>> {
    match args {
        [value] => value.downcast::<Url>().map(|url| Value::string(f(url))).ok_or(EvalError::NoSuchOverload),
        _ => no_overload(),
    }
}

/// An absolute URL or an absolute path.
#[derive(Debug, PartialEq)]
pub(super) struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

impl Url {
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        if text.is_empty() {
            return Err("empty url".to_owned());
        }
        if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (scheme, rest) = scheme(text)?;
        if !rest.starts_with('/') {
            // `mailto:x` is opaque, which is a URL; a relative path is none.
            if scheme.is_empty() {
                return Err("invalid URI for request".to_owned());
            }
            let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
            let (_, query) = rest.split_once('?').unwrap_or((rest, ""));
            let (query, fragment) = (query.to_owned(), fragment.to_owned());
            return Ok(Self { scheme, host: String::new(), path: String::new(), query, fragment });
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match rest.strip_prefix("//") {
            Some(rest) if !scheme.is_empty() || !rest.starts_with('/') => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (host_of(authority)?, path)
            }
            _ => (String::new(), rest),
        };
        unescape(path)?;
        Ok(Self { scheme, host, path: path.to_owned(), query: query.to_owned(), fragment: fragment.to_owned() })
    }

    fn hostname(&self) -> &str {
        if let Some((inside, _)) = self.host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return inside;
        }
        self.host.rsplit_once(':').map_or(&self.host, |(name, _)| name)
    }

    fn port(&self) -> &str {
        let behind = self.host.rsplit_once(']').map_or(self.host.as_str(), |(_, behind)| behind);
        behind.rsplit_once(':').map_or("", |(_, port)| port)
    }

    /// As it was written where that is a valid escaping; else escaped.
    fn escaped_path(&self) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@/[]%".contains(&b);
        let mut out = String::with_capacity(self.path.len());
        for b in self.path.bytes() {
            if plain(b) {
                out.push(char::from(b));
            } else {
                out.push_str(&format!("%{b:02X}"));
            }
        }
        out
    }

    fn query_map<'a>(&self) -> Value<'a> {
        let mut lists: BTreeMap<String, Vec<Value<'a>>> = BTreeMap::new();
        for pair in self.query.split('&').filter(|p| !p.is_empty() && !p.contains(';')) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let read = |text: &str| unescape(&text.replace('+', " "));
            if let (Ok(key), Ok(value)) = (read(key), read(value)) {
                lists.entry(key).or_default().push(Value::string(value));
            }
        }
        let entries = lists.into_iter().map(|(key, values)| (Key::String(key.into()), Value::list(values)));
        Value::Map(Map::Built(Arc::new(entries.collect())))
    }
}

impl Opaque for Url {
    fn type_name(&self) -> &str {
        URL
    }
    fn equals(&self, other: &dyn Opaque) -> bool {
        (other as &dyn Any).downcast_ref() == Some(self)
    }
}

fn scheme(text: &str) -> std::result::Result<(String, &str), String> {
    for (n, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if n > 0 => {}
            ':' if n == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => {
                let (scheme, rest) = text.split_at(n);
                return Ok((scheme.to_ascii_lowercase(), rest.get(1..).unwrap_or_default()));
            }
            // The first segment of a relative path.
            _ => return Ok((String::new(), text)),
        }
    }
    Ok((String::new(), text))
}

fn host_of(authority: &str) -> std::result::Result<String, String> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let port = |port: &str| match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    if let Some(inside) = host.strip_prefix('[') {
        let Some((_, behind)) = inside.rsplit_once(']') else { return Err("missing ']' in host".to_owned()) };
        if !port(behind) {
            return Err(format!("invalid port {behind:?} after host"));
        }
        return Ok(host.to_owned());
    }
    if let Some(at) = host.rfind(':')
        && let Some(told) = host.get(at..)
        && !port(told)
    {
        return Err(format!("invalid port {told:?} after host"));
    }
    if let Some(c) = host.chars().find(|c| c.is_ascii() && !(c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:[]<>\"%".contains(*c))) {
        return Err(format!("invalid character {:?} in host name", c.to_string()));
    }
    unescape(host)
}

fn unescape(text: &str) -> std::result::Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = behind.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        let Some(code) = code else {
            let told: String = String::from_utf8_lossy(behind.get(..2).unwrap_or(behind)).into_owned();
            return Err(format!("invalid URL escape {:?}", format!("%{told}")));
        };
        bytes.push(code);
        rest = behind.get(2..).unwrap_or_default();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
