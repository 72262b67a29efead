//! [`Plugin`]: what filters and scores nodes. Each is a row of [`table`]; files beside it are upstream's plugins of the
//! same names (`pkg/scheduler/framework/plugins`).

mod builtin;
mod foreign;
mod image_locality;
mod inter_pod_affinity;
mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_balanced;
mod node_resources_fit;
mod node_unschedulable;
mod pod_topology_spread;
pub mod table;
mod taint_toleration;

use crate::cluster::Images;
use crate::config::args::PreemptionArgs;
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::PodInfo;
use crate::topology::Namespaces;
use crate::workloads::Selectors;
use async_trait::async_trait;
use interfaces::schedule::{NodeTable, PluginError};

/// The best score of one plugin for one node.
pub const MAX_SCORE: i64 = 100;

/// What a plugin sees in one cycle; nothing of it changes meanwhile.
pub struct Cx<'a> {
    pub pod: &'a PodInfo,
    pub rows: Rows<'a>,
    /// The same rows as plugins outside see them; empty when there are none.
    pub table: &'a NodeTable,
    pub images: &'a Images,
    pub namespaces: &'a Namespaces,
    /// Of pods that are spread by default; `None` when no profile does that.
    pub selectors: Option<&'a dyn Selectors>,
    /// How many pods on nodes have affinity or anti-affinity to others.
    pub affine_pods: usize,
}

/// The nodes; candidates are indices into them. One may be another than it is, to see what would be.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    all: &'a [NodeRow],
    instead: Option<(u32, &'a NodeRow)>,
}

impl<'a> Rows<'a> {
    pub fn of(all: &'a [NodeRow]) -> Self {
        Self { all, instead: None }
    }
    pub fn with(self, at: u32, node: &'a NodeRow) -> Self {
        Self { instead: Some((at, node)), ..self }
    }
    pub fn get(&self, at: u32) -> Option<&'a NodeRow> {
        match self.instead {
            Some((replaced, node)) if replaced == at => Some(node),
            _ => self.all.get(at as usize),
        }
    }
    pub fn iter(&self) -> impl Iterator<Item = &'a NodeRow> + use<'a> {
        let (all, instead) = (self.all, self.instead);
        all.iter().enumerate().map(move |(at, node)| match instead {
            Some((replaced, other)) if replaced as usize == at => other,
            _ => node,
        })
    }
    pub fn len(&self) -> usize {
        self.all.len()
    }
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Methods default to "no opinion".
#[async_trait]
pub trait Plugin: Send + Sync {
    fn name(&self) -> &str;

    /// Takes the nodes that cannot take the pod out of `candidates` and tells `refused` why. On an error both are untouched.
    async fn filter(&self, _cx: &Cx<'_>, _candidates: &mut Vec<u32>, _refused: &mut Diagnosis) -> Result<(), PluginError> {
        Ok(())
    }

    /// Appends one score of 0..=[`MAX_SCORE`] for each candidate, in their order, or nothing at all.
    async fn score(&self, _cx: &Cx<'_>, _candidates: &[u32], _scores: &mut Vec<i64>) -> Result<(), PluginError> {
        Ok(())
    }

    /// What may change a refusal of this plugin.
    fn events(&self) -> Events {
        Events::ALL
    }

    /// Whether this event, one of [`Plugin::events`], may have changed the refusal of this pod.
    fn hint(&self, _pod: &PodInfo, _event: &Event<'_>) -> bool {
        true
    }

    /// The settings of the preemption that this plugin stands for.
    fn preemption(&self) -> Option<&PreemptionArgs> {
        None
    }
}

