//! A plugin is updated again and again while it is asked as fast as clients can: no request may fail, none may slip past it.

use super::load::{self, Took};
use crate::table::{Table, time};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};
use tests::eventually;

const CLIENTS: usize = 16;
const UPDATES: usize = 30;
const BEFORE: Duration = Duration::from_secs(3);
const NAME: &str = "updated";

/// When a request began, how long it took, and whether it was answered with success.
type Told = (Instant, Duration, Result<(), String>);

pub fn run() {
    let cluster = load::in_memory(&[]);
    let component = std::fs::read(tests::paths::guest("plugin-lookup")).expect("the guest can be read");
    // Every update is another component, which the server has never compiled.
    for number in 0..=UPDATES {
        let file = cluster.dir().join("component.wasm");
        std::fs::write(&file, load::another(&component, number)).expect("a component can be written");
        load::offer(&cluster, &format!("update-{number}"), &file);
    }
    cluster.typed(|client| async move {
        for number in 0..CLIENTS {
            let map = load::config_map(&format!("map-{number}.tenant"));
            Api::<ConfigMap>::namespaced(client.clone(), "default").create(&PostParams::default(), &map).await.expect("a ConfigMap");
        }
    });
    let spec = json!({
        "world": "admission", "path": "update-0.wasm", "failurePolicy": "Fail", "admission": {"rules": load::rules("configmaps", "UPDATE")},
    });
    load::load(&cluster, NAME, &spec);
    let (told, swaps) = cluster.typed(load_and_update);
    let requests = told.len() as u64;
    let failures: Vec<&String> = told.iter().filter_map(|(_, _, answer)| answer.as_ref().err()).collect();
    if let Some(first) = failures.first() {
        eprintln!("first failure: {first}");
    }
    let asked = eventually("the plugin to tell of all its calls", || {
        let plugin = cluster.kubectl().get("wasmplugin", NAME);
        let calls = plugin["status"]["calls"].as_u64().unwrap_or_default();
        if calls >= requests - failures.len() as u64 { Ok(calls) } else { Err(format!("{calls} calls of {requests}")) }
    });
    let took = |first: Option<Instant>, last: Option<Instant>| {
        let during = told.iter().filter(|(begin, ..)| first.is_none_or(|first| *begin >= first) && last.is_none_or(|last| *begin < last));
        let times: Vec<Duration> = during.map(|(_, time, _)| *time).collect();
        let first = first.or(told.first().map(|(begin, ..)| *begin)).unwrap_or_else(Instant::now);
        Took::of(times, 0, last.unwrap_or_else(Instant::now) - first)
    };
    let (first, last) = (swaps.first().map(|(begin, _)| *begin), swaps.last().map(|(begin, took)| *begin + *took));
    let (quiet, busy) = (took(None, first), took(first, last));
    let mut updates: Vec<Duration> = swaps.iter().map(|(_, took)| *took).collect();
    let mut table = Table::new(format!("An admission plugin updated {UPDATES} times under load ({CLIENTS} clients, state in memory)"));
    table.row("requests, and calls that the plugin counted", format!("{requests}, {asked}"), "");
    table.row("requests that failed", failures.len().to_string(), "0");
    table.row("requests that passed unasked", requests.saturating_sub(asked).to_string(), "0");
    for (what, took) in [("before the updates", quiet), ("during the updates", busy)] {
        table.row(what, format!("{:.0}/s, p50 {}, p99 {}", took.rate, time(took.p50), time(took.p99)), "");
    }
    let (middle, slowest) = (crate::table::quantile(&mut updates, 0.5), crate::table::quantile(&mut updates, 1.0));
    table.row("update applied → served, new component", format!("p50 {}, longest {}", time(middle), time(slowest)), "");
}

async fn load_and_update(client: Client) -> (Vec<Told>, Vec<(Instant, Duration)>) {
    let (ended, told) = (Cell::new(false), RefCell::new(Vec::new()));
    let clients = futures::future::join_all((0..CLIENTS).map(|number| {
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
        let (ended, told) = (&ended, &told);
        async move {
            let name = format!("map-{number}.tenant");
            let mut round = 0_u64;
            while !ended.get() {
                round += 1;
                let change = Patch::Merge(json!({"data": {"round": round.to_string()}}));
                let begin = Instant::now();
                let answer = maps.patch(&name, &PatchParams::default(), &change).await.map(drop).map_err(|error| error.to_string());
                told.borrow_mut().push((begin, begin.elapsed(), answer));
            }
        }
    }));
    let updates = async {
        tokio::time::sleep(BEFORE).await;
        let swaps = update(&client).await;
        ended.set(true);
        swaps
    };
    let (_, swaps) = futures::join!(clients, updates);
    (told.into_inner(), swaps)
}

/// When each update was sent, and how long until it served.
async fn update(client: &Client) -> Vec<(Instant, Duration)> {
    let plugins = load::dynamic(client, "coracle.dev", "v1alpha1", "WasmPlugin", "wasmplugins", None);
    let version = plugins.list(&ListParams::default().limit(1)).await.expect("they can be listed").metadata.resource_version;
    let watch = WatchParams::default().fields(&format!("metadata.name={NAME}")).timeout(280);
    let mut events = plugins.watch(&watch, &version.unwrap_or_default()).await.expect("a watch").boxed();
    let mut swaps = Vec::new();
    for number in 1..=UPDATES {
        let begin = Instant::now();
        let change = Patch::Merge(json!({"spec": {"path": format!("update-{number}.wasm")}}));
        let wanted = plugins.patch(NAME, &PatchParams::default(), &change).await.expect("it can be changed").metadata.generation;
        loop {
            let event = events.try_next().await.expect("the watch goes on").expect("the watch does not end");
            if let WatchEvent::Modified(plugin) = event
                && wanted.is_some_and(|wanted| plugin.data["status"]["servingGeneration"] == wanted)
            {
                break;
            }
        }
        swaps.push((begin, begin.elapsed()));
    }
    swaps
}
