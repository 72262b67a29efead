//! The generated graph against the official structured-merge schema of the Kubernetes API types.
//!
//! The schema is a file beside the workspace (`../shared/api-schema/typed.yaml`, or `CORACLE_API_SCHEMA`); without it there
//! is nothing to compare with and the test says so.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use object::schema::{Field, Graph, ListKind, Schema, Shape};
use serde_json::Value;
use std::path::PathBuf;

/// The official schema is a development state of v1.37, `k8s-openapi` tells the release.
const AHEAD: &str = "came after the official schema was taken";

/// Differences that are meant, each with its reason: (definition, field, reason).
const MEANT: &[(&str, &str, &str)] = &[
    ("io.k8s.api.resource.v1.DeviceCounterConsumption", "compatibilityGroups", AHEAD),
    ("io.k8s.api.resource.v1beta1.DeviceCounterConsumption", "compatibilityGroups", AHEAD),
    ("io.k8s.api.resource.v1beta2.DeviceCounterConsumption", "compatibilityGroups", AHEAD),
];

fn official() -> Option<Vec<Value>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/api-schema/typed.yaml");
    let path = std::env::var_os("CORACLE_API_SCHEMA").map_or_else(beside, PathBuf::from);
    let text = std::fs::read_to_string(path).ok()?;
    let whole: Value = serde_yaml_ng::from_str(&text).unwrap();
    Some(whole["types"].as_array().unwrap().clone())
}

#[test]
fn the_graph_agrees_with_the_official_schema() {
    let Some(types) = official() else {
        eprintln!("skipped: no official schema beside the workspace");
        return;
    };
    let registry = registry::Registry::builtin();
    let graph = registry.graph();
    let (mut compared, mut differences) = (0, Vec::new());
    for ty in &types {
        let name = ty["name"].as_str().unwrap();
        let Some(schema) = graph.named(name) else { continue };
        compared += 1;
        compare_type(graph, name, ty, schema, &mut differences);
    }
    let is = |row: &(&str, &str, &str), d: &(String, String, String)| row.0 == d.0 && row.1 == d.1;
    let meant = |d: &(String, String, String)| MEANT.iter().any(|row| is(row, d));
    let unexpected: Vec<_> = differences.iter().filter(|d| !meant(d)).collect();
    assert!(compared > 600, "only {compared} definitions are known to both");
    let stale: Vec<_> = MEANT.iter().filter(|row| !differences.iter().any(|d| is(row, d))).collect();
    assert!(stale.is_empty(), "differences that are none any more: {stale:#?}");
    assert!(unexpected.is_empty(), "{} differences:\n{unexpected:#?}", unexpected.len());
}

type Differences = Vec<(String, String, String)>;

fn compare_type(graph: &Graph, name: &str, official: &Value, schema: Schema<'_>, out: &mut Differences) {
    let Shape::Struct(ours) = schema.shape() else { return };
    let mut tell = |field: &str, what: String| out.push((name.to_owned(), field.to_owned(), what));
    let map = &official["map"];
    let fields = map["fields"].as_array().cloned().unwrap_or_default();
    let atomic = map["elementRelationship"] == "atomic";
    // An opaque map in the official schema is any JSON in ours.
    if map.get("elementType").is_none() && atomic != ours.atomic {
        tell("", format!("atomic: official {atomic}, ours {}", ours.atomic));
    }
    for field in &fields {
        let field_name = field["name"].as_str().unwrap();
        match ours.field(field_name) {
            None => tell(field_name, "only official".to_owned()),
            Some(ours) => compare_field(graph, field, ours, &mut |what| tell(field_name, what)),
        }
    }
    for field in &ours.fields {
        if !fields.iter().any(|f| f["name"] == field.name.as_ref()) {
            tell(&field.name, "only ours".to_owned());
        }
    }
}

fn compare_field(graph: &Graph, official: &Value, ours: &Field, tell: &mut dyn FnMut(String)) {
    let ty = &official["type"];
    let shape = graph.at(ours.ty).shape();
    let seen = match shape {
        Shape::List(list) => match &list.kind {
            ListKind::Atomic => "list atomic".to_owned(),
            ListKind::Set => "list associative".to_owned(),
            ListKind::Map(keys) => format!("list associative {}", keys.join(",")),
        },
        Shape::Map { atomic: true, .. } => "map atomic".to_owned(),
        Shape::Map { .. } => "map".to_owned(),
        Shape::Struct(_) if ours.atomic => "struct atomic".to_owned(),
        Shape::Struct(_) => "struct".to_owned(),
        Shape::Scalar(_) | Shape::Any => "leaf".to_owned(),
    };
    let told = if let Some(list) = ty.get("list") {
        let keys: Vec<&str> = list["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("list {} {}", list["elementRelationship"].as_str().unwrap_or_default(), keys.join(",")).trim_end().to_owned()
    } else if let Some(map) = ty.get("map") {
        if map["elementRelationship"] == "atomic" { "map atomic".to_owned() } else { "map".to_owned() }
    } else if ty.get("scalar").is_some() {
        "leaf".to_owned()
    } else {
        let named = ty["namedType"].as_str().unwrap_or_default();
        match graph.named(named).map(Schema::shape) {
            Some(Shape::Struct(_)) if ty["elementRelationship"] == "atomic" => "struct atomic".to_owned(),
            Some(Shape::Struct(_)) => "struct".to_owned(),
            _ => "leaf".to_owned(),
        }
    };
    if seen != told {
        tell(format!("official {told}, ours {seen}"));
    }
    // Zero values ("" 0 false {}) are what Go makes of an absent field that has no `omitempty`; absent and zero merge alike.
    let zeros = [Value::from(""), Value::from(0), Value::from(false), serde_json::json!({})];
    let zero = |v: &&Value| !zeros.contains(v);
    let told = official.get("default").filter(zero);
    if told != ours.default.as_ref().filter(zero) {
        tell(format!("default: official {told:?}, ours {:?}", ours.default));
    }
}
