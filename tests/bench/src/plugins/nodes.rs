//! Filter and score for clusters of 500 and 5,000 nodes: a component beside the native twin of the same rule, asked alone and in the
//! scheduler's own cycle.

use super::bed;
use super::twin::NodeRequirements;
use crate::table::{Grid, Table, quantile, time};
use interfaces::schedule::{FailurePolicy, NodeTable, PluginRow, PodView, Points, SchedulePlugin};
use object::{Object, json};
use scheduler::cluster::Cluster;
use scheduler::config::Configuration;
use scheduler::cycle::{Cycle, Nominated};
use scheduler::pod::PodInfo;
use scheduler::profile::{DEFAULT_NAME, Profiles};
use scheduler::queue::Queue;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use wasm::plugins::worlds::{Loaded, Product, Resident};

const SIZES: [usize; 2] = [500, 5_000];
/// Pods that are asked about, each after another one was bound.
const PODS: usize = 500;
/// Pods placed by the whole cycle.
const PLACED: usize = 5_000;
/// Runs of the cycle, in turn; the fastest of each counts.
const RUNS: usize = 3;

pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut plugin = Object::clone(&bed::shipped("node-requirements"));
    // So that a slow first call is told in the table, and not as a failure.
    plugin.set_at(&["spec", "limits", "timeoutMilliseconds"], json!(10_000));
    let prepared = runtime.block_on(bed::prepare(&bed::loading(folder.path()), &Arc::new(plugin)));
    let Loaded { product: Product::Scheduler(wasm), resident } = prepared.loaded else { panic!("node-requirements is of another world") };
    let (native, wasm): (Arc<dyn SchedulePlugin>, _) = (Arc::new(NodeRequirements), wasm.plugin);
    alone(&runtime, &native, &wasm, &*resident);
    in_cycle(&runtime, &native, &wasm);
}

fn alone(runtime: &Runtime, native: &Arc<dyn SchedulePlugin>, wasm: &Arc<dyn SchedulePlugin>, resident: &dyn Resident) {
    let head = ["call", "nodes", "native, p50", "wasm, p50", "wasm, p99", "wasm, a node", "wasm : native", "wasm, first"];
    let title = "Filter and score of node-requirements and its native twin (a pod was bound before each call; first: all nodes are told)";
    let mut grid = Grid::new(title, &head);
    for nodes in SIZES {
        for point in [Points::FILTER, Points::SCORE] {
            resident.let_go();
            let [(_, mut native), (first, mut wasm)] = [native, wasm].map(|plugin| runtime.block_on(ask(plugin, point, nodes)));
            let (twin, own) = (quantile(&mut native, 0.5), quantile(&mut wasm, 0.5));
            grid.row([
                if point == Points::FILTER { "filter" } else { "score" }.to_owned(),
                nodes.to_string(),
                time(twin),
                time(own),
                time(quantile(&mut wasm, 0.99)),
                format!("{:.0} ns", own.as_nanos() as f64 / nodes as f64),
                format!("{:.2}", own.as_secs_f64() / twin.as_secs_f64()),
                time(first),
            ]);
        }
    }
}

async fn ask(plugin: &Arc<dyn SchedulePlugin>, point: Points, nodes: usize) -> (Duration, Vec<Duration>) {
    let (mut table, pod) = (bed::table(nodes), bed::view(&bed::pod()));
    // Two plugins of one bed may have seen a table of this version.
    table.version = (nodes + usize::from(point == Points::SCORE)) as u64 * 1_000_000;
    let candidates: Vec<u32> = (0..).take(nodes).collect();
    let begin = Instant::now();
    once(plugin, point, &pod, &table, &candidates).await;
    let first = begin.elapsed();
    let mut times = Vec::with_capacity(PODS);
    for i in 0..PODS {
        bed::bind(&mut table, i * 7);
        let begin = Instant::now();
        once(plugin, point, &pod, &table, &candidates).await;
        times.push(begin.elapsed());
    }
    (first, times)
}

async fn once(plugin: &Arc<dyn SchedulePlugin>, point: Points, pod: &PodView, table: &NodeTable, candidates: &[u32]) {
    let answers = if point == Points::FILTER {
        plugin.filter(pod, table, candidates).await.expect("it answers").len() * 2
    } else {
        plugin.score(pod, table, candidates).await.expect("it answers").len()
    };
    assert_eq!(answers, candidates.len(), "it answers for all");
}

fn in_cycle(runtime: &Runtime, native: &Arc<dyn SchedulePlugin>, wasm: &Arc<dyn SchedulePlugin>) {
    let mut table = Table::new("Scheduling cycle with this filter and score (5,000 pods; without API server and client)");
    for nodes in SIZES {
        let mut best = [0.0_f64; 3];
        for _ in 0..RUNS {
            for (best, plugin) in best.iter_mut().zip([None, Some(native), Some(wasm)]) {
                *best = best.max(place(runtime, nodes, plugin));
            }
        }
        let [built_in, native, wasm] = best;
        table.row(format!("{nodes} nodes, built-in plugins"), format!("{built_in:.0} pods/s"), "10,000 pods/s");
        table.row(format!("{nodes} nodes, with the native twin"), format!("{native:.0} pods/s"), "");
        table.row(format!("{nodes} nodes, with the component"), format!("{wasm:.0} pods/s"), "");
        table.row(format!("{nodes} nodes, wasm : native twin"), format!("{:.0} %", wasm / native * 100.0), "90 %");
    }
}

/// Pods per second.
fn place(runtime: &Runtime, nodes: usize, plugin: Option<&Arc<dyn SchedulePlugin>>) -> f64 {
    let row = |plugin: &Arc<dyn SchedulePlugin>| PluginRow {
        plugin: plugin.clone(),
        points: Points::FILTER | Points::SCORE,
        weight: 2,
        failure_policy: FailurePolicy::Fail,
        profiles: Vec::new(),
    };
    let profiles = Profiles::build(&Configuration::default(), &Arc::new(plugin.map(row).into_iter().collect()));
    let profile = profiles.of(DEFAULT_NAME).expect("there is a default profile");
    let (mut cluster, mut queue, mut cycle) = (Cluster::default(), Queue::default(), Cycle::default());
    for view in &bed::table(nodes).nodes {
        cluster.set_node(bed::object(json!({
            "metadata": {"name": view.name, "labels": view.labels},
            "status": {"allocatable": {"cpu": "32", "memory": "128Gi", "pods": "250"}},
        })));
    }
    let template = bed::pod();
    let start = Instant::now();
    for i in 0..PLACED {
        let mut pod = Object::clone(&template);
        pod.set_at(&["metadata", "name"], json!(format!("pod-{i}")));
        pod.set_at(&["metadata", "uid"], json!(format!("uid-{i}")));
        queue.set(Arc::new(PodInfo::new(Arc::new(pod))), &profiles, start);
    }
    let start = Instant::now();
    let mut placed = 0;
    while let Some((pod, _)) = queue.pop(&profiles, Instant::now()) {
        let found = runtime.block_on(cycle.find(&pod, &mut cluster, profile, &Nominated::default()));
        let node = found.unwrap_or_else(|failure| panic!("a pod finds no node: {failure:?}"));
        cluster.assume(pod.clone(), node);
        queue.remove(&pod.uid);
        placed += 1;
    }
    f64::from(placed) / start.elapsed().as_secs_f64()
}
