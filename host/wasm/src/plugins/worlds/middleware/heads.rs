//! What a guest says of a head is not believed: what cannot be sent, or is not a plugin's to say, is a failure of the plugin. The
//! proxy that sends it makes `http`'s types of it and would refuse the same; here it is counted.

use super::types;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method};
use interfaces::middleware::{FRAMING, HOP, STATUSES};

/// Headers to set and to remove: more than servers take.
const HEADERS: usize = 256;
/// As many bytes as a plugin is told.
const BYTES: usize = 64 << 10;

/// How long a text may be that is quoted.
const QUOTED: usize = 64;

pub(super) fn status(code: u16) -> Result<(), String> {
    if STATUSES.contains(&code) {
        return Ok(());
    }
    Err(format!("it gave status {code}, which is none of {} to {}", STATUSES.start(), STATUSES.end()))
}

/// The first line of a request.
pub(super) fn line(method: Option<&str>, path: Option<&str>, authority: Option<&str>) -> Result<(), String> {
    fits(0, [method, path, authority].into_iter().flatten().map(str::len).sum())?;
    let none = |what: &str, text: &str| Err(format!("it gave {what} {:?}, which is none", quoted(text)));
    if let Some(method) = method
        && !Method::try_from(method).is_ok_and(|method| method != Method::CONNECT)
    {
        return none("method", method);
    }
    if let Some(path) = path
        && (!path.starts_with('/') || PathAndQuery::try_from(path).is_err())
    {
        return none("path", path);
    }
    match authority {
        Some(authority) if Authority::try_from(authority).is_err() => none("authority", authority),
        _ => Ok(()),
    }
}

/// Which headers go, and which come.
pub(super) fn headers(remove: &[String], set: &[types::Header]) -> Result<(), String> {
    let bytes = set.iter().map(|header| header.name.len() + header.value.len()).chain(remove.iter().map(String::len));
    fits(remove.len() + set.len(), bytes.fold(0, usize::saturating_add))?;
    remove.iter().chain(set.iter().map(|header| &header.name)).try_for_each(|name| own(name))?;
    match set.iter().find(|header| HeaderValue::from_bytes(&header.value).is_err()) {
        Some(header) => Err(format!("it gave header {:?} a value that is none", quoted(&header.name))),
        None => Ok(()),
    }
}

fn fits(count: usize, bytes: usize) -> Result<(), String> {
    match (count <= HEADERS, bytes <= BYTES) {
        (false, _) => Err(format!("it gave {count} headers, at most {HEADERS} are allowed")),
        (_, false) => Err(format!("it gave a head of {bytes} bytes, at most {BYTES} are allowed")),
        _ => Ok(()),
    }
}

fn own(name: &str) -> Result<(), String> {
    let name = HeaderName::try_from(name).map_err(|_| format!("{:?} is not the name of a header", quoted(name)))?;
    if HOP.contains(&name.as_str()) || FRAMING.contains(&name.as_str()) {
        return Err(format!("header {name} is not a plugin's to change"));
    }
    Ok(())
}

fn quoted(text: &str) -> &str {
    text.get(..text.floor_char_boundary(QUOTED)).unwrap_or_default()
}
