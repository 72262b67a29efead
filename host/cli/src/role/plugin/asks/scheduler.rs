//! World `scheduler`: `nodes`, `pods` on them, a `pod` to place and, for the points after the choice, the `node` that was chosen.

use super::super::cases::Case;
use super::{object, objects};
use anyhow::{Context, Result};
use interfaces::schedule::{
    Bind, Code, Permit, PluginError, PluginRow, PodView, PodsOn, Points, PostFilter, PreFilter, PreScore, Refusal, Refused,
};
use object::{Object, Value, json};
use scheduler::cluster::Cluster;
use scheduler::pod::PodInfo;
use serde_json::Map;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Asks every extension point that the plugin's object names, in the order of a cycle.
pub async fn ask(row: &PluginRow, case: &Case) -> Result<Map<String, Value>> {
    let mut cluster = Cluster::default();
    for node in objects(case, "nodes")? {
        cluster.set_node(Arc::new(whole(node, node_defaults())));
    }
    for pod in objects(case, "pods")? {
        cluster.place(Arc::new(PodInfo::new(Arc::new(whole(pod, pod_defaults())))));
    }
    cluster.refresh_table();
    let pod = object(case, "pod")?.with_context(|| format!("{}: it has no `pod`", case.name))?;
    let pod = PodInfo::new(Arc::new(whole(pod, pod_defaults())));
    let node = case.given.get("node").and_then(Value::as_str);
    let mut answer = Map::new();
    if let Err(error) = cycle(row, &cluster, &pod, node, &mut answer).await {
        answer.insert("error".to_owned(), json!(error.to_string()));
    }
    Ok(answer)
}

async fn cycle(
    row: &PluginRow,
    cluster: &Cluster,
    pod: &PodInfo,
    node: Option<&str>,
    answer: &mut Map<String, Value>,
) -> Result<(), PluginError> {
    let (plugin, points, view, table) = (&row.plugin, row.points, pod.view(), cluster.table());
    let name = |number: u32| table.nodes.get(number as usize).map(|node| node.name.clone()).unwrap_or_default();
    let mut say = |key: &str, value: Value| drop(answer.insert(key.to_owned(), value));
    if points.has(Points::PRE_ENQUEUE) {
        say("preEnqueue", json!(plugin.pre_enqueue(&[view]).await?.into_iter().next().flatten()));
    }
    if points.has(Points::QUEUE_SORT) {
        say("sortKey", json!(plugin.sort_keys(&[view]).await?.first().map(|key| key.to_vec())));
    }
    let mut candidates: Vec<u32> = (0..).take(table.nodes.len()).collect();
    let mut filters = points.has(Points::FILTER);
    if points.has(Points::PRE_FILTER) {
        match plugin.pre_filter(view, table).await? {
            PreFilter::Pass => say("preFilter", json!("pass")),
            PreFilter::Skip => {
                say("preFilter", json!("skip"));
                filters = false;
            }
            PreFilter::Only(numbers) => {
                candidates.retain(|number| numbers.contains(number));
                say("preFilter", json!({ "only": candidates.iter().map(|n| name(*n)).collect::<BTreeSet<_>>() }));
            }
            PreFilter::Refuse(rejection) => {
                say("preFilter", json!({ "refuse": rejection.reason }));
                return Ok(());
            }
        }
    }
    let mut refused = Vec::new();
    if filters {
        refused = plugin.filter(view, table, &candidates).await?;
        candidates.retain(|number| refused.iter().all(|refusal| refusal.node != *number));
        let reasons: Map<String, Value> = refused.iter().map(|refusal| (name(refusal.node), json!(&*refusal.reason))).collect();
        say("filter", Value::Object(reasons));
        // Nodes that preemption need not look at.
        let never: BTreeSet<String> =
            refused.iter().filter(|refusal| refusal.code == Code::UnschedulableAndUnresolvable).map(|refusal| name(refusal.node)).collect();
        say("unresolvable", json!(never));
    }
    if candidates.is_empty() && points.has(Points::POST_FILTER) {
        let by_it = |refusal: &Refusal| Refused { node: refusal.node, code: refusal.code, plugin: plugin.name() };
        let told: Vec<Refused<'_>> = refused.iter().map(by_it).collect();
        let pods: Arc<dyn PodsOn> = Arc::new(Placed(cluster.rows().iter().map(|row| row.pods.clone()).collect()));
        say(
            "postFilter",
            match plugin.post_filter(view, table, &told, &pods).await? {
                PostFilter::Nothing(reason) => json!({ "nothing": reason }),
                PostFilter::Unresolvable(reason) => json!({ "unresolvable": reason }),
                PostFilter::Nominate { node, victims } => json!({ "node": name(node), "victims": victims }),
            },
        );
    }
    let mut scores = points.has(Points::SCORE);
    if points.has(Points::PRE_SCORE) {
        let skips = plugin.pre_score(view, table, &candidates).await? == PreScore::Skip;
        say("preScore", json!(if skips { "skip" } else { "pass" }));
        scores &= !skips;
    }
    if scores {
        let mut given = plugin.score(view, table, &candidates).await?;
        if points.has(Points::SCORE_NORMALIZE) && !given.is_empty() {
            given = plugin.normalize(view, table, &candidates, given).await?;
        }
        let given: Map<String, Value> = candidates.iter().zip(given).map(|(number, score)| (name(*number), json!(score))).collect();
        say("score", Value::Object(given));
    }
    let Some(node) = node else { return Ok(()) };
    let rejected = |rejection: Option<interfaces::schedule::Rejection>| json!(rejection.map(|rejection| rejection.reason));
    if points.has(Points::RESERVE) {
        say("reserve", rejected(plugin.reserve(view, node).await?));
    }
    if points.has(Points::PERMIT) {
        say(
            "permit",
            match plugin.permit(view, node).await? {
                Permit::Allow => json!("allow"),
                Permit::Deny(reason) => json!({ "deny": reason }),
                Permit::Wait(time) => json!({ "waitMilliseconds": u64::try_from(time.as_millis()).unwrap_or(u64::MAX) }),
            },
        );
    }
    if points.has(Points::PRE_BIND) {
        say("preBind", rejected(plugin.pre_bind(view, node).await?));
    }
    if points.has(Points::BIND) {
        say(
            "bind",
            match plugin.bind(view, node).await? {
                Bind::Skip => json!("skip"),
                Bind::Done => json!("done"),
                Bind::Write(annotations) => json!({ "annotations": annotations.into_iter().collect::<std::collections::BTreeMap<_, _>>() }),
            },
        );
    }
    if points.has(Points::POST_BIND) {
        plugin.post_bind(view, node).await?;
    }
    Ok(())
}

/// The pods of each node, by its number.
struct Placed(Vec<Vec<Arc<PodInfo>>>);

impl PodsOn for Placed {
    fn on(&self, node: u32) -> Vec<&PodView> {
        self.0.get(node as usize).into_iter().flatten().map(|pod| pod.view()).collect()
    }
}

fn node_defaults() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "spec": {}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}})
}

fn pod_defaults() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "uid": "uid"}, "spec": {"schedulerName": "default-scheduler"}})
}

/// What a case leaves out.
fn whole(object: Object, defaults: Value) -> Object {
    let mut value = defaults;
    object::patch::merge::apply(&mut value, &object.into_value());
    Object::from_value(value).unwrap_or_default()
}
