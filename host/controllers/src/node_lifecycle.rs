//! Nodes that fall silent: their conditions become Unknown, taints follow the conditions. Upstream
//! `pkg/controller/nodelifecycle/node_lifecycle_controller.go`. What a taint does to pods is `taint_eviction.rs`.

use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{condition, flag, list, text};
use async_trait::async_trait;
use client::{Cache, Change, Client, Patch, Recorder, Type, gvr};
use object::{Gvr, Object, Value, json};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LEASES: &str = "kube-node-lease";

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Conditions that keep pods from being scheduled while they have this status: (condition, status, taint).
const TAINTED: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];

/// What a silent node's conditions are, beside Ready.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(NodeLifecycle {
        client: context.client.clone(),
        nodes: context.client.cache(&gvr::nodes()),
        leases: context.client.cache(&gvr::leases()),
        pods: context.client.cache(&gvr::pods()),
        events: context.client.recorder("node-controller", ""),
        grace: context.config.node_grace,
        startup_grace: context.config.node_startup_grace,
        signs: Mutex::default(),
    })
}

struct NodeLifecycle {
    client: Client,
    nodes: Arc<Cache>,
    leases: Arc<Cache>,
    pods: Arc<Cache>,
    events: Recorder,
    grace: Duration,
    startup_grace: Duration,
    /// The last sign of life of each node, by our own clock: clocks of nodes may differ.
    signs: Mutex<HashMap<String, Sign>>,
}

struct Sign {
    /// What was seen: the lease's renewal and the node's own heartbeats.
    seen: (String, String),
    at: Instant,
}

#[async_trait]
impl Controller for NodeLifecycle {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::nodes(), gvr::leases(), gvr::pods()]
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        match gvr.resource.as_str() {
            "nodes" => vec![Key::changed(change)],
            "leases" if change.namespace == LEASES => vec![Key::new("", &change.name)],
            _ => Vec::new(),
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(node) = self.nodes.get("", &key.name) else {
            self.signs.lock().remove(&key.name);
            return Ok(Next::done());
        };
        let (silent_for, never) = self.listen(&node);
        let grace = if never { self.startup_grace } else { self.grace };
        if silent_for < grace {
            self.taint(&node).await?;
            if condition(&node, "Ready").is_some_and(|c| text(c, "status") != "True") {
                self.mark_pods(&node).await?;
            }
            return Ok(Next::after(grace - silent_for));
        }
        let node = self.mark_unknown(&node, never).await?;
        self.taint(&node).await?;
        self.mark_pods(&node).await?;
        // A sign of life is a change, which brings the key back.
        Ok(Next::done())
    }
}

impl NodeLifecycle {
    /// How long the node has been silent, and whether it never reported at all.
    fn listen(&self, node: &Object) -> (Duration, bool) {
        let renewed = self.leases.get(LEASES, node.name());
        let renewed = renewed.map(|l| l.str_at(&["spec", "renewTime"]).to_owned()).unwrap_or_default();
        let beat = condition(node, "Ready").map(|c| text(c, "lastHeartbeatTime").to_owned()).unwrap_or_default();
        let never = renewed.is_empty() && beat.is_empty();
        let mut signs = self.signs.lock();
        let now = Instant::now();
        let sign = signs.entry(node.name().to_owned()).or_insert_with(|| Sign { seen: Default::default(), at: now });
        // What this controller writes itself is no sign: it leaves heartbeat times alone.
        if sign.seen != (renewed.clone(), beat.clone()) {
            *sign = Sign { seen: (renewed, beat), at: now };
        }
        (now.duration_since(sign.at), never)
    }

    async fn mark_unknown(&self, node: &Arc<Object>, never: bool) -> Result<Arc<Object>, Error> {
        let (reason, words) = if never {
            ("NodeStatusNeverUpdated", "Kubelet never posted node status.")
        } else {
            ("NodeStatusUnknown", "Kubelet stopped posting node status.")
        };
        let mut all = list(node, &["status", "conditions"]).to_vec();
        let now = object::time::now();
        for ty in REPORTED {
            match all.iter_mut().find(|c| text(c, "type") == ty) {
                Some(present) if text(present, "status") == "Unknown" => {}
                Some(present) => {
                    present["status"] = json!("Unknown");
                    present["reason"] = json!(reason);
                    present["message"] = json!(words);
                    present["lastTransitionTime"] = json!(now);
                }
                None => all.push(json!({
                    "type": ty, "status": "Unknown", "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.", "lastTransitionTime": now,
                })),
            }
        }
        if all == list(node, &["status", "conditions"]) {
            return Ok(node.clone());
        }
        let mut changed = Object::clone(node);
        changed.set_at(&["status", "conditions"], Value::Array(all));
        let written = self.client.api(&gvr::nodes()).update_status("", &changed).await?;
        let told = format!("Node {} status is now: NodeNotReady", node.name());
        self.events.event(&node.reference(), Type::Normal, "NodeNotReady", &told);
        Ok(Arc::new(written))
    }