/// Keeps the candidates for which `check` has no reason. What most native filters are.
fn retain<R>(cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis, check: R)
where
    R: Fn(&NodeRow) -> Option<(interfaces::schedule::Code, &'static str)>,
{
    candidates.retain(|node| {
        let verdict = cx.rows.get(*node).and_then(&check);
        if let Some((code, reason)) = verdict {
            refused.refuse(*node, code, [reason.into()]);
        }
        verdict.is_none()
    });
}

/// `DefaultNormalizeScore`: scales to 0..=100 by the largest; reversed, the largest becomes 0.
fn normalize(scores: &mut [i64], reverse: bool) {
    let largest = scores.iter().copied().max().unwrap_or_default();
    for score in scores {
        let scaled = if largest == 0 { 0 } else { MAX_SCORE * *score / largest };
        *score = if reverse { MAX_SCORE - scaled } else { scaled };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::cycle::{Cycle, Failure, Nominated};
    use crate::testing::{node, pod, pod_with, profile};
    use interfaces::schedule::{Code, FailurePolicy, PluginRow, PluginSet, PodView, Points, Refusal, SchedulePlugin};
    use object::{Object, Value, json};
    use std::sync::Arc;

    /// Where a pod goes: the node's name, or the message.
    async fn place(nodes: &[Arc<Object>], before: &[Arc<PodInfo>], pod: &PodInfo, outside: PluginSet) -> String {
        let (mut cluster, mut cycle, profile) = (Cluster::default(), Cycle::default(), profile(&outside));
        for node in nodes {
            cluster.set_node(node.clone());
        }
        for pod in before {
            cluster.assume(pod.clone(), 0);
        }
        match cycle.find(pod, &mut cluster, &profile, &Nominated::default()).await {
            Ok(at) => cluster.rows()[at as usize].name.clone(),
            Err(Failure::Unfit) => cycle.diagnosis.message(nodes.len()),
            Err(Failure::NoNodes) => "no nodes".to_owned(),
            Err(Failure::Plugin(error)) => error.to_string(),
        }
    }

    async fn check(nodes: &[Arc<Object>], spec: Value, expect: &str) {
        let pod = pod_with("p", json!({ "spec": spec }));
        assert_eq!(place(nodes, &[], &pod, PluginSet::default()).await, expect, "{spec}");
    }

    fn tainted(name: &str, effect: &str) -> Arc<Object> {
        node(name, json!({ "spec": { "taints": [{ "key": "k", "value": "v", "effect": effect }] } }))
    }

    #[tokio::test]
    async fn filters_refuse_in_upstreams_words() {
        let plain = || [node("a", json!({}))];
        let one = "0/1 nodes are available: 1 ";
        check(&[], json!({}), "no nodes").await;
        check(&plain(), json!({}), "a").await;
        check(&plain(), json!({ "nodeSelector": { "x": "y" } }), &format!("{one}node(s) didn't match Pod's node affinity/selector.")).await;
        check(&plain(), json!({ "nodeName": "b" }), &format!("{one}node(s) didn't match the requested node name.")).await;
        let cordoned = [node("a", json!({ "spec": { "unschedulable": true } }))];
        check(&cordoned, json!({}), &format!("{one}node(s) were unschedulable.")).await;
        let tolerating = json!({ "tolerations": [{ "key": "node.kubernetes.io/unschedulable", "operator": "Exists" }] });
        check(&cordoned, tolerating, "a").await;
        for effect in ["NoSchedule", "NoExecute"] {
            check(&[tainted("a", effect)], json!({}), &format!("{one}node(s) had untolerated taint(s).")).await;
            check(&[tainted("a", effect)], json!({ "tolerations": [{ "operator": "Exists" }] }), "a").await;
            check(&[tainted("a", effect)], json!({ "tolerations": [{ "key": "k", "value": "v", "effect": effect }] }), "a").await;
            let other = json!({ "tolerations": [{ "key": "k", "value": "w" }] });
            check(&[tainted("a", effect)], other, &format!("{one}node(s) had untolerated taint(s).")).await;
        }
        let asks = |r: Value| json!({ "containers": [{ "name": "c", "resources": { "requests": r } }] });
        check(&plain(), asks(json!({ "cpu": "5" })), &format!("{one}Insufficient cpu.")).await;
        let both = asks(json!({ "cpu": "5", "memory": "9Gi", "x/y": "1" }));
        check(&plain(), both, &format!("{one}Insufficient cpu, 1 Insufficient memory, 1 Insufficient x/y.")).await;
        let full = [node("a", json!({ "status": { "allocatable": { "pods": "0" } } }))];
        check(&full, json!({}), &format!("{one}Too many pods.")).await;
        let mixed = [cordoned[0].clone(), tainted("b", "NoSchedule"), tainted("c", "NoExecute")];
        check(&mixed, json!({}), "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint(s).").await;
    }

    #[tokio::test]
    async fn ports_are_used_once() {
        let port = |p: Value| json!({ "containers": [{ "name": "c", "ports": [p] }] });
        let before = pod_with("old", json!({ "spec": port(json!({ "hostPort": 80, "hostIP": "10.0.0.1" })) }));
        let refused = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
        for (wanted, expect) in [
            (json!({ "hostPort": 80 }), refused),
            (json!({ "hostPort": 80, "hostIP": "10.0.0.1" }), refused),
            (json!({ "hostPort": 80, "hostIP": "10.0.0.2" }), "a"),
            (json!({ "hostPort": 80, "protocol": "UDP" }), "a"),
            (json!({ "hostPort": 81 }), "a"),
            (json!({ "containerPort": 80 }), "a"),
        ] {
            let pod = pod_with("p", json!({ "spec": port(wanted) }));
            let told = place(&[node("a", json!({}))], std::slice::from_ref(&before), &pod, PluginSet::default()).await;
            assert_eq!(told, expect);
        }
    }

    #[tokio::test]
    async fn scores_prefer_as_upstream() {
        // Which of two nodes.
        let pair = |a: Value, b: Value| [node("a", a), node("b", b)];
        check(&[tainted("a", "PreferNoSchedule"), node("b", json!({}))], json!({}), "b").await;
        let labelled = pair(json!({}), json!({ "metadata": { "labels": { "disk": "ssd" } } }));
        let preferred =
            json!({ "weight": 1, "preference": { "matchExpressions": [{ "key": "disk", "operator": "In", "values": ["ssd"] }] } });
        let spec = json!({ "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [preferred] } } });
        check(&labelled, spec, "b").await;
        let image = |mib: i64| json!({ "status": { "images": [{ "names": ["r/i:latest"], "sizeBytes": mib * 1024 * 1024 }] } });
        check(&pair(json!({}), image(500)), json!({ "containers": [{ "image": "r/i" }] }), "b").await;
        // The emptier one.
        let old = pod("old", json!({ "cpu": "1", "memory": "2Gi" }));
        let told =
            place(&pair(json!({}), json!({})), &[old], &pod("p", json!({ "cpu": "1", "memory": "2Gi" })), PluginSet::default()).await;
        assert_eq!(told, "b");
    }

    /// Two zones of one node each, `a` and `b`; the pods are on `a`.
    async fn check_together(before: &[Arc<PodInfo>], more: Value, expect: &str) {
        let zoned = |name: &str| node(name, json!({ "metadata": { "labels": { "zone": name } } }));
        let pod = pod_with("p", more);
        let told = place(&[zoned("a"), zoned("b")], before, &pod, PluginSet::default()).await;
        assert_eq!(told, expect, "{:?}", pod.object);
    }

    #[tokio::test]
    async fn pods_are_near_or_apart() {
        let term = |app: &str| json!({ "labelSelector": { "matchLabels": { "app": app } }, "topologyKey": "zone" });
        let required = |kind: &str, app: &str| json!({ "spec": { "affinity": { kind: { "requiredDuringSchedulingIgnoredDuringExecution": [term(app)] } } } });
        let preferred = |kind: &str, app: &str| {
            let term = json!({ "weight": 100, "podAffinityTerm": term(app) });
            json!({ "spec": { "affinity": { kind: { "preferredDuringSchedulingIgnoredDuringExecution": [term] } } } })
        };
        let web = [pod_with("web", json!({ "metadata": { "labels": { "app": "web" } } }))];
        check_together(&web, required("podAffinity", "web"), "a").await;
        check_together(&web, required("podAntiAffinity", "web"), "b").await;
        check_together(&web, preferred("podAffinity", "web"), "a").await;
        check_together(&web, preferred("podAntiAffinity", "web"), "b").await;
        check_together(&web, required("podAffinity", "db"), "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.").await;
        let mut own_group = required("podAffinity", "web");
        own_group["metadata"] = json!({ "labels": { "app": "web" } });
        check_together(&web, own_group, "a").await;
        let mut first = required("podAntiAffinity", "web");
        first["spec"]["affinity"]["podAffinity"] = json!({ "requiredDuringSchedulingIgnoredDuringExecution": [term("new")] });
        first["metadata"] = json!({ "labels": { "app": "new" } });
        check_together(&web, first, "b").await;
        let loner = [pod_with("loner", required("podAntiAffinity", "web"))];
        check_together(&loner, json!({ "metadata": { "labels": { "app": "web" } } }), "b").await;
        let elsewhere = [pod_with("x", json!({ "metadata": { "labels": { "app": "web" }, "namespace": "other" } }))];
        check_together(&elsewhere, required("podAffinity", "web"), "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.")
            .await;
    }

    #[tokio::test]
    async fn pods_are_spread() {
        let spread = |when: &str, key: &str| {
            let constraint = json!({ "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": { "matchLabels": { "app": "web" } } });
            json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "topologySpreadConstraints": [constraint] } })
        };
        let web = |name: &str| pod_with(name, json!({ "metadata": { "labels": { "app": "web" } } }));
        check_together(&[web("1")], spread("DoNotSchedule", "zone"), "b").await;
        check_together(&[web("1"), web("2")], spread("ScheduleAnyway", "zone"), "b").await;
        let missing = "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints (missing required label).";
        check_together(&[], spread("DoNotSchedule", "rack"), missing).await;
        let mut only_a = spread("DoNotSchedule", "zone");
        only_a["spec"]["nodeSelector"] = json!({ "zone": "a" });
        check_together(&[web("1"), web("2")], only_a.clone(), "a").await;
        only_a["spec"]["topologySpreadConstraints"][0]["nodeAffinityPolicy"] = json!("Ignore");
        let told = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match pod topology spread constraints.";
        check_together(&[web("1"), web("2")], only_a, told).await;
    }

    /// Refuses nodes by name, likes one, or fails.
    struct Outside {
        refuse: &'static str,
        like: &'static str,
        fail: bool,
    }

    #[async_trait]
    impl SchedulePlugin for Outside {
        fn name(&self) -> &str {
            "outside"
        }
        async fn filter(&self, _pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
            if self.fail {
                return Err(PluginError::Trap { plugin: "outside".into(), cause: "unreachable".into() });
            }
            let refused = candidates.iter().filter(|node| nodes.nodes[**node as usize].name == self.refuse);
            Ok(refused.map(|node| Refusal { node: *node, code: Code::Unschedulable, reason: "no, thank you".into() }).collect())
        }
        async fn score(&self, _pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
            Ok(candidates.iter().map(|node| i64::from(nodes.nodes[*node as usize].name == self.like) * 100).collect())
        }
    }

    #[tokio::test]
    async fn plugins_from_outside_are_rows_like_others() {
        let set = |refuse, like, fail, failure_policy| -> PluginSet {
            let plugin = Arc::new(Outside { refuse, like, fail });
            let points = Points::FILTER | Points::SCORE;
            Arc::new(vec![PluginRow { plugin, points, weight: 100, failure_policy, profiles: Vec::new() }])
        };
        let nodes = [node("a", json!({})), node("b", json!({}))];
        for (set, nodes, expect) in [
            (set("a", "", false, FailurePolicy::Fail), &nodes[..], "b"),
            (set("a", "", false, FailurePolicy::Fail), &nodes[..1], "0/1 nodes are available: 1 no, thank you."),
            (set("", "a", false, FailurePolicy::Fail), &nodes[..], "a"),
            (set("", "b", false, FailurePolicy::Fail), &nodes[..], "b"),
            (set("", "", true, FailurePolicy::Fail), &nodes[..], "plugin outside trapped: unreachable"),
            (set("", "b", true, FailurePolicy::Ignore), &nodes[..1], "a"),
        ] {
            assert_eq!(place(nodes, &[], &pod("p", json!({})), set).await, expect);
        }
    }
}
