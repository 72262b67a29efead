//! Making room for a pod of higher priority: `pkg/scheduler/framework/plugins/defaultpreemption` and
//! `pkg/scheduler/framework/preemption`.

use crate::cluster::Cluster;
use crate::config::args::PreemptionArgs;
use crate::diagnosis::{Diagnosis, Refused};
use crate::dry_run::simulate;
use crate::node::NodeRow;
use crate::plugins::Cx;
use crate::pod::PodInfo;
use crate::profile::Profile;
use interfaces::schedule::Code;
use std::cmp::Reverse;
use std::sync::Arc;

const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

/// What a dry run asks.
pub(crate) struct Asked<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) args: &'a PreemptionArgs,
    /// Rows that have no say in this cycle.
    pub(crate) off: &'a [usize],
    pub(crate) refused: &'a Diagnosis,
}

pub(crate) enum Outcome {
    /// In upstream's words, after `preemption: `.
    Nothing(String),
    /// The pod may not preempt, or not now.
    NotEligible(String),
    /// These pods must go for the pod to fit on this node.
    Room { node: String, victims: Vec<Arc<PodInfo>> },
}

/// Looks for a node that would take the pod without some pods of lower priority.
pub(crate) async fn preempt(pod: &PodInfo, cluster: &Cluster, asked: &Asked<'_>) -> Outcome {
    if pod.never_preempts() {
        return Outcome::NotEligible("not eligible due to preemptionPolicy=Never.".to_owned());
    }
    if leaving_from_nominated(pod, cluster) {
        return Outcome::NotEligible("not eligible due to a terminating pod on the nominated node.".to_owned());
    }
    let cx = cluster.cx(pod);
    let mut told = Diagnosis::default();
    let mut found: Vec<(String, Vec<Arc<PodInfo>>)> = Vec::new();
    let all = asked.refused.refused();
    let limit = (all.len() * asked.args.percentage / 100).max(asked.args.absolute);
    for Refused { node, code, row: refuser } in all {
        let Some(row) = cx.rows.get(*node) else { continue };
        // Whether a plugin outside would change its mind cannot be known without doing it.
        let knowable = asked.profile.rows().get(*refuser).is_some_and(|r| r.simulates());
        if *code == Code::UnschedulableAndUnresolvable || !knowable {
            told.refuse(*node, *code, [NOT_HELPFUL.into()]);
            continue;
        }
        if found.len() >= limit {
            continue;
        }
        match victims_on(&cx, *node, row, asked).await {
            Ok(victims) => found.push((row.name.clone(), victims)),
            Err(reasons) => told.refuse(*node, *code, reasons.into_iter().map(Into::into)),
        }
    }
    match found.into_iter().min_by_key(|(_, victims)| cost(victims)) {
        Some((node, victims)) => Outcome::Room { node, victims },
        None => Outcome::Nothing(told.message(cx.rows.len())),
    }
}

/// An earlier preemption of this pod is still under way.
fn leaving_from_nominated(pod: &PodInfo, cluster: &Cluster) -> bool {
    let on_node = cluster.row(pod.nominated_node()).map(|row| row.pods.as_slice()).unwrap_or_default();
    on_node.iter().any(|p| p.priority < pod.priority && p.object.is_deleting())
}

/// The fewest and least important pods that must go, the most important first; or why it does not help.
async fn victims_on(cx: &Cx<'_>, at: u32, row: &NodeRow, asked: &Asked<'_>) -> Result<Vec<Arc<PodInfo>>, Vec<String>> {
    let mut lower: Vec<Arc<PodInfo>> = row.pods.iter().filter(|p| p.priority < cx.pod.priority).cloned().collect();
    if lower.is_empty() {
        return Err(vec![NO_VICTIMS.to_owned()]);
    }
    let mut without = row.clone();
    for pod in &lower {
        without.remove(&pod.uid);
    }
    simulate(cx, at, &without, asked.profile, asked.off).await.map_err(|verdict| verdict.reasons)?;
    lower.sort_by(|a, b| (Reverse(a.priority), started(a)).cmp(&(Reverse(b.priority), started(b))));
    let mut victims = Vec::new();
    for pod in lower {
        without.add(pod.clone());
        if simulate(cx, at, &without, asked.profile, asked.off).await.is_err() {
            without.remove(&pod.uid);
            victims.push(pod);
        }
    }
    // It would fit as things are: what refused it has gone, and the next cycle will see.
    if victims.is_empty() { Err(vec![NO_VICTIMS.to_owned()]) } else { Ok(victims) }
}

