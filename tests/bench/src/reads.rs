//! Lists by size and encoding, patches, and what objects weigh in the server's memory.

use crate::process;
use crate::table::Table;
use futures::{StreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Instant;
use tests::{Cluster, Options};

const SIZES: [u32; 3] = [500, 5_000, 50_000];
/// Accept header by name of the encoding.
const FORMS: [(&str, &str); 3] = [
    ("JSON", "application/json"),
    ("protobuf", "application/vnd.kubernetes.protobuf"),
    ("Table", "application/json;as=Table;v=v1;g=meta.k8s.io"),
];
const WRITES: u32 = 4_000;
const TOGETHER: usize = 32;
/// Enough that no two patches on their way are of one pod.
const PODS: u32 = 500;

pub fn run() {
    with_store("redb", 0);
}

/// The same with an etcd beside the server, whose own processor time is not counted.
pub fn etcd() {
    with_store("etcd, one member", 1);
}

fn with_store(store: &str, etcd: usize) {
    let flags = vec!["--disable=agent,controllers,scheduler,dns,proxy".into()];
    let cluster = Cluster::new(Options { flags, etcd, ..Options::default() });
    cluster.spawn();
    cluster.wait_api();
    let pid = process::server(&cluster);
    let mut table = Table::new(format!("Lists, patches and memory on {store} (1 KiB ConfigMaps; one client process beside the server)"));
    let mut made = 0;
    for size in SIZES {
        let before = process::rss_mib(pid);
        let more = size - made;
        cluster.typed(|client| {
            let all = stream::iter(made..size).map(move |i| create(client.clone(), i));
            all.buffer_unordered(TOGETHER).for_each(|()| async {})
        });
        made = size;
        if more > 10_000 {
            let each = (process::rss_mib(pid) - before) * 10_000.0 / f64::from(more);
            table.row(format!("server memory for 10,000 objects, while {more} are made"), format!("{each:.0} MiB"), "");
        }
        for (name, accept) in FORMS {
            // The first answer makes what later ones share.
            let (bytes, first, _) = list(&cluster, pid, accept, 1);
            let rounds = if size > 10_000 { 5 } else { 20 };
            let (_, cpu, wall) = list(&cluster, pid, accept, rounds);
            let mib = bytes as f64 / f64::from(1 << 20);
            let figure = format!("{cpu:.1} ms of server CPU ({first:.0} the first time), {wall:.1} ms until read, {mib:.1} MiB");
            table.row(format!("list of {size}, {name}"), figure, if size == 5_000 && name == "JSON" { "5 ms" } else { "" });
        }
    }
    patches(&cluster, pid, &mut table);
}

async fn create(client: Client, i: u32) {
    let value = json!({"metadata": {"name": format!("m{i}"), "labels": {"app": "bench"}}, "data": {"text": "x".repeat(900)}});
    let map: ConfigMap = serde_json::from_value(value).expect("a ConfigMap");
    Api::namespaced(client, "default").create(&PostParams::default(), &map).await.expect("a ConfigMap can be made");
}

/// Bytes of one answer, server CPU and wall time in milliseconds for one.
fn list(cluster: &Cluster, pid: u32, accept: &str, rounds: u32) -> (usize, f64, f64) {
    let (start, before) = (Instant::now(), process::cpu(pid));
    let bytes = cluster.typed(|client| async move {
        let mut bytes = 0;
        for _ in 0..rounds {
            bytes = fetch(&client, accept).await;
        }
        bytes
    });
    let cpu = process::cpu(pid) - before;
    let each = |time: std::time::Duration| time.as_secs_f64() * 1000.0 / f64::from(rounds);
    (bytes, each(cpu), each(start.elapsed()))
}

async fn fetch(client: &Client, accept: &str) -> usize {
    let request = Request::get("/api/v1/namespaces/default/configmaps?resourceVersion=0").header("accept", accept);
    let answer = client.send(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    assert!(answer.status().is_success(), "{accept}: {}", answer.status());
    answer.into_body().collect().await.expect("the whole body").to_bytes().len()
}

fn patches(cluster: &Cluster, pid: u32, table: &mut Table) {
    cluster.kubectl().ok(&["create", "serviceaccount", "default"]);
    cluster.typed(|client| async move {
        let pods: Api<Pod> = Api::namespaced(client, "default");
        for i in 0..PODS {
            let pod = json!({"metadata": {"name": format!("p{i}")}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
            let pod: Pod = serde_json::from_value(pod).expect("a Pod");
            pods.create(&PostParams::default(), &pod).await.expect("a Pod can be made");
        }
    });
    let status = |i: u32| json!({"status": {"message": format!("round {i}")}});
    let (rate, cpu) = measure(cluster, pid, move |client, i| async move {
        let pods: Api<Pod> = Api::namespaced(client, "default");
        pods.patch_status(&format!("p{}", i % PODS), &PatchParams::default(), &Patch::Merge(status(i))).await.expect("it can be patched");
    });
    table.row("status patch (merge) of a pod", format!("{rate:.0}/s, {cpu:.3} ms of server CPU each"), "0.2 ms");
    let applied = |i: u32| -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{}", i % 500)}, "data": {"round": i.to_string()}})
    };
    let (rate, cpu) = measure(cluster, pid, move |client, i| async move {
        let maps: Api<ConfigMap> = Api::namespaced(client, "default");
        let name = format!("m{}", i % 500);
        maps.patch(&name, &PatchParams::apply("bench"), &Patch::Apply(applied(i))).await.expect("it can be applied");
    });
    table.row("server-side apply", format!("{rate:.0}/s, {cpu:.3} ms of server CPU each"), "");
}

/// Rate per second and server CPU in milliseconds for one.
fn measure<F>(cluster: &Cluster, pid: u32, work: impl Fn(Client, u32) -> F + Send + Sync) -> (f64, f64)
where
    F: Future<Output = ()>,
{
    let (start, before) = (Instant::now(), process::cpu(pid));
    cluster.typed(|client| {
        let all = stream::iter(0..WRITES).map(move |i| work(client.clone(), i));
        all.buffer_unordered(TOGETHER).for_each(|()| async {})
    });
    let cpu = process::cpu(pid) - before;
    (f64::from(WRITES) / start.elapsed().as_secs_f64(), cpu.as_secs_f64() * 1000.0 / f64::from(WRITES))
}
