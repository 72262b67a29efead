//! Scenarios after structured-merge-diff's published cases (`merge/*_test.go`, `typed/merge_test.go`) and apimachinery's.

mod kubernetes;
mod lists;
mod scenarios;
mod versions;

use super::*;
use crate::fixture;
use crate::schema::Graph;
use serde_json::json;
use std::collections::BTreeMap;

/// One write of a scenario; the value is the whole object of an update, the configuration of an apply.
enum Op {
    Apply(&'static str, Value),
    Force(&'static str, Value),
    Update(&'static str, Value),
    /// An apply that must be refused, with these conflicts as `manager path`.
    Refused(&'static str, Value, &'static [&'static str]),
}
use Op::{Apply, Force, Refused, Update};

/// Fields of all kinds of merging.
fn nested() -> Graph {
    fixture::build(&json!({
        "Root": {"plain": true, "fields": {
            "apiVersion": "string", "kind": "string", "metadata": {"plain": true, "fields": {"managedFields": {"list": "any"}}},
            "numeric": "float", "string": "string", "bool": "bool",
            "list": {"list": {"plain": true, "fields": {"name": "string", "value": "int", "other": "int"}}, "kind": ["name"]},
            "set": {"list": "int", "kind": "set"},
            "atomicList": {"list": "string"},
            "atomicMap": {"map": "string", "atomic": true},
            "atomicStruct": {"plain": true, "atomic": true, "fields": {"a": "string", "b": "string"}},
            "listOfLists": {"list": {"plain": true, "fields": {"name": "string", "value": {"list": "string", "kind": "set"}}}, "kind": ["name"]},
            "listOfMaps": {"list": {"plain": true, "fields": {"name": "string", "value": {"map": "string"}}}, "kind": ["name"]},
            "mapOfLists": {"map": {"list": "string", "kind": "set"}},
            "mapOfMaps": {"map": {"map": "string"}},
            "recursive": "Recursive",
            "struct": {"plain": true, "fields": {"name": "string", "value": "int"}},
            "free": {"plain": true, "preserve": true, "fields": {}}
        }},
        "Recursive": {"map": "Recursive"}
    }))
}

fn object(mut value: Value) -> Object {
    value["apiVersion"] = json!("v1");
    Object::from_value(value).unwrap()
}

fn context<'a>(graph: &'a Graph, manager: &'a str, force: bool, reset: &'a [&'a [&'a str]]) -> ApplyContext<'a> {
    let schema = graph.named("Root").unwrap();
    ApplyContext { schema, manager, api_version: "v1", subresource: "", force, now: "2020-01-01T00:00:00Z", reset_fields: reset }
}

/// The object without its book, and the book as `manager` → paths.
fn open(object: &Object) -> (Value, BTreeMap<String, Vec<String>>) {
    let book = Managers::decode(managed_fields(object.as_map())).unwrap();
    let sets = book.entries.iter().map(|(id, e)| (id.manager.clone(), e.set.to_string().lines().map(str::to_owned).collect()));
    let mut bare = object.clone();
    bare.remove_at(&["metadata", "managedFields"]);
    bare.as_map_mut().remove("apiVersion");
    bare.as_map_mut().retain(|key, value| key != "metadata" || value.as_object().is_none_or(|m| !m.is_empty()));
    (bare.into_value(), sets.collect())
}

fn run(graph: &Graph, ops: Vec<Op>, reset: &[&[&str]]) -> Object {
    let mut live: Option<Object> = None;
    for op in ops {
        let outcome = match op {
            Apply(manager, value) => apply(live.as_ref(), &object(value), &context(graph, manager, false, reset)).unwrap(),
            Force(manager, value) => apply(live.as_ref(), &object(value), &context(graph, manager, true, reset)).unwrap(),
            Update(manager, value) => {
                let mut new = object(value);
                update_managers(live.as_ref(), &mut new, &context(graph, manager, false, reset));
                new
            }
            Refused(manager, value, expect) => {
                match apply(live.as_ref(), &object(value), &context(graph, manager, false, reset)) {
                    Err(ApplyError::Conflicts(conflicts)) => {
                        let told: Vec<String> = conflicts.iter().map(|c| format!("{} {}", c.manager, c.field)).collect();
                        assert_eq!(told, expect);
                    }
                    other => panic!("should conflict: {other:?}"),
                }
                continue;
            }
        };
        live = Some(outcome);
    }
    live.unwrap()
}

fn check(ops: Vec<Op>, expect: Value, book: &[(&str, &[&str])]) {
    check_without(ops, expect, book, &[]);
}

fn check_without(ops: Vec<Op>, expect: Value, book: &[(&str, &[&str])], reset: &[&[&str]]) {
    let (got, sets) = open(&run(&nested(), ops, reset));
    assert_eq!(got, expect);
    let expect: BTreeMap<String, Vec<String>> =
        book.iter().map(|(m, paths)| ((*m).to_owned(), paths.iter().map(|p| (*p).to_owned()).collect())).collect();
    assert_eq!(sets, expect);
}