/// `pickOneNodeForPreemption`: the least important highest victim, the least sum of priorities, the fewest, and those
/// that started last.
fn cost(victims: &[Arc<PodInfo>]) -> (i32, i64, usize, Reverse<String>) {
    let highest = victims.first().map(|p| p.priority).unwrap_or(i32::MIN);
    // Shifted, so that more victims of negative priority do not cost less.
    let sum = victims.iter().map(|p| i64::from(p.priority) + i64::from(i32::MAX) + 1).sum();
    let important = victims.iter().filter(|p| p.priority == highest);
    let earliest = important.map(|p| started(p).to_owned()).min().unwrap_or_default();
    (highest, sum, victims.len(), Reverse(earliest))
}

/// RFC 3339, so it sorts by time.
fn started(pod: &PodInfo) -> &str {
    pod.object.str_at(&["status", "startTime"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cycle::{Cycle, Failure, Nominated};
    use crate::testing::{node, pod_with, profile};
    use object::{Value, json};

    fn asking(name: &str, cpu: &str, priority: i64, more: Value) -> Arc<PodInfo> {
        let container = json!({ "name": "c", "resources": { "requests": { "cpu": cpu } } });
        let mut pod = Object::clone(&pod_with(name, more).object);
        pod.set_at(&["spec", "containers"], json!([container]));
        pod.set_at(&["spec", "priority"], json!(priority));
        Arc::new(PodInfo::new(Arc::new(pod)))
    }
    use object::Object;

    /// What comes of a pod of priority 10 asking for 3 cores, on two nodes with 4 and these pods.
    async fn check(pods: &[(&str, &str, i64, u32)], more: Value, expect: &str) {
        let (mut cluster, profile, mut cycle) = (Cluster::default(), profile(&Arc::default()), Cycle::default());
        cluster.set_node(node("a", json!({})));
        cluster.set_node(node("b", json!({})));
        for (name, cpu, priority, on) in pods {
            cluster.assume(asking(name, cpu, *priority, json!({})), *on);
        }
        let pod = asking("p", "3", 10, more);
        let found = cycle.find(&pod, &mut cluster, &profile, &Nominated::default()).await;
        assert!(matches!(found, Err(Failure::Unfit)), "{found:?}");
        let args = PreemptionArgs::default();
        let asked = Asked { profile: &profile, args: &args, off: &cycle.off, refused: &cycle.diagnosis };
        let told = match preempt(&pod, &cluster, &asked).await {
            Outcome::Nothing(why) | Outcome::NotEligible(why) => why,
            Outcome::Room { node, victims } => {
                let names: Vec<&str> = victims.iter().map(|p| p.name.as_str()).collect();
                format!("{node}: {}", names.join(" "))
            }
        };
        assert_eq!(told, expect, "{pods:?}");
    }

    #[tokio::test]
    async fn the_least_harm_is_chosen() {
        let none = || json!({});
        let no_victims = "0/2 nodes are available: 2 No preemption victims found for incoming pod.";
        check(&[("x", "2", 10, 0), ("y", "4", 20, 1)], none(), no_victims).await;
        check(&[("x", "2", 5, 0), ("y", "4", 20, 1)], none(), "a: x").await;
        check(&[("x", "2", 5, 0), ("y", "2", 1, 1)], none(), "b: y").await;
        check(&[("x", "1", 1, 0), ("z", "1", 1, 0), ("y", "2", 1, 1)], none(), "a: z").await;
        check(
            &[("x", "4", 20, 0), ("y", "3", 20, 1), ("z", "1", 1, 1)],
            none(),
            "0/2 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod.",
        )
        .await;
        let never = json!({ "spec": { "preemptionPolicy": "Never" } });
        check(&[("x", "2", 5, 0), ("y", "4", 20, 1)], never, "not eligible due to preemptionPolicy=Never.").await;
        let elsewhere = json!({ "spec": { "nodeSelector": { "no": "where" } } });
        check(&[("x", "2", 5, 0)], elsewhere, "0/2 nodes are available: 2 Preemption is not helpful for scheduling.").await;
    }
}
