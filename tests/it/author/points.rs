//! Every extension point by the SDK: what `author_sdk_has_every_extension_point` builds in place of a template's source.

use coracle_plugin::scheduler::{
    Bind, BindOutcome, EventKinds, Filter, Node, Normalize, Permit, PermitOutcome, Pod, PostBind, PostFilter, PostFilterOutcome, PreBind,
    PreEnqueue, PreFilter, PreFilterExtensions, PreFilterOutcome, PreScore, PreScoreOutcome, QueueSort, RawScore, Refused, Rejection,
    Requeue, Reserve, Room, Table, Verdict, entry, running_pods,
};
use coracle_plugin::state;

struct All;

/// As many pods as the pod says.
struct Most(u32);

impl PreEnqueue for All {
    fn gate(pod: &Pod) -> Result<Option<String>, String> {
        Ok(pod.label("gate").map(|gate| format!("waits for {gate}")))
    }
}

impl QueueSort for All {
    fn key(pod: &Pod) -> Result<Vec<i64>, String> {
        Ok(vec![-i64::from(pod.priority), pod.requests.milli_cpu])
    }
}

impl Requeue for All {
    fn cares_about() -> EventKinds {
        EventKinds::POD_FREED
    }
}

impl PreFilter for All {
    fn pre_filter(pod: &Pod, nodes: &Table<Node>) -> Result<PreFilterOutcome, String> {
        let Some(zone) = pod.label("zone") else { return Ok(PreFilterOutcome::Pass) };
        let there = nodes.numbered().filter(|(_, node)| node.label("zone") == Some(zone));
        Ok(PreFilterOutcome::Only(there.map(|(number, _)| number).collect()))
    }
}

impl Filter for Most {
    fn of(pod: &Pod) -> Result<Option<Self>, String> {
        Ok(pod.label("most").and_then(|most| most.parse().ok()).map(Self))
    }

    fn judge(&self, node: &Node) -> Verdict {
        if node.usage.pods < self.0 { Verdict::Pass } else { Verdict::refuse("node(s) had enough pods") }
    }
}

impl PreFilterExtensions for Most {}

impl PostFilter for All {
    fn post_filter(_pod: &Pod, _nodes: &Table<Node>, plugins: &[String], refused: &[Refused]) -> Result<PostFilterOutcome, String> {
        for refused in refused.iter().filter(|refused| refused.resolvable) {
            if let Some(spare) = running_pods(refused.node).into_iter().find(|pod| pod.label("spare").is_some()) {
                return Ok(PostFilterOutcome::Nominate(Room { node: refused.node, victims: vec![spare.uid] }));
            }
        }
        Ok(PostFilterOutcome::Nothing(format!("nobody can be spared by {}", plugins.join(", "))))
    }
}

impl PreScore for All {
    fn pre_score(_pod: &Pod, nodes: &[&Node]) -> Result<PreScoreOutcome, String> {
        Ok(if nodes.len() > 1 { PreScoreOutcome::Pass } else { PreScoreOutcome::Skip })
    }
}

impl RawScore for All {
    fn of(_pod: &Pod) -> Result<Option<Self>, String> {
        Ok(Some(Self))
    }

    fn score(&self, node: &Node) -> i64 {
        i64::from(node.usage.pods) * 1000
    }
}

impl Normalize for All {}

impl Reserve for All {
    fn reserve(pod: &Pod, node: &str) -> Result<Option<Rejection>, String> {
        match state::replace(&format!("held.{node}"), None, pod.uid.as_bytes()) {
            Ok(()) => Ok(None),
            Err(_) => Ok(Some(Rejection::new(format!("{node} is held")))),
        }
    }
}

impl Permit for All {
    fn permit(pod: &Pod, _node: &str) -> Result<PermitOutcome, String> {
        Ok(if pod.label("patient").is_some() { PermitOutcome::Wait(1500) } else { PermitOutcome::Allow })
    }
}

impl PreBind for All {
    fn pre_bind(pod: &Pod, node: &str) -> Result<Option<Rejection>, String> {
        Ok(pod.label("never").map(|_| Rejection::never(format!("not to {node}"))))
    }
}

impl Bind for All {
    fn bind(_pod: &Pod, node: &str) -> Result<BindOutcome, String> {
        Ok(BindOutcome::Write(vec![entry("example.org/bound-to", node)]))
    }
}

impl PostBind for All {
    fn post_bind(pod: &Pod, node: &str) -> Result<(), String> {
        coracle_plugin::info!("{} is on {node}", pod.name);
        Ok(())
    }
}

coracle_plugin::scheduler!(
    pre_enqueue: All,
    queue_sort: All,
    requeue: All,
    pre_filter: All,
    filter: Most,
    pre_filter_extensions: Most,
    post_filter: All,
    pre_score: All,
    raw_score: All,
    normalize: All,
    reserve: All,
    permit: All,
    pre_bind: All,
    bind: All,
    post_bind: All,
);
