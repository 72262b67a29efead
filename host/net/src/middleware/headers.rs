//! Heads of requests and responses as plugins see them, and the changes that they want.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use interfaces::middleware::{FRAMING, HOP, Header};

/// Takes away what is of the connection that the message came by. `te: trailers` stays: gRPC asks for it end to end.
pub fn strip_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    let trailers = headers.get(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for name in HOP {
        headers.remove(*name);
    }
    for name in named {
        headers.remove(name);
    }
    headers.remove(header::TE);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// In their order, a name for each value.
pub fn shown(headers: &HeaderMap) -> Vec<Header> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

/// # Errors
/// What a plugin may not ask for, in words that follow the plugin's name.
pub fn change(headers: &mut HeaderMap, remove: &[String], set: &[Header]) -> Result<(), String> {
    for name in remove {
        headers.remove(own(name)?);
    }
    let set = set.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value).map_err(|_| format!("it gave header {name:?} a value that is none"))?;
        Ok((own(name)?, value))
    });
    let set = set.collect::<Result<Vec<_>, String>>()?;
    for (name, _) in &set {
        headers.remove(name);
    }
    for (name, value) in set {
        headers.append(name, value);
    }
    Ok(())
}

fn own(name: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(name).map_err(|_| format!("{name:?} is not the name of a header"))?;
    if HOP.contains(&name.as_str()) || FRAMING.contains(&name.as_str()) {
        return Err(format!("header {name} is not a plugin's to change"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(list: &[(&str, &str)]) -> HeaderMap {
        list.iter().map(|(k, v)| (HeaderName::try_from(*k).unwrap(), HeaderValue::from_str(v).unwrap())).collect()
    }

    fn texts(headers: &HeaderMap) -> Vec<String> {
        let mut all: Vec<String> = headers.iter().map(|(k, v)| format!("{k}={}", v.to_str().unwrap())).collect();
        all.sort();
        all
    }

    #[test]
    fn hops() {
        let mut headers =
            map(&[("connection", "close, X-Mine"), ("x-mine", "1"), ("te", "trailers"), ("upgrade", "h2c"), ("accept", "*/*")]);
        strip_hop(&mut headers);
        assert_eq!(texts(&headers), ["accept=*/*", "te=trailers"]);
        let mut headers = map(&[("te", "gzip")]);
        strip_hop(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn changes() {
        let check = |remove: &[&str], set: &[(&str, &str)], expect: Result<&[&str], &str>| {
            let mut headers = map(&[("a", "1"), ("b", "2"), ("b", "3")]);
            let remove: Vec<String> = remove.iter().map(|n| (*n).to_owned()).collect();
            let set: Vec<Header> = set.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
            match (change(&mut headers, &remove, &set), expect) {
                (Ok(()), Ok(expect)) => assert_eq!(texts(&headers), expect),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (got, expect) => panic!("{got:?} is not {expect:?}"),
            }
        };
        check(&["b"], &[("A", "x"), ("a", "y")], Ok(&["a=x", "a=y"]));
        check(&[], &[("c", "")], Ok(&["a=1", "b=2", "b=3", "c="]));
        check(&["content-length"], &[], Err("content-length is not a plugin's"));
        check(&[], &[("transfer-encoding", "chunked")], Err("not a plugin's"));
        check(&[], &[("host", "x")], Err("not a plugin's"));
        check(&[], &[("a b", "x")], Err("not the name of a header"));
        check(&[], &[("a", "x\ny")], Err("a value that is none"));
    }
}
