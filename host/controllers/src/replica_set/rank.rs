//! Which pods go first when there are too many: `ActivePodsWithRanks` of `pkg/controller/controller_utils.go`.

use crate::view::{items, list, pod, text};
use object::{Object, Value};
use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

/// Annotation by which users rank pods: lower goes first (KEP-2255).
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Everything that decides, in the order it decides; smaller goes first.
type Rank = (bool, u8, bool, i64, Reverse<usize>, Recent, Reverse<i64>, Recent, String);

/// The pods to delete, `count` of them. `related` are the active pods whose spread over nodes counts.
pub(super) fn to_delete(active: &[Arc<Object>], related: &[Arc<Object>], count: usize, now: SystemTime) -> Vec<Arc<Object>> {
    let mut per_node: HashMap<&str, usize> = HashMap::new();
    for pod in related {
        *per_node.entry(node(pod)).or_default() += 1;
    }
    let mut ranked: Vec<(Rank, &Arc<Object>)> = active.iter().map(|p| (rank(p, &per_node, now), p)).collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0));
    ranked.into_iter().take(count).map(|(_, p)| p.clone()).collect()
}

fn rank(p: &Object, per_node: &HashMap<&str, usize>, now: SystemTime) -> Rank {
    let phase = match pod::phase(p) {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let cost = p.annotation(DELETION_COST).and_then(|c| c.parse().ok()).unwrap_or(0);
    let doubled = per_node.get(node(p)).copied().unwrap_or_default();
    let ready = pod::is_ready(p);
    let since = if ready { Recent::of(pod::ready_since(p), now) } else { Recent(None) };
    let created = Recent::of(p.str_at(&["metadata", "creationTimestamp"]), now);
    (!node(p).is_empty(), phase, ready, cost, Reverse(doubled), since, Reverse(restarts(p)), created, p.uid().to_owned())
}

fn node(pod: &Object) -> &str {
    pod.str_at(&["spec", "nodeName"])
}

fn restarts(p: &Object) -> i64 {
    let sidecars: Vec<&str> =
        list(p, &["spec", "initContainers"]).iter().filter(|c| text(c, "restartPolicy") == "Always").map(|c| text(c, "name")).collect();
    let count = |c: &Value| c.get("restartCount").and_then(Value::as_i64).unwrap_or_default();
    let status = p.at(&["status"]).unwrap_or(&Value::Null);
    let main = items(status, "containerStatuses").iter().map(count);
    let of_sidecars = items(status, "initContainerStatuses").iter().filter(|c| sidecars.contains(&text(c, "name"))).map(count);
    main.chain(of_sidecars).max().unwrap_or_default()
}

/// An age by its magnitude: younger goes first, and ages of the same power of two are equal, so that a scale-down does not
/// always hit the newest (KEP-2185). An unknown age comes before all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recent(Option<u32>);

impl Recent {
    fn of(instant: &str, now: SystemTime) -> Self {
        let age = crate::view::elapsed(instant, now);
        // log2 in nanoseconds, as upstream takes it.
        Self(age.map(|a| u64::try_from(a.as_nanos()).unwrap_or(u64::MAX).checked_ilog2().unwrap_or_default()))
    }
}

impl Ord for Recent {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Recent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn pod(uid: &str, change: impl FnOnce(&mut Value)) -> Arc<Object> {
        let mut pod = json!({
            "metadata": {"uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"nodeName": "n"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        });
        change(&mut pod);
        Arc::new(Object::from_value(pod).unwrap())
    }

    #[test]
    fn the_least_useful_pods_go_first() {
        let now = object::time::parse("2026-01-02T00:00:00Z").unwrap();
        let pods = [
            pod("old", |_| ()),
            pod("young", |p| p["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T23:59:00Z")),
            pod("cheap", |p| p["metadata"]["annotations"] = json!({DELETION_COST: "-5"})),
            pod("unready", |p| p["status"]["conditions"][0]["status"] = json!("False")),
            pod("pending", |p| p["status"] = json!({"phase": "Pending"})),
            pod("unassigned", |p| p["spec"] = json!({})),
            pod("doubled", |p| p["spec"]["nodeName"] = json!("m")),
            pod("restarting", |p| p["status"]["containerStatuses"] = json!([{"restartCount": 9}])),
        ];
        let other = pod("other", |p| p["spec"]["nodeName"] = json!("m"));
        let mut related: Vec<_> = pods.iter().filter(|p| p.uid() == "doubled" || p.uid() == "old").cloned().collect();
        related.push(other);
        let order: Vec<String> = to_delete(&pods, &related, pods.len(), now).iter().map(|p| p.uid().to_owned()).collect();
        assert_eq!(order, ["unassigned", "pending", "unready", "cheap", "doubled", "young", "restarting", "old"]);
        assert_eq!(to_delete(&pods, &related, 2, now).len(), 2);
    }
}
