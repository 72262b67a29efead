//! The Table form of objects, which `kubectl get` prints: `meta.k8s.io/v1 Table`, cells as upstream's printers make them
//! (`pkg/printers/internalversion/printers.go`).

pub(crate) mod admission;
pub mod age;
pub(crate) mod autoscaler;
pub(crate) mod batch;
pub(crate) mod certificates;
pub(crate) mod component;
pub(crate) mod config;
pub(crate) mod endpoints;
pub(crate) mod event;
pub(crate) mod extension;
pub(crate) mod flowcontrol;
pub mod jsonpath;
pub(crate) mod limits;
pub(crate) mod namespace;
pub(crate) mod networking;
pub(crate) mod node;
pub(crate) mod path;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod policy_group;
pub(crate) mod rbac;
pub(crate) mod resource;
pub(crate) mod service;
pub(crate) mod storage;
pub(crate) mod volume;
pub(crate) mod wasm_plugin;
pub(crate) mod workload;

#[cfg(test)]
mod tests;

use crate::kind::{Cell, Column, Kind};
use object::{Map, Object, Value, json};

/// What each row carries beside its cells: `includeObject` of `meta.k8s.io/v1 TableOptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    /// `PartialObjectMetadata`.
    #[default]
    Metadata,
    Object,
}

/// A whole Table. `list_metadata` is the list's `metadata` (resourceVersion, continue, remainingItemCount), or of the
/// single object its resourceVersion. A watch event's table leaves out the definitions after the first.
pub fn table(kind: &Kind, items: &[&Object], include: IncludeObject, list_metadata: Value, with_definitions: bool) -> Value {
    let rows: Vec<Value> = items.iter().map(|item| row(kind, item, include)).collect();
    let definitions = if with_definitions { definitions(kind) } else { Value::Array(Vec::new()) };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}

/// `columnDefinitions` of a kind.
pub fn definitions(kind: &Kind) -> Value {
    let definition =
        |c: &Column| json!({ "name": c.name, "type": c.ty, "format": c.format, "description": c.description, "priority": c.priority });
    kind.columns.iter().map(definition).collect()
}

/// One row: cells in the order of the columns, and what `include` asks for.
pub fn row(kind: &Kind, item: &Object, include: IncludeObject) -> Value {
    let cells: Vec<Value> = kind.columns.iter().map(|c| cell(c, item)).collect();
    let mut row = json!({ "cells": cells });
    if let Some(object) = included(item, include) {
        row["object"] = object;
    }
    row
}

fn included(item: &Object, include: IncludeObject) -> Option<Value> {
    match include {
        IncludeObject::None => None,
        IncludeObject::Metadata => Some(partial_metadata(item)),
        IncludeObject::Object => Some(item.to_value()),
    }
}

/// The `meta.k8s.io/v1 PartialObjectMetadata` of an object.
pub fn partial_metadata(item: &Object) -> Value {
    let metadata = item.at(&["metadata"]).cloned().unwrap_or_else(|| Value::Object(Map::new()));
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata })
}

fn cell(column: &Column, item: &Object) -> Value {
    match &column.cell {
        Cell::Computed(compute) => compute(item),
        Cell::Path(path) => path::cell(item, path, &column.ty),
        Cell::JsonPath(path) => path::json_cell(item, path, &column.ty),
    }
}

/// `<none>`, what upstream prints for nothing.
fn none() -> Value {
    json!("<none>")
}

/// The string at a path, or `absent`.
fn text(item: &Object, path: &[&str], absent: &str) -> Value {
    let found = item.str_at(path);
    json!(if found.is_empty() { absent } else { found })
}

fn integer(item: &Object, path: &[&str]) -> i64 {
    item.at(path).and_then(Value::as_i64).unwrap_or_default()
}

/// The items of the list at a path.
fn list<'a>(item: &'a Object, path: &[&str]) -> &'a [Value] {
    item.at(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The string under a key of a JSON value; `""` when absent.
fn str_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A quantity in canonical form; as written when it is none.
fn quantity(value: &Value) -> String {
    let written = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    object::quantity::Quantity::from_value(value).map_or_else(|_| written(), |q| q.to_string())
}

/// `a=b,c=d` in key order, or `<none>`: `labels.FormatLabels`.
fn format_labels(labels: Option<&Value>) -> String {
    let pairs = labels.and_then(Value::as_object).into_iter().flatten();
    let told: Vec<String> = pairs.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    if told.is_empty() { "<none>".to_owned() } else { told.join(",") }
}
