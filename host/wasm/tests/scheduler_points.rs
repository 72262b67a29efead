//! Every extension point of the scheduler's, by a component that does what its settings say.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail the test too.

#[path = "support/node.rs"]
mod support;

use interfaces::schedule::*;
use object::{Object, Value, json};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use support::built;
use wasm::plugins::Config;
use wasm::plugins::prepare::{Around, Loading};
use wasm::plugins::worlds::Product;

const ALL: [&str; 15] = [
    "preEnqueue",
    "queueSort",
    "preFilter",
    "preFilterExtensions",
    "filter",
    "postFilter",
    "preScore",
    "score",
    "scoreNormalize",
    "reserve",
    "permit",
    "preBind",
    "bind",
    "postBind",
    "requeue",
];

/// The plugin with these settings, and why not. `None`: the guest is not built.
async fn load(points: &[&str], config: Value) -> Option<Result<PluginRow, String>> {
    let plugins_dir = built("plugin-points")?.parent().unwrap().to_owned();
    let directory = tempfile::tempdir().unwrap();
    let (cache_dir, data_dir) = (directory.path().join("cache"), directory.path().join("data"));
    let loading =
        Loading::new(Config { plugins_dir, data_dir, cache_dir, fetch: None, node_name: "node".to_owned(), images_only: false }).unwrap();
    // A debug build compiles and runs slowly.
    let spec = json!({ "world": "scheduler", "path": "plugin-points.wasm", "config": config, "limits": { "timeoutMilliseconds": 5000 },
        "scheduler": { "extensionPoints": points, "scoreWeight": 3, "profiles": ["a", "b"] } });
    let object = Object::from_value(json!({ "metadata": { "name": "points" }, "spec": spec })).unwrap();
    Some(match loading.prepare(&Arc::new(object), None, Around::alone()).await {
        Ok(prepared) => match prepared.loaded.product {
            Product::Scheduler(row) => Ok(row),
            _ => Err("another product".to_owned()),
        },
        Err(failed) => Err(failed.message),
    })
}

async fn plugin(config: Value) -> Option<Arc<dyn SchedulePlugin>> {
    Some(load(&ALL, config).await?.unwrap().plugin)
}

fn node(name: &str, pods: u32) -> Arc<NodeView> {
    Arc::new(NodeView { name: name.to_owned(), pod_count: pods, generation: 1, ..NodeView::default() })
}

fn table() -> NodeTable {
    NodeTable { version: 1, nodes: vec![node("a", 1), node("b", 0), node("c", 2)] }
}

fn pod(name: &str, labels: &[(&str, &str)]) -> PodView {
    PodView {
        object: Arc::new(Object::from_value(json!({ "metadata": { "name": name } })).unwrap()),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        annotations: BTreeMap::new(),
        node_selector: BTreeMap::new(),
        priority: 0,
        scheduler_name: "default-scheduler".to_owned(),
        requests: BTreeMap::new(),
        images: Vec::new(),
    }
}

fn names(refusals: Vec<Refusal>) -> Vec<(u32, String)> {
    refusals.into_iter().map(|refusal| (refusal.node, refusal.reason.to_string())).collect()
}

#[tokio::test]
async fn the_row_says_what_the_object_says() {
    let Some(row) = load(&["filter", "permit"], json!({})).await else { return };
    let row = row.unwrap();
    assert_eq!((row.points, row.weight), (Points::FILTER | Points::PERMIT, 3));
    assert_eq!(row.profiles, ["a", "b"]);
    let wrong = load(&["filter", "premit"], json!({})).await.unwrap().map(|_| ());
    assert!(wrong.unwrap_err().contains("\"premit\" is not known"));
}

