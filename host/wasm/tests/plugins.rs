//! Scheduler plugins: what they answer, and what becomes of those that misbehave.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail the test too.

#[path = "support/node.rs"]
mod support;

use interfaces::schedule::{Code, NodeTable, NodeView, PluginError, PodView, SchedulePlugin};
use object::{Object, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::built;
use wasm::plugins::Config;
use wasm::plugins::counters::Counters;
use wasm::plugins::prepare::{Around, Failed, Loading};
use wasm::plugins::worlds::Product;

/// A loaded plugin, and what is counted of it.
struct Plugin {
    row: Arc<dyn SchedulePlugin>,
    counters: Arc<Counters>,
}

fn loading(directory: &Path) -> Loading {
    let plugins_dir = built("plugin-told").map_or_else(|| directory.to_owned(), |path| path.parent().unwrap().to_owned());
    let (cache_dir, data_dir) = (directory.join("cache"), directory.join("data"));
    let config = Config { plugins_dir, data_dir, cache_dir, fetch: None, images_only: false, node_name: "node".to_owned() };
    Loading::new(config).unwrap()
}

async fn load(loading: &Loading, mut spec: object::Value) -> Result<Plugin, Failed> {
    for (key, value) in [("world", json!("scheduler")), ("scheduler", json!({"extensionPoints": ["filter", "score"]}))] {
        spec.as_object_mut().unwrap().entry(key).or_insert(value);
    }
    let object = Object::from_value(json!({ "metadata": {"name": "told"}, "spec": spec })).unwrap();
    let prepared = loading.prepare(&Arc::new(object), None, Around::alone()).await?;
    let Product::Scheduler(row) = prepared.loaded.product else { panic!("another world") };
    Ok(Plugin { row: row.plugin, counters: prepared.counters })
}

fn node(name: &str, cpu: i64, generation: u64) -> Arc<NodeView> {
    let requested = BTreeMap::from([("cpu".to_owned(), cpu)]);
    Arc::new(NodeView { name: name.to_owned(), requested, generation, ..NodeView::default() })
}

fn pod(told: &str) -> PodView {
    PodView {
        object: Arc::new(Object::from_value(json!({"metadata": {"name": "p"}})).unwrap()),
        namespace: "shop".to_owned(),
        name: "p".to_owned(),
        uid: "u".to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::from([("do".to_owned(), told.to_owned())]),
        node_selector: BTreeMap::new(),
        priority: 0,
        scheduler_name: "default-scheduler".to_owned(),
        requests: BTreeMap::new(),
        images: Vec::new(),
    }
}

fn table() -> NodeTable {
    NodeTable { version: 1, nodes: vec![node("a", 0, 1), node("b", 1500, 2), node("c", 400, 3)] }
}

async fn refused(plugin: &Plugin, told: &str, table: &NodeTable) -> Result<Vec<(u32, String)>, PluginError> {
    let candidates: Vec<u32> = (0..).take(table.nodes.len()).collect();
    let refusals = plugin.row.filter(&pod(told), table, &candidates).await?;
    assert!(refusals.iter().all(|refusal| refusal.code == Code::Unschedulable));
    Ok(refusals.into_iter().map(|refusal| (refusal.node, refusal.reason.to_string())).collect())
}

#[tokio::test]
async fn a_plugin_sees_the_nodes_as_they_change() {
    if built("plugin-told").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let plugin = load(&loading(directory.path()), json!({"path": "plugin-told.wasm"})).await.unwrap();
    let mut table = table();
    assert_eq!(refused(&plugin, "", &table).await, Ok(vec![(1, "too busy".to_owned())]));
    assert_eq!(plugin.row.score(&pod(""), &table, &[2, 0]).await, Ok(vec![60, 100]));

    // Only the usage of c changed, and b is gone: c has its number.
    table = NodeTable { version: 2, nodes: vec![table.nodes[0].clone(), node("c", 1000, 4)] };
    assert_eq!(refused(&plugin, "", &table).await, Ok(vec![(1, "too busy".to_owned())]));
    table = NodeTable { version: 3, nodes: vec![table.nodes[0].clone(), node("c", 10, 5)] };
    assert_eq!(refused(&plugin, "", &table).await, Ok(vec![]));
    let figures = plugin.counters.read();
    assert_eq!((figures.calls, figures.failures, figures.instances), (4, 0, 1));
}

#[tokio::test]
async fn a_plugin_that_misbehaves_is_contained_and_comes_back() {
    if built("plugin-told").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let spec = json!({"path": "plugin-told.wasm", "limits": {"timeoutMilliseconds": 200, "memoryMiB": 8}, "config": {"b": "2", "a": "1"}});
    let plugin = load(&loading(directory.path()), spec).await.unwrap();
    let table = table();
    // Told in full once per instance.
    let show = |fulls: u32| vec![(0, format!("config [(\"a\", \"1\"), (\"b\", \"2\")], 25 bytes of pod, {fulls} full"))];
    assert_eq!(refused(&plugin, "show", &table).await, Ok(show(1)));

    // What it is told, how it fails, and traps and timeouts counted by then.
    let cases: &[(&str, &str, (u64, u64))] = &[
        ("err", "plugin told failed: told to fail", (0, 0)),
        ("nonsense", "plugin told failed: it gave 100 bytes of verdicts for 3 nodes", (0, 0)),
        ("trap", "plugin told trapped: wasm trap: wasm `unreachable` instruction executed", (1, 0)),
        ("spin", "plugin told exceeded its time of 200 ms", (1, 1)),
        ("hog", "plugin told exceeded its memory of 8 MiB", (2, 1)),
    ];
    for (told, expect, (traps, timeouts)) in cases {
        let begin = Instant::now();
        let error = refused(&plugin, told, &table).await.unwrap_err();
        assert_eq!(error.to_string(), *expect, "{told}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{told} took {:?}", begin.elapsed());
        let figures = plugin.counters.read();
        assert_eq!((figures.traps, figures.timeouts), (*traps, *timeouts), "{told}");
        assert_eq!(plugin.counters.last_failure(), *expect);
        // The next call gets an instance that knows the nodes: the same one after an answer, a new one after a trap.
        assert_eq!(refused(&plugin, "", &table).await, Ok(vec![(1, "too busy".to_owned())]), "after {told}");
        assert_eq!(refused(&plugin, "show", &table).await, Ok(show(1)), "after {told}");
    }
    assert_eq!(refused(&plugin, "log", &table).await, Ok(vec![]));
    for (told, expect) in [("short", "it gave 1 scores for 2 nodes"), ("high", "it gave a score of 101, beyond 100")] {
        let error = plugin.row.score(&pod(told), &table, &[0, 1]).await.unwrap_err();
        assert_eq!(error.to_string(), format!("plugin told failed: {expect}"));
    }

    let mut calls = 0;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(200) {
        refused(&plugin, "", &table).await.unwrap();
        calls += 1;
    }
    eprintln!("filter: {:?} a call for 3 nodes", begin.elapsed() / calls);
}

#[tokio::test]
async fn refused_at_load() {
    let directory = tempfile::tempdir().unwrap();
    let clock = directory.path().join("clock.wasm");
    std::fs::write(&clock, wat::parse_str(r#"(component (import "wasi:http/types@0.2.0" (instance)))"#).unwrap()).unwrap();
    let module = directory.path().join("module.wasm");
    std::fs::write(&module, wat::parse_str("(module)").unwrap()).unwrap();
    let config = Config {
        plugins_dir: directory.path().to_owned(),
        data_dir: directory.path().join("data"),
        cache_dir: directory.path().join("cache"),
        fetch: None,
        images_only: false,
        node_name: String::new(),
    };
    let loading = Loading::new(config).unwrap();
    let cases = [
        (json!({"path": "clock.wasm"}), "file clock.wasm imports wasi:http/types@0.2.0 which was not granted"),
        (
            json!({"path": "clock.wasm", "grants": {"interfaces": ["wasi:http"]}}),
            "exports none of coracle:plugin/node-table, coracle:plugin/filter",
        ),
        (json!({"path": "clock.wasm", "grants": {"interfaces": ["wasi:keyvalue"]}}), "\"wasi:keyvalue\" cannot be granted to a plugin"),
        (json!({"path": "module.wasm"}), "file module.wasm is a core module, not a component"),
        (json!({"path": "missing.wasm"}), "cannot read file missing.wasm: No such file"),
        (json!({"image": "registry/plugin:1"}), "this server pulls no images"),
    ];
    for (spec, expect) in cases {
        let failed = load(&loading, spec.clone()).await.err().unwrap();
        assert!(failed.message.contains(expect), "{spec}: {}", failed.message);
    }
}
