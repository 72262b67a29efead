//! What the sections with a server share: a server whose state is in memory, so that no figure is the disk's, its plugins, and
//! requests that are timed.

use crate::table::quantile;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tests::{Cluster, Options};

/// The control plane with its data directory in memory.
pub fn in_memory(plugins: &[&'static str]) -> Cluster {
    let flags = vec!["--disable=agent,controllers,scheduler,dns,proxy".into()];
    let cluster = Cluster::new(Options { flags, data_size: Some("1g"), ..Options::default() });
    cluster.spawn();
    cluster.wait_api();
    // No controller runs that would make the account which every pod has.
    cluster.kubectl().ok(&["create", "serviceaccount", "default"]);
    for name in plugins {
        offer(&cluster, name, &tests::paths::guest(name));
    }
    cluster
}

/// Puts a component where the server reads `spec.path`: its data directory is mounted in its own namespace only.
pub fn offer(cluster: &Cluster, name: &str, component: &Path) {
    let folder = cluster.data().join("plugins");
    let (folder, component) = (folder.display().to_string(), component.display().to_string());
    for (program, args) in [("mkdir", vec!["-p", &folder]), ("cp", vec![&component, &format!("{folder}/{name}.wasm")])] {
        let said = cluster.on_node(program, &args);
        assert_eq!(said.code, Some(0), "{program} {args:?}: {}", said.err);
    }
}

/// The same component once more, of another digest: with a section that says nothing.
pub fn another(component: &[u8], number: usize) -> Vec<u8> {
    let name = b"copy";
    let content = [&[u8::try_from(name.len()).unwrap_or_default()], name.as_slice(), &number.to_le_bytes()].concat();
    [component, &[0, u8::try_from(content.len()).expect("it is short")], &content].concat()
}

/// Applies a plugin and waits until it answers. Gives its object.
pub fn load(cluster: &Cluster, name: &str, spec: &Value) -> Value {
    let plugin = json!({"apiVersion": "coracle.dev/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": name}, "spec": spec});
    cluster.kubectl().apply(&plugin.to_string());
    cluster.kubectl().until("wasmplugins", name, "serve what was applied", serves)
}

pub fn serves(plugin: &Value) -> bool {
    plugin["status"]["phase"] == "Ready" && plugin["status"]["servingGeneration"] == plugin["metadata"]["generation"]
}

/// Rules of admission for one resource.
pub fn rules(resource: &str, operation: &str) -> Value {
    json!([{"operations": [operation], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resource]}])
}

pub fn dynamic(client: &Client, group: &str, version: &str, kind: &str, plural: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

pub fn config_map(name: &str) -> ConfigMap {
    let labels = json!({"app": "bench", "example.com/team": "a", "example.com/tier": "web"});
    serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}, "data": {"text": "x".repeat(900)}})).expect("a ConfigMap")
}

/// What many equal requests took.
pub struct Took {
    pub p50: Duration,
    pub p99: Duration,
    /// Per second.
    pub rate: f64,
    pub failed: usize,
}

impl Took {
    pub fn of(mut times: Vec<Duration>, failed: usize, all: Duration) -> Self {
        let rate = times.len() as f64 / all.as_secs_f64();
        Self { p50: quantile(&mut times, 0.5), p99: quantile(&mut times, 0.99), rate, failed }
    }
}

/// Runs `work` for each number below `count`, so many at once, each on a connection of its own.
pub fn timed<F, T, E>(cluster: &Cluster, connections: usize, count: u32, work: impl Fn(Client, u32) -> F + Send + Sync) -> Took
where
    F: Future<Output = Result<T, E>>,
    E: std::fmt::Display,
{
    let start = Instant::now();
    let told = cluster.typed(|client| async move {
        let one = |i| {
            let work = work(client.clone(), i);
            async move {
                let begin = Instant::now();
                let answer = work.await.map(drop).map_err(|error| error.to_string());
                (begin.elapsed(), answer)
            }
        };
        stream::iter(0..count).map(one).buffer_unordered(connections).collect::<Vec<_>>().await
    });
    let all = start.elapsed();
    let failures: Vec<&String> = told.iter().filter_map(|(_, answer)| answer.as_ref().err()).collect();
    if let Some(first) = failures.first() {
        eprintln!("{} of {count} requests failed, first: {first}", failures.len());
    }
    let failed = failures.len();
    Took::of(told.into_iter().map(|(took, _)| took).collect(), failed, all)
}