#[tokio::test]
async fn the_queue_asks() {
    let Some(plugin) = plugin(json!({ "gate": "the gate is shut", "sort": "name" })).await else { return };
    let (free, gated) = (pod("p-a", &[]), pod("p-b", &[("gate", "x")]));
    let told = plugin.pre_enqueue(&[&free, &gated]).await.unwrap();
    assert_eq!(told, [None, Some("the gate is shut".to_owned())]);
    let keys = plugin.sort_keys(&[&free, &gated]).await.unwrap();
    assert_eq!(keys, [vec![-97].into_boxed_slice(), vec![-98].into()]);

    assert_eq!(plugin.events(), Events::NODE_LABELS);
    let wants = pod("p-c", &[("wants", "disk")]);
    let labelled = NodeView { labels: BTreeMap::from([("gpu".to_owned(), "1".to_owned())]), ..NodeView::default() };
    let happened = Happened { kinds: Events::NODE_LABELS, node: Some(Arc::new(labelled)), pod: None };
    assert_eq!(plugin.hint(&happened, &[&free, &wants]).await, Ok(vec![true, false]));
    let error = plugin.hint(&Happened { node: None, ..happened }, &[&free]).await.unwrap_err();
    assert_eq!(error.to_string(), "plugin points failed: an event of nodes without a node");
}

#[tokio::test]
async fn a_cycle_asks() {
    let p = pod("p", &[]);
    for (config, expect) in [
        (json!({}), PreFilter::Pass),
        (json!({ "skip": "yes" }), PreFilter::Skip),
        (json!({ "only": "c" }), PreFilter::Only(vec![2])),
        (json!({ "refuse": "never" }), PreFilter::Refuse(Rejection { code: Code::Unschedulable, reason: "never".to_owned() })),
    ] {
        let Some(plugin) = plugin(config).await else { return };
        assert_eq!(plugin.pre_filter(&p, &table()).await, Ok(expect));
    }
    let plugin = plugin(json!({ "prefer": "b" })).await.unwrap();
    assert_eq!(plugin.pre_score(&p, &table(), &[0, 1]).await, Ok(PreScore::Pass));
    let scores = plugin.score(&p, &table(), &[0, 1]).await.unwrap();
    assert_eq!(scores, [-7, 5_000_000], "raw scores are any numbers");
    assert_eq!(plugin.normalize(&p, &table(), &[0, 1], scores).await, Ok(vec![0, 100]));
}

#[tokio::test]
async fn scores_that_nobody_normalizes_are_those_of_the_other_interface() {
    let Some(row) = load(&["score"], json!({ "prefer": "b" })).await else { return };
    let scores = row.unwrap().plugin.score(&pod("p", &[]), &table(), &[2, 1]).await;
    assert_eq!(scores, Ok(vec![0, 100]));
}

#[tokio::test]
async fn a_dry_run_is_told_and_undone() {
    let Some(plugin) = plugin(json!({ "alone": "yes" })).await else { return };
    let (p, old, table) = (pod("p", &[]), pod("old", &[]), table());
    let refused = |told: &[u32]| told.iter().map(|node| (*node, "node(s) were not alone".to_owned())).collect::<Vec<_>>();
    assert_eq!(names(plugin.filter(&p, &table, &[0, 1, 2]).await.unwrap()), refused(&[0, 2]));
    let (gone, empty, crowded) = ([&old], node("a", 0), node("a", 1));
    plugin.remove_pods(&p, &PodsChange { node: 0, pods: &gone, then: &empty }).await.unwrap();
    assert_eq!(names(plugin.filter(&p, &table, &[0]).await.unwrap()), []);
    plugin.add_pods(&p, &PodsChange { node: 0, pods: &gone, then: &crowded }).await.unwrap();
    assert_eq!(names(plugin.filter(&p, &table, &[0]).await.unwrap()), refused(&[0]));
}

