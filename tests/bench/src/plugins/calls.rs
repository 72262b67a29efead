//! Every shipped plugin, and a filter and an admission hook in every language: compiled, loaded from the cache, instantiated, called.

use super::bed;
use crate::table::{Grid, quantile, time};
use interfaces::adapt::{Line, Origin, Source};
use interfaces::admit::AdmissionRequest;
use interfaces::middleware::Request;
use interfaces::schedule::{NodeTable, PodView, Points};
use object::{Object, json};
use std::sync::Arc;
use std::time::Instant;
use wasm::plugins::worlds::Product;

const SHIPPED: [&str; 10] = [
    "node-requirements",
    "image-locality",
    "node-cost",
    "required-labels",
    "image-registries",
    "deny-privileged",
    "resource-defaults",
    "ttl-sweeper",
    "static-site",
    "simulated-cloud",
];
const LANGUAGES: [&str; 5] = ["c", "go", "javascript", "typescript", "python"];

/// Loads, and instances made, whose median is told.
const TIMES: usize = 20;
const CALLS: usize = 2_000;

pub fn run() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let head = ["plugin", "KiB", "compile", "load, cached", "instantiate", "call, p50", "call, p99", "linear memory"];
    let mut grid = Grid::new("Plugins: a component's way to its answer (no server; call: of 2,000)", &head);
    for plugin in plugins() {
        runtime.block_on(measure(&plugin, &mut grid));
    }
}

fn plugins() -> Vec<Arc<Object>> {
    let rules = json!([{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]);
    let mut all: Vec<Arc<Object>> = SHIPPED.iter().map(|name| bed::shipped(name)).collect();
    all.push(bed::plugin("adapter-report", json!({"world": "adapter"})));
    let users = json!({"users": "alice=open-sesame, bob=barrel-rider", "open": "/healthz"});
    all.push(bed::plugin("middleware-auth", json!({"world": "http-middleware", "config": users})));
    for language in LANGUAGES {
        let filter = json!({
            "world": "scheduler", "scheduler": {"extensionPoints": ["filter"]},
            "grants": {"interfaces": ["wasi:cli", "wasi:filesystem", "wasi:sockets"]},
            "limits": {"memoryMiB": 128, "timeoutMilliseconds": 10_000},
        });
        let mut admission = filter.clone();
        (admission["world"], admission["admission"]) = (json!("admission"), json!({"rules": rules}));
        admission["config"] = json!({"require": "app"});
        all.extend([bed::plugin(&format!("{language}-filter"), filter), bed::plugin(&format!("{language}-admission"), admission)]);
    }
    // What was not built here, for want of its tools, is left out.
    all.retain(|plugin| tests::paths::guests().join(plugin.str_at(&["spec", "path"])).is_file());
    all
}

async fn measure(plugin: &Arc<Object>, grid: &mut Grid) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let loading = bed::loading(folder.path());
    let begin = Instant::now();
    drop(bed::prepare(&loading, plugin).await);
    let first = begin.elapsed();
    let mut loads = Vec::new();
    let mut prepared = None;
    for _ in 0..TIMES {
        let begin = Instant::now();
        let made = bed::prepare(&loading, plugin).await;
        loads.push(begin.elapsed());
        prepared = Some(made);
    }
    let load = quantile(&mut loads, 0.5);
    let prepared = prepared.expect("it was prepared");
    let about = Question::new();
    let (product, resident) = (&prepared.loaded.product, &prepared.loaded.resident);
    let mut calls = Vec::with_capacity(CALLS);
    let mut answer = call(product, &about).await;
    for _ in 0..CALLS {
        let begin = Instant::now();
        answer = call(product, &about).await;
        calls.push(begin.elapsed());
    }
    let memory = resident.memory_bytes() / 1024;
    let median = quantile(&mut calls, 0.5);
    let mut firsts = Vec::new();
    for _ in 0..TIMES {
        resident.let_go();
        let begin = Instant::now();
        answer = answer.and(call(product, &about).await);
        firsts.push(begin.elapsed());
    }
    let size = std::fs::metadata(tests::paths::guests().join(plugin.str_at(&["spec", "path"]))).map(|m| m.len()).unwrap_or_default();
    let name = match answer {
        Ok(()) => plugin.name().to_owned(),
        Err(error) => format!("{} ({error})", plugin.name()),
    };
    grid.row([
        name,
        format!("{}", size / 1024),
        time(first.saturating_sub(load)),
        time(load),
        time(quantile(&mut firsts, 0.5).saturating_sub(median)),
        time(median),
        time(quantile(&mut calls, 0.99)),
        format!("{memory} KiB"),
    ]);
}

/// What a plugin is asked, of every world.
struct Question {
    pod: PodView,
    table: NodeTable,
    creation: AdmissionRequest,
    origin: Origin,
    lines: Vec<Line>,
    request: Request,
    service: Arc<Object>,
}

impl Question {
    fn new() -> Self {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "uid": "u"}});
        Self {
            pod: bed::view(&bed::pod()),
            table: bed::table(3),
            creation: bed::creation(),
            origin: origin(),
            lines: vec![Line { time: 1, text: b"ITEM   0001 WIDGET              0000012 0001999".to_vec(), continues: false }],
            request: request(),
            service: bed::object(service),
        }
    }
}

/// The call that is most usual in the plugin's world.
async fn call(product: &Product, about: &Question) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    match product {
        Product::Scheduler(row) if row.points.has(Points::FILTER) => {
            row.plugin.filter(&about.pod, &about.table, &[0, 1, 2]).await.map(drop).map_err(|e| said(&e))
        }
        Product::Scheduler(row) => row.plugin.score(&about.pod, &about.table, &[0, 1, 2]).await.map(drop).map_err(|e| said(&e)),
        Product::Admission(row) if row.validates => row.plugin.validate(&about.creation).await.map(drop).map_err(|e| said(&e)),
        Product::Admission(row) => row.plugin.mutate(&about.creation).await.map(drop).map_err(|e| said(&e)),
        Product::Adapter(row) => row.adapter.process(&about.origin, &[], &about.lines).await.map(drop).map_err(|e| said(&e)),
        Product::Middleware(row) => row.middleware.on_request(&about.request, None).await.map(drop).map_err(|e| said(&e)),
        Product::Cloud(row) => {
            let Some(balancers) = row.provider.load_balancer() else { return Err("it has no load balancers".to_owned()) };
            balancers.get_load_balancer_name("bench", &about.service).await.map(drop).map_err(|e| said(&e))
        }
        Product::Controller(row) => row.plugin.declare().await.map(drop).map_err(|e| said(&e)),
    }
}

pub fn origin() -> Origin {
    Origin {
        namespace: "shop".to_owned(),
        pod: "web".to_owned(),
        uid: "u".to_owned(),
        container: "main".to_owned(),
        attempt: 0,
        source: Source::Stdout,
        path: String::new(),
        arguments: Vec::new(),
    }
}

fn request() -> Request {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    Request {
        method: "GET".to_owned(),
        path: "/items?page=2".to_owned(),
        authority: "shop".to_owned(),
        headers: vec![header("accept", "*/*"), header("authorization", "Bearer open-sesame"), header("user-agent", "bench")],
        client: "10.0.0.9".to_owned(),
        namespace: "shop".to_owned(),
        service: "web".to_owned(),
        port: 80,
    }
}
