//! One change told to many watchers: how late they learn of it, and what it costs the server.

use crate::process;
use crate::table::{Table, millis, quantile};
use futures::{StreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use kube::client::Body;
use kube::{Api, Client, Config};
use serde_json::json;
use std::time::{Duration, Instant};
use tests::{Cluster, Options};
use tokio::sync::mpsc;

const WATCHERS: usize = 1_000;
/// Watches on one connection, as a large client-go process has.
const ON_ONE: usize = 250;
const CHANGES: u32 = 50;
/// Changes of the second measurement, made as fast as the server takes them.
const BURST: u32 = 1_000;

pub fn run() {
    let cluster = Cluster::new(Options { flags: vec!["--disable=agent,controllers,scheduler,dns,proxy".into()], ..Options::default() });
    cluster.spawn();
    cluster.wait_api();
    let pid = process::server(&cluster);
    let mut table = Table::new("Watches (one kind, 1,000 watchers on 4 connections, client beside the server)");
    let (before, kubeconfig) = (process::rss_mib(pid), cluster.kubeconfig());
    let table = &mut table;
    cluster.typed(|client| async move {
        let (told, mut heard) = mpsc::unbounded_channel();
        for _ in 0..WATCHERS / ON_ONE {
            let config = kube::config::Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig");
            let config = Config::from_custom_kubeconfig(config, &Default::default()).await.expect("a configuration");
            let connection = Client::try_from(config).expect("a client");
            for _ in 0..ON_ONE {
                tokio::spawn(watch(connection.clone(), told.clone()));
            }
        }
        for _ in 0..WATCHERS {
            heard.recv().await.expect("every watch begins");
        }
        let weight = (process::rss_mib(pid) - before) * 1024.0 / WATCHERS as f64;
        table.row("server memory for a watch", format!("{weight:.0} KiB"), "");
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
        let (mut first, mut last) = (Vec::new(), Vec::new());
        let used = process::cpu(pid);
        for i in 0..CHANGES {
            let start = Instant::now();
            maps.create(&PostParams::default(), &config_map(&format!("w{i}"))).await.expect("it can be made");
            let mut when: Vec<Duration> = Vec::with_capacity(WATCHERS);
            for _ in 0..WATCHERS {
                when.push(heard.recv().await.expect("every watcher hears").duration_since(start));
            }
            first.push(quantile(&mut when, 0.5));
            last.push(quantile(&mut when, 1.0));
        }
        let each = (process::cpu(pid) - used).as_secs_f64() * 1e6 / f64::from(CHANGES) / WATCHERS as f64;
        table.row("created → the median watcher knows, p50", millis(quantile(&mut first, 0.5)), "");
        table.row("created → the last watcher knows, p50", millis(quantile(&mut last, 0.5)), "");
        table.row("created → the last watcher knows, p99", millis(quantile(&mut last, 0.99)), "");
        table.row("server CPU for one event of one watcher", format!("{each:.2} µs"), "");
        let (start, used) = (Instant::now(), process::cpu(pid));
        let all = stream::iter(0..BURST).map(|i| {
            let maps = maps.clone();
            async move { drop(maps.delete(&format!("w{}", i % CHANGES), &DeleteParams::default()).await) }
        });
        // Deletes of what is there and of what is not: only the former are told.
        all.buffer_unordered(16).for_each(|()| async {}).await;
        for _ in 0..CHANGES as usize * WATCHERS {
            heard.recv().await.expect("every watcher hears");
        }
        let (wall, cpu) = (start.elapsed().as_secs_f64(), (process::cpu(pid) - used).as_secs_f64());
        let events = f64::from(CHANGES) * WATCHERS as f64;
        table.row("events told in a burst", format!("{:.0}/s, {:.2} µs of server CPU each", events / wall, cpu * 1e6 / events), "");
    });
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"text": "x".repeat(900)}})).expect("a ConfigMap")
}

/// Tells the time of every line: the first one is the bookmark that ends the initial state.
async fn watch(client: Client, told: mpsc::UnboundedSender<Instant>) {
    let path = "/api/v1/namespaces/default/configmaps?watch=1&allowWatchBookmarks=true&sendInitialEvents=true\
                &resourceVersionMatch=NotOlderThan&timeoutSeconds=600";
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let mut body = client.send(request).await.expect("an answer").into_body();
    let mut begun = false;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        let mut lines = data.iter().filter(|byte| **byte == b'\n').count();
        if !begun && lines > 0 {
            // Initial state and its bookmark come together: one word for all of them.
            (begun, lines) = (true, 1);
        }
        for _ in 0..lines {
            let _ = told.send(Instant::now());
        }
    }
}
