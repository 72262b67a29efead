//! Requests for small objects: rates by number of connections, and the server's CPU for one request.

use crate::process;
use crate::table::Table;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use std::time::Instant;
use tests::{Cluster, Options};

const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Objects for each number of connections: some seconds of load.
const OBJECTS: u32 = 6000;
const LISTED: u32 = 5000;

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
    let mut table = Table::new(format!("Requests on {store} (1 KiB ConfigMaps, durable, one client process beside the server)"));
    for connections in CONNECTIONS {
        let objects = if connections == 1 { OBJECTS / 4 } else { OBJECTS };
        let (rate, cpu) = measure(&cluster, pid, connections, objects, move |client, i| async move {
            let made = api(&client).create(&PostParams::default(), &config_map(&format!("c{connections}-{i}"))).await;
            made.expect("a ConfigMap can be made");
        });
        let budget = if connections == 64 { "0.11 ms" } else { "" };
        table.row(format!("create, {connections} connections"), format!("{rate:.0}/s, {cpu:.3} ms of server CPU each"), budget);
    }
    let (rate, cpu) = measure(&cluster, pid, 16, OBJECTS, |client, i| async move {
        api(&client).get(&format!("c64-{i}")).await.expect("it is there");
    });
    table.row("get, 16 connections", format!("{rate:.0}/s, {cpu:.3} ms each"), "0.03 ms");
    let rounds = 10;
    let (_, cpu) = measure(&cluster, pid, 1, rounds, |client, _| async move {
        let list = api(&client).list(&ListParams::default().limit(LISTED)).await.expect("it can be listed");
        assert_eq!(list.items.len(), LISTED as usize);
    });
    table.row(format!("list of {LISTED} (about 7 MB)"), format!("{cpu:.1} ms of server CPU"), "5 ms");
    let (rate, cpu) = measure(&cluster, pid, 16, OBJECTS, |client, i| async move {
        api(&client).delete(&format!("c64-{i}"), &DeleteParams::default()).await.expect("it can be deleted");
    });
    table.row("delete, 16 connections", format!("{rate:.0}/s, {cpu:.3} ms each"), "0.12 ms");
}

fn api(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "default")
}

fn config_map(name: &str) -> ConfigMap {
    let value = json!({"metadata": {"name": name, "labels": {"app": "bench"}}, "data": {"text": "x".repeat(900)}});
    serde_json::from_value(value).expect("a ConfigMap")
}

/// Runs `work` for each number below `count`, so many at once, each on a connection of its own. Gives the rate per second
/// and the server's CPU in milliseconds for one.
fn measure<F>(cluster: &Cluster, pid: u32, connections: usize, count: u32, work: impl Fn(Client, u32) -> F + Send + Sync) -> (f64, f64)
where
    F: Future<Output = ()>,
{
    let (start, before) = (Instant::now(), process::cpu(pid));
    cluster.typed(|client| {
        let all = stream::iter(0..count).map(move |i| work(client.clone(), i));
        all.buffer_unordered(connections).for_each(|()| async {})
    });
    let cpu = process::cpu(pid) - before;
    (f64::from(count) / start.elapsed().as_secs_f64(), cpu.as_secs_f64() * 1000.0 / f64::from(count))
}
