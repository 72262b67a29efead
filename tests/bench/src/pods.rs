//! A pod from its creation to Running and Ready, image present: one after the other, and many at once.

use crate::process;
use crate::table::{Table, millis, quantile};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::{Cluster, Options};

const SINGLE: usize = 50;
const MANY: usize = 200;

pub fn wasm() {
    let spec = json!({
        "runtimeClassName": "wasm", "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": "coracle.dev/examples/hello-http:v1", "ports": [{"containerPort": 8080}]}],
    });
    measure("Wasm pods (wasi:http component, cached)", "hello-http", &spec, ["5 ms", "20 ms"]);
}

pub fn oci() {
    let spec = json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": "coracle.dev/examples/busybox:v1", "command": ["/bin/sleep", "1000000"]}],
    });
    measure("OCI pods (busybox, image present)", "busybox", &spec, ["60 ms", ""]);
}

fn measure(title: &'static str, image: &'static str, spec: &Value, budgets: [&str; 2]) {
    let cluster = Cluster::start(Options { images: vec![image], flags: vec!["--max-pods=1000".into()], ..Options::default() });
    let pid = process::server(&cluster);
    let mut table = Table::new(title);
    let (mut running, mut ready) = (Vec::new(), Vec::new());
    cluster.typed(|client| async {
        let pods: Api<Pod> = Api::namespaced(client, "default");
        // The first one compiles the component.
        one(&pods, "warm", spec).await;
        for i in 0..SINGLE {
            let (to_running, to_ready) = one(&pods, &format!("single-{i}"), spec).await;
            running.push(to_running);
            ready.push(to_ready);
        }
    });
    let mut row = |what: &str, times: &mut Vec<Duration>| {
        table.row(format!("{what}, p50 of {SINGLE}"), millis(quantile(times, 0.5)), budgets[0]);
        table.row(format!("{what}, p99"), millis(quantile(times, 0.99)), budgets[1]);
    };
    row("created → Running", &mut running);
    row("created → Ready", &mut ready);

    let (before, start) = (process::cpu(pid), Instant::now());
    cluster.typed(|client| async { many(client, spec).await });
    table.row(format!("{MANY} pods created at once → all Ready"), millis(start.elapsed()), "");
    let cpu = (process::cpu(pid) - before).as_secs_f64() * 1000.0 / MANY as f64;
    table.row("server CPU for each of these", format!("{cpu:.2} ms"), "");
    table.row("server RSS with these pods", format!("{:.1} MiB", process::rss_mib(pid)), "");
}

fn pod(name: &str, spec: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {"app": "bench"}}, "spec": spec})).expect("a pod")
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

/// Creates one pod, waits until it is Ready, and deletes it.
async fn one(pods: &Api<Pod>, name: &str, spec: &Value) -> (Duration, Duration) {
    let watch = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(60);
    let version = pods.list(&ListParams::default().limit(1)).await.expect("pods can be listed").metadata.resource_version;
    let mut events = pods.watch(&watch, &version.unwrap_or_default()).await.expect("pods can be watched").boxed();
    let start = Instant::now();
    pods.create(&PostParams::default(), &pod(name, spec)).await.expect("a pod can be made");
    let mut running = None;
    while let Some(event) = events.try_next().await.expect("the watch goes on") {
        let (WatchEvent::Added(seen) | WatchEvent::Modified(seen)) = event else { continue };
        if running.is_none() && seen.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running") {
            running = Some(start.elapsed());
        }
        if is_ready(&seen) {
            let ready = start.elapsed();
            pods.delete(name, &DeleteParams::default().grace_period(0)).await.expect("it can be deleted");
            return (running.unwrap_or(ready), ready);
        }
    }
    panic!("pod {name} did not become ready within a minute");
}

async fn many(client: Client, spec: &Value) {
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let version = pods.list(&ListParams::default().limit(1)).await.expect("pods can be listed").metadata.resource_version;
    let watch = WatchParams::default().labels("app=bench").timeout(280);
    let mut events = pods.watch(&watch, &version.unwrap_or_default()).await.expect("pods can be watched").boxed();
    let create = stream::iter(0..MANY).map(|i| {
        let pods = &pods;
        async move { pods.create(&PostParams::default(), &pod(&format!("many-{i}"), spec)).await.map(drop).expect("a pod can be made") }
    });
    let create = create.buffer_unordered(16).for_each(|()| async {});
    let wait = async {
        let mut ready = std::collections::HashSet::new();
        while ready.len() < MANY {
            match events.try_next().await.expect("the watch goes on") {
                Some(WatchEvent::Added(seen) | WatchEvent::Modified(seen)) if is_ready(&seen) => drop(ready.insert(seen.metadata.name)),
                Some(_) => {}
                None => panic!("only {} of {MANY} pods became ready", ready.len()),
            }
        }
    };
    futures::join!(create, wait);
}