#[tokio::test]
async fn a_victim_is_chosen_among_the_pods_on_the_nodes() {
    struct On(PodView);
    impl PodsOn for On {
        fn on(&self, node: u32) -> Vec<&PodView> {
            if node == 2 { vec![&self.0] } else { Vec::new() }
        }
    }
    let Some(plugin) = plugin(json!({ "victim": "old" })).await else { return };
    let refused = |node| Refused { node, code: Code::Unschedulable, plugin: "x" };
    let post_filter = async |name: &str| {
        let pods: Arc<dyn PodsOn> = Arc::new(On(pod(name, &[])));
        plugin.post_filter(&pod("p", &[]), &table(), &[refused(0), refused(2)], &pods).await
    };
    assert_eq!(post_filter("old").await, Ok(PostFilter::Nominate { node: 2, victims: vec!["uid-old".to_owned()] }));
    assert_eq!(post_filter("new").await, Ok(PostFilter::Nothing("no old on 2 nodes refused by x".to_owned())));
}

#[tokio::test]
async fn what_was_reserved_is_given_back_to_the_same_instance() {
    let Some(plugin) = plugin(json!({ "room": "1" })).await else { return };
    let (first, second) = (pod("first", &[]), pod("second", &[]));
    let full = Some(Rejection { code: Code::Unschedulable, reason: "no room is left".to_owned() });
    assert_eq!(plugin.reserve(&first, "n").await, Ok(None));
    assert_eq!(plugin.reserve(&second, "n").await, Ok(full));
    plugin.unreserve(&second, "n").await.unwrap();
    // Bindings beside it have instances of their own.
    assert_eq!(plugin.pre_bind(&first, "n").await, Ok(None));
    plugin.unreserve(&first, "n").await.unwrap();
    assert_eq!(plugin.reserve(&second, "n").await, Ok(None));
}

/// Pods that wait, and what was said of them.
#[derive(Default)]
struct Lobby(Mutex<Vec<String>>);

impl WaitingPods for Lobby {
    fn list(&self) -> Vec<Waiting> {
        let waiting = pod("early", &[]);
        vec![Waiting { pod: waiting, node: "n".to_owned(), pending: vec!["points".to_owned()], since: Duration::from_secs(1) }]
    }
    fn allow(&self, plugin: &str, uid: &str) -> bool {
        self.0.lock().push(format!("{plugin} allows {uid}"));
        true
    }
    fn reject(&self, plugin: &str, uid: &str, reason: &str) -> bool {
        self.0.lock().push(format!("{plugin} rejects {uid}: {reason}"));
        true
    }
}

#[tokio::test]
async fn pods_wait_and_are_let_go_by_others() {
    let Some(plugin) = plugin(json!({ "permit": "wait", "wait-ms": "1500" })).await else { return };
    let lobby = Arc::new(Lobby::default());
    plugin.attach(lobby.clone());
    assert_eq!(plugin.permit(&pod("p", &[]), "n").await, Ok(Permit::Wait(Duration::from_millis(1500))));
    assert_eq!(plugin.permit(&pod("last", &[("go", "")]), "n").await, Ok(Permit::Allow));
    assert_eq!(plugin.permit(&pod("last", &[("stop", "")]), "n").await, Ok(Permit::Allow));
    let said = lobby.0.lock().clone();
    assert_eq!(said, ["points allows uid-early", "points rejects uid-early: the group is dissolved"]);
    let denies = super_plugin(json!({ "permit": "deny" })).await;
    assert_eq!(denies.permit(&pod("p", &[]), "n").await, Ok(Permit::Deny("not today".to_owned())));
}

async fn super_plugin(config: Value) -> Arc<dyn SchedulePlugin> {
    plugin(config).await.unwrap()
}

#[tokio::test]
async fn bindings_ask() {
    let p = pod("p", &[]);
    let Some(plain) = plugin(json!({})).await else { return };
    assert_eq!(plain.bind(&p, "n").await, Ok(Bind::Skip));
    assert_eq!(plain.post_bind(&p, "n").await, Ok(()));
    let told = super_plugin(json!({ "bind": "write", "pre-bind": "refuse" })).await;
    assert_eq!(told.bind(&p, "n").await, Ok(Bind::Write(vec![("bound-by".to_owned(), "points for p to n".to_owned())])));
    let unprepared = Some(Rejection { code: Code::Unschedulable, reason: "n is not prepared".to_owned() });
    assert_eq!(told.pre_bind(&p, "n").await, Ok(unprepared));
}