    /// Taints follow conditions; foreign taints stay.
    async fn taint(&self, node: &Object) -> Result<(), Error> {
        let present = list(node, &["spec", "taints"]);
        let wanted = taints(node, &object::time::now());
        if wanted == present {
            return Ok(());
        }
        let taints = if wanted.is_empty() { Value::Null } else { Value::Array(wanted) };
        let patch = json!({ "metadata": { "resourceVersion": node.resource_version() }, "spec": { "taints": taints } });
        self.client.api(&gvr::nodes()).patch("", node.name(), None, &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Nobody on a node that is not ready can tell that its pods are: services must not send them anything
    /// (`MarkPodsNotReady`).
    async fn mark_pods(&self, node: &Object) -> Result<(), Error> {
        if crate::view::has_condition(node, "Ready", "False") {
            // The node agent is alive and tells of its pods itself.
            return Ok(());
        }
        let on_node = |p: &Arc<Object>| p.str_at(&["spec", "nodeName"]) == node.name() && crate::view::pod::is_ready(p);
        for pod in self.pods.list("").iter().filter(|p| on_node(p)) {
            let mut changed = Object::clone(pod);
            let mut all = list(pod, &["status", "conditions"]).to_vec();
            for ready in all.iter_mut().filter(|c| text(c, "type") == "Ready") {
                ready["status"] = json!("False");
                ready["lastTransitionTime"] = json!(object::time::now());
            }
            changed.set_at(&["status", "conditions"], Value::Array(all));
            match self.client.api(&gvr::pods()).update_status(pod.namespace(), &changed).await {
                Ok(_) => self.events.event(&pod.reference(), Type::Warning, "NodeNotReady", "Node is not ready"),
                Err(e) if e.is_not_found() => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

/// The taints that a node should have: those it has, with ours added and removed.
fn taints(node: &Object, now: &str) -> Vec<Value> {
    let has = |ty: &str, status: &str| condition(node, ty).is_some_and(|c| text(c, "status") == status);
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    for (ty, status, taint) in TAINTED {
        if has(ty, status) {
            wanted.push((taint, "NoSchedule"));
            if ty == "Ready" {
                wanted.push((taint, "NoExecute"));
            }
        }
    }
    if flag(node, &["spec", "unschedulable"]) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    let is_ours = |t: &Value| {
        let key = text(t, "key");
        let by_condition = TAINTED.iter().any(|(_, _, taint)| *taint == key);
        (by_condition || key == UNSCHEDULABLE) && (text(t, "effect") == "NoSchedule" || [NOT_READY, UNREACHABLE].contains(&key))
    };
    let keeps = |t: &&Value| !is_ours(t) || wanted.iter().any(|(key, effect)| text(t, "key") == *key && text(t, "effect") == *effect);
    let mut taints: Vec<Value> = list(node, &["spec", "taints"]).iter().filter(keeps).cloned().collect();
    for (key, effect) in wanted {
        if !taints.iter().any(|t| text(t, "key") == key && text(t, "effect") == effect) {
            // The time matters where it begins a pod's tolerationSeconds.
            taints.push(json!({ "key": key, "effect": effect, "timeAdded": now }));
        }
    }
    taints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_follow_conditions_and_leave_others_alone() {
        let foreign = json!({"key": "mine", "effect": "NoSchedule"});
        let check = |conditions: Value, unschedulable: bool, present: Value, expect: &[&str]| {
            let spec = json!({"unschedulable": unschedulable, "taints": present});
            let node = Object::from_value(json!({"spec": spec, "status": {"conditions": conditions}})).unwrap();
            let told: Vec<String> = taints(&node, "t").iter().map(|t| format!("{}:{}", text(t, "key"), text(t, "effect"))).collect();
            assert_eq!(told, expect);
        };
        let ready = |status: &str| json!([{"type": "Ready", "status": status}]);
        let not_ready = json!([{"key": NOT_READY, "effect": "NoExecute"}, {"key": NOT_READY, "effect": "NoSchedule"}]);
        check(ready("True"), false, json!([foreign]), &["mine:NoSchedule"]);
        check(ready("True"), false, not_ready.clone(), &[]);
        check(
            ready("Unknown"),
            false,
            not_ready,
            &["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"],
        );
        check(ready("True"), true, json!(null), &["node.kubernetes.io/unschedulable:NoSchedule"]);
        check(json!([]), false, json!([]), &[]);
    }
}
