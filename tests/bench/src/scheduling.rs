//! The whole control plane binding pods: created by a client, scheduled, bound; on nodes that exist as objects only. With the
//! native plugins, and with a filter in wasm beside them, in one run.

use crate::process;
use crate::table::Table;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::json;
use std::time::Instant;
use tests::{Cluster, Options};

const NODES: usize = 1000;
const PODS: usize = 2000;

pub fn run() {
    let flags = vec!["--disable=agent,controllers,dns,proxy".into()];
    let cluster = Cluster::new(Options { flags, plugins: vec!["node-requirements"], ..Options::default() });
    cluster.spawn();
    cluster.wait_api();
    let pid = process::server(&cluster);
    // No controller runs that would make the account which every pod has.
    cluster.kubectl().ok(&["create", "serviceaccount", "default"]);
    cluster.typed(make_nodes);
    let mut table = Table::new("Scheduling (2,000 pods on 1,000 simulated nodes, whole control plane)");
    let (native, cpu) = bind(&cluster, pid, "native");
    table.row("native plugins", format!("{native:.0} pods/s, {cpu:.2} ms of server CPU per pod"), "1 ms");
    cluster.kubectl().apply(
        "apiVersion: coracle.dev/v1alpha1\nkind: WasmPlugin\nmetadata: {name: node-requirements}\n\
         spec: {world: scheduler, path: node-requirements.wasm, scheduler: {extensionPoints: [filter]}}\n",
    );
    cluster.kubectl().until("wasmplugins", "node-requirements", "be Ready", |o| o.pointer("/status/phase").is_some_and(|p| p == "Ready"));
    let (wasm, cpu) = bind(&cluster, pid, "wasm");
    table.row("with a filter in wasm", format!("{wasm:.0} pods/s, {cpu:.2} ms of server CPU per pod"), "");
    table.row("ratio wasm : native", format!("{:.0} %", wasm / native * 100.0), "90 %");
}

async fn make_nodes(client: Client) {
    let nodes: Api<Node> = Api::all(client);
    let make = stream::iter(0..NODES).map(|i| {
        let nodes = &nodes;
        let node = json!({
            "metadata": {"name": format!("node-{i}"), "labels": {"kubernetes.io/hostname": format!("node-{i}"), "zone": format!("z{}", i % 3)}},
            "status": {
                "allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"}, "capacity": {"cpu": "16", "memory": "64Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        async move {
            let node: Node = serde_json::from_value(node).expect("a node");
            nodes.create(&PostParams::default(), &node).await.map(drop).expect("a node can be made");
        }
    });
    make.buffer_unordered(16).for_each(|()| async {}).await;
}

fn bind(cluster: &Cluster, pid: u32, run: &str) -> (f64, f64) {
    let (start, before) = (Instant::now(), process::cpu(pid));
    cluster.typed(|client| create_and_wait(client, run));
    let (time, cpu) = (start.elapsed(), process::cpu(pid) - before);
    cluster.typed(|client| async {
        let pods: Api<Pod> = Api::namespaced(client, "default");
        pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default())
            .await
            .map(drop)
            .expect("pods can be deleted");
    });
    (PODS as f64 / time.as_secs_f64(), cpu.as_secs_f64() * 1000.0 / PODS as f64)
}

async fn create_and_wait(client: Client, run: &str) {
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let version = pods.list(&ListParams::default().limit(1)).await.expect("pods can be listed").metadata.resource_version;
    let watch = WatchParams::default().labels(&format!("run={run}")).timeout(280);
    let mut events = pods.watch(&watch, &version.unwrap_or_default()).await.expect("pods can be watched").boxed();
    let create = stream::iter(0..PODS).map(|i| {
        let pods = &pods;
        let pod = json!({
            "metadata": {"name": format!("{run}-{i}"), "labels": {"run": run}},
            "spec": {"containers": [{"name": "c", "image": "x", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]},
        });
        async move {
            let pod: Pod = serde_json::from_value(pod).expect("a pod");
            pods.create(&PostParams::default(), &pod).await.map(drop).expect("a pod can be made");
        }
    });
    let create = create.buffer_unordered(16).for_each(|()| async {});
    let wait = async {
        let mut bound = std::collections::HashSet::new();
        while bound.len() < PODS {
            match events.try_next().await.expect("the watch goes on") {
                Some(WatchEvent::Added(pod) | WatchEvent::Modified(pod)) => {
                    if pod.spec.is_some_and(|s| s.node_name.is_some()) {
                        bound.insert(pod.metadata.name);
                    }
                }
                Some(_) => {}
                None => panic!("only {} of {PODS} pods were bound", bound.len()),
            }
        }
    };
    futures::join!(create, wait);
}
