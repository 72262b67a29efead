//! The official round-trip data: one object of each published version and kind, with every field set, as JSON and as
//! protobuf. Each pair must be one value to the transcoder.
//!
//! The data is beside the workspace (`../shared/api-testdata`, or `CORACLE_API_TESTDATA`); without it there is nothing to
//! compare with and the test says so.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use object::protobuf;
use object::schema::{Graph, Schema, Shape};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

/// Pairs that do not agree, each with its reason. May only shrink.
const HOLES: &[(&str, &str)] = &[];

/// Definitions that only this test needs: of versions that are not served, and of options that travel in the query.
static EVERY_VERSION: &[u8] = include_bytes!("data/every-version.bin");

fn every_version() -> Graph {
    let mut table = Vec::new();
    flate2::read::ZlibDecoder::new(EVERY_VERSION).read_to_end(&mut table).unwrap();
    registry::graph::decode(&table).unwrap()
}

/// JSON and protobuf of each pair, by name.
type Pairs = BTreeMap<String, (Vec<u8>, Vec<u8>)>;

fn pairs() -> Option<Pairs> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/api-testdata");
    let folder = std::env::var_os("CORACLE_API_TESTDATA").map_or_else(beside, PathBuf::from);
    let mut found = Pairs::new();
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "pb") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.insert(name, (std::fs::read(path.with_extension("json")).unwrap(), std::fs::read(&path).unwrap()));
        }
    }
    Some(found)
}

fn schema<'g>(graph: &'g Graph, api_version: &str, kind: &str) -> Option<Schema<'g>> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let package = match group {
        "" => "core",
        "internal.apiserver.k8s.io" => "apiserverinternal",
        other => other.split('.').next().unwrap_or(other),
    };
    let own = graph.named(&format!("io.k8s.api.{package}.{version}.{kind}"));
    own.or_else(|| graph.named(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}")))
}

/// What a pair fails to do, if anything.
fn failure(graph: &Graph, name: &str, json: &[u8], pb: &[u8]) -> Option<String> {
    let expect: Value = serde_json::from_slice(json).unwrap();
    let unknown = protobuf::unwrap(pb).unwrap();
    let (api_version, kind) = (unknown.api_version.as_str(), unknown.kind.as_str());
    // The envelope of WatchEvent is empty.
    let named = name.rsplit_once('.').unwrap().1;
    let Some(schema) = schema(graph, if kind.is_empty() { "v1" } else { api_version }, named) else {
        return Some("no definition".to_owned());
    };
    let decoded = match protobuf::decode_body(pb, |_, _| Some(schema)) {
        Ok(decoded) => decoded,
        Err(error) => return Some(format!("decode: {error}")),
    };
    // WatchEvent has no type of its own in JSON.
    let decoded = if expect.get("kind").is_some() { decoded } else { protobuf::decode(unknown.raw, schema).unwrap() };
    if decoded != expect {
        return Some(format!("decodes to another value: {}", difference(&expect, &decoded, "")));
    }
    let raw = match protobuf::encode(&expect, schema) {
        Ok(raw) => raw,
        Err(error) => return Some(format!("encode: {error}")),
    };
    if protobuf::wrap(api_version, kind, &raw) != pb {
        let at = unknown.raw.iter().zip(&raw).take_while(|(a, b)| a == b).count();
        let around = |bytes: &[u8]| String::from_utf8_lossy(&bytes[at.saturating_sub(30)..(at + 30).min(bytes.len())]).into_owned();
        return Some(format!("encodes to other bytes at {at}: {:?}, not {:?}", around(&raw), around(unknown.raw)));
    }
    None
}

/// The first place where two values differ.
fn difference(expect: &Value, found: &Value, path: &str) -> String {
    match (expect, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let differing = keys.into_iter().find(|key| a.get(*key) != b.get(*key)).unwrap();
            let null = &Value::Null;
            difference(a.get(differing).unwrap_or(null), b.get(differing).unwrap_or(null), &format!("{path}.{differing}"))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap();
            difference(&a[at], &b[at], &format!("{path}[{at}]"))
        }
        _ => format!("{path}: official {expect}, ours {found}"),
    }
}

#[test]
fn every_pair_is_one_value() {
    let Some(pairs) = pairs() else {
        eprintln!("skipped: no official round-trip data beside the workspace");
        return;
    };
    assert!(pairs.len() >= 193, "only {} pairs", pairs.len());
    let every_version = every_version();
    let failures: BTreeMap<&str, String> =
        pairs.iter().filter_map(|(name, (json, pb))| Some((name.as_str(), failure(&every_version, name, json, pb)?))).collect();
    let unexpected: Vec<_> = failures.iter().filter(|(name, _)| HOLES.iter().all(|(hole, _)| hole != *name)).collect();
    assert!(unexpected.is_empty(), "{} of {} pairs fail: {unexpected:#?}", unexpected.len(), pairs.len());
    let closed: Vec<_> = HOLES.iter().filter(|(hole, _)| !failures.contains_key(hole)).collect();
    assert!(closed.is_empty(), "holes that are none any more: {closed:#?}");
}

/// The graph that the server embeds says the same of what it holds.
#[test]
fn the_embedded_graph_agrees() {
    let Some(pairs) = pairs() else { return };
    let registry = registry::Registry::builtin();
    let mut compared = 0;
    for (name, (json, pb)) in &pairs {
        match failure(registry.graph(), name, json, pb) {
            Some(failure) if failure == "no definition" => {}
            Some(failure) if HOLES.iter().all(|(hole, _)| hole != name) => panic!("{name}: {failure}"),
            _ => compared += 1,
        }
    }
    assert!(compared > 90, "only {compared} pairs are of embedded definitions");
    // Every stored or posted kind has a protobuf form.
    for kind in registry.kinds().iter().filter(|kind| !kind.schema.starts_with("dev.coracle.")) {
        let schema = registry.graph().named(&kind.schema).unwrap();
        assert!(protobuf::is_message(schema), "{}", kind.schema);
    }
}

/// Fields that JSON knows and protobuf does not would be lost on the way, so there are none but those that the envelope has.
#[test]
fn every_field_has_a_number() {
    let graph = registry::graph::builtin();
    let mut missing = Vec::new();
    // The version document is no object of the API.
    let api = |name: &str| name.starts_with("io.k8s.") && name != "io.k8s.apimachinery.pkg.version.Info";
    for ty in graph.types.iter().filter(|ty| api(&ty.name) && graph.named(&ty.name).is_some_and(protobuf::is_message)) {
        let Shape::Struct(shape) = &ty.shape else { continue };
        let lost = shape.fields.iter().filter(|f| f.tag == 0 && !matches!(&*f.name, "apiVersion" | "kind"));
        missing.extend(lost.map(|f| format!("{}.{}", ty.name, f.name)));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
