//! What is tried for a pod that no node takes: `RunPostFilterPlugins`.

use crate::cluster::Cluster;
use crate::cycle::Cycle;
use crate::pod::PodInfo;
use crate::preempt::{Asked, Outcome, preempt};
use crate::profile::Profile;
use interfaces::schedule::{FailurePolicy, PluginError, PodView, PodsOn, PostFilter, Refused};
use std::sync::Arc;

/// Asks one plugin after the other until one has an answer.
///
/// # Errors
/// A plugin whose failure counts failed.
pub(crate) async fn post_filter(pod: &PodInfo, cluster: &Cluster, profile: &Profile, cycle: &Cycle) -> Result<Outcome, PluginError> {
    let mut told: Vec<String> = Vec::new();
    let mut not_eligible = false;
    let mut seen: Option<Arc<dyn PodsOn>> = None;
    for (_, row) in profile.post_filters() {
        if let Some(args) = row.plugin.preemption() {
            let asked = Asked { profile, args, off: &cycle.off, refused: &cycle.diagnosis };
            match preempt(pod, cluster, &asked).await {
                Outcome::Nothing(why) => told.push(format!("preemption: {why}")),
                Outcome::NotEligible(why) => {
                    not_eligible = true;
                    told.push(format!("preemption: {why}"));
                }
                room @ Outcome::Room { .. } => return Ok(room),
            }
            continue;
        }
        let Some(outside) = &row.outside else { continue };
        let refused: Vec<Refused<'_>> = cycle
            .diagnosis
            .refused()
            .iter()
            .map(|refused| Refused { node: refused.node, code: refused.code, plugin: profile.name_of(refused.row) })
            .collect();
        let pods = seen.get_or_insert_with(|| Arc::new(Seen::of(cluster)));
        let answer = match outside.post_filter(pod.view(), cluster.table(), &refused, pods).await {
            Ok(answer) => answer,
            Err(error) if row.failure_policy == FailurePolicy::Ignore => {
                tracing::debug!(%error, "plugin failure ignored");
                continue;
            }
            Err(error) => return Err(error),
        };
        match answer {
            PostFilter::Nothing(why) if why.is_empty() => {}
            PostFilter::Nothing(why) => told.push(why),
            PostFilter::Unresolvable(why) => return Ok(Outcome::Nothing(why)),
            PostFilter::Nominate { node, victims } => return room(outside.name(), cluster, pod, node, &victims),
        }
    }
    let told = told.join(" ");
    Ok(if not_eligible { Outcome::NotEligible(told) } else { Outcome::Nothing(told) })
}

/// What a plugin chose is checked: it may end only pods that are there, and less important ones.
fn room(plugin: &str, cluster: &Cluster, pod: &PodInfo, node: u32, victims: &[String]) -> Result<Outcome, PluginError> {
    let failed = |cause: String| PluginError::Failed { plugin: plugin.to_owned(), cause };
    let row = cluster.rows().get(node as usize).ok_or_else(|| failed(format!("it nominated node {node}, which is not there")))?;
    let mut chosen = Vec::with_capacity(victims.len());
    for uid in victims {
        let victim = row.pods.iter().find(|on| on.uid == *uid);
        let victim = victim.ok_or_else(|| failed(format!("it wants to end pod {uid}, which is not on node {}", row.name)))?;
        if victim.priority >= pod.priority {
            return Err(failed(format!("it wants to end pod {uid}, whose priority is not lower")));
        }
        chosen.push(victim.clone());
    }
    Ok(Outcome::Room { node: row.name.clone(), victims: chosen })
}

/// The pods of all nodes as they are now.
struct Seen(Vec<Vec<Arc<PodInfo>>>);

impl Seen {
    fn of(cluster: &Cluster) -> Self {
        Self(cluster.rows().iter().map(|row| row.pods.clone()).collect())
    }
}

impl PodsOn for Seen {
    fn on(&self, node: u32) -> Vec<&PodView> {
        self.0.get(node as usize).into_iter().flatten().map(|pod| pod.view()).collect()
    }
}
