//! Paths and queries: no text makes the parsers panic, and what a path is about agrees with a naive model of upstream's
//! `requestinfo.go`. (The two files of the API server are compiled in alone: they need nothing else of it.)

#![no_main]

#[allow(dead_code)]
#[path = "../../../host/apiserver/src/query.rs"]
mod query;
#[allow(dead_code)]
#[path = "../../../host/apiserver/src/request.rs"]
mod request;

use arbitrary::{Result, Unstructured};
use http::Method;
use libfuzzer_sys::fuzz_target;
use request::RequestInfo;

fuzz_target!(|bytes: &[u8]| {
    let _ = check(&mut Unstructured::new(bytes));
});

const METHODS: [Method; 8] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::CONNECT];

fn check(u: &mut Unstructured<'_>) -> Result<()> {
    let method = u.choose(&METHODS)?.clone();
    let watching = u.arbitrary()?;
    if u.ratio(1, 4)? {
        let text = String::from_utf8_lossy(u.bytes(u.len())?).into_owned();
        let info = RequestInfo::parse(&method, &text, watching);
        assert_eq!(info, RequestInfo::parse(&method, &text, watching));
        let read = query::Query::parse(&text);
        let _ = (read.flag("watch"), read.get("limit"), read.all("x").count());
        return Ok(());
    }
    let mut segments = Vec::new();
    for _ in 0..u.int_in_range(0..=9)? {
        segments.push(*u.choose(&[
            "api",
            "apis",
            "v1",
            "apps",
            "watch",
            "namespaces",
            "a",
            "pods",
            "p",
            "status",
            "finalize",
            "log",
            "proxy",
            "x y",
            "ä/b",
            "",
        ])?);
    }
    // A segment keeps what is in it, also a slash, by being escaped.
    let escaped: Vec<String> = segments.iter().map(|s| escape(s)).collect();
    let path = format!("/{}", escaped.join("/"));
    let info = RequestInfo::parse(&method, &path, watching);
    let got = (info.verb.as_str(), info.group.as_str(), info.version.as_str(), info.resource.as_str());
    let place = (info.namespace.as_str(), info.name.as_str(), info.subresource.as_str(), info.rest);
    let expect = model(&method, &segments, watching);
    assert_eq!(
        (got, place),
        ((expect.0.as_str(), expect.1, expect.2, expect.3), (expect.4, expect.5, expect.6, expect.7)),
        "{method} {path}"
    );
    Ok(())
}

fn escape(segment: &str) -> String {
    segment.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

type Model<'a> = (String, &'a str, &'a str, &'a str, &'a str, &'a str, &'a str, usize);

/// Step by step as upstream reads it.
fn model<'a>(method: &Method, segments: &[&'a str], watching: bool) -> Model<'a> {
    let plain = method.as_str().to_lowercase();
    let mut parts = segments.to_vec();
    while parts.first() == Some(&"") {
        parts.remove(0);
    }
    while parts.last() == Some(&"") {
        parts.pop();
    }
    let nothing = (plain.clone(), "", "", "", "", "", "", 0);
    let (group, version) = match parts.first() {
        Some(&"api") if parts.len() >= 3 => ("", parts[1]),
        Some(&"apis") if parts.len() >= 4 => (parts[1], parts[2]),
        _ => return nothing,
    };
    parts.drain(..if group.is_empty() && parts[0] == "api" { 2 } else { 3 });
    let mut verb = match plain.as_str() {
        "get" | "head" => "get",
        "post" => "create",
        "put" => "update",
        "patch" => "patch",
        "delete" => "delete",
        other => other,
    }
    .to_owned();
    let deprecated = parts.len() > 1 && parts[0] == "watch";
    if deprecated {
        parts.remove(0);
    }
    let mut namespace = "";
    if parts.len() > 1 && parts[0] == "namespaces" {
        namespace = parts[1];
        if parts.len() > 2 && !["status", "finalize"].contains(&parts[2]) {
            parts.drain(..2);
        }
    }
    let at = |n: usize| parts.get(n).copied().unwrap_or("");
    let (resource, name, subresource) = (at(0), at(1), at(2));
    if resource == "namespaces" {
        namespace = name;
    }
    if verb == "get" {
        if deprecated && subresource.is_empty() {
            verb = "watch".to_owned();
        } else if name.is_empty() {
            verb = if watching { "watch" } else { "list" }.to_owned();
        }
    }
    if verb == "delete" && name.is_empty() {
        verb = "deletecollection".to_owned();
    }
    (verb, group, version, resource, namespace, name, subresource, parts.len().saturating_sub(3))
}
