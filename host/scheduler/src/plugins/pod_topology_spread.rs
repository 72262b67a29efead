//! `podtopologyspread`: pods that want to be spread evenly over zones, hosts or any other label of nodes.

use super::{Cx, MAX_SCORE, Plugin};
use crate::config::args::SpreadArgs;
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::PodInfo;
use crate::topology::Spread;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};
use std::borrow::Cow;
use std::collections::HashMap;

const SKEW: &str = "node(s) didn't match pod topology spread constraints";
const NO_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

pub(super) struct PodTopologySpread(pub(super) SpreadArgs);

/// The pod's own constraints; by default, those of the profile over its fellows.
fn constraints<'a>(cx: &'a Cx<'_>, args: &SpreadArgs) -> Cow<'a, [Spread]> {
    if !cx.pod.spread.is_empty() || args.defaults.is_empty() {
        return Cow::Borrowed(&cx.pod.spread);
    }
    let selectors = cx.selectors.map(|selectors| selectors.of(cx.pod)).unwrap_or_default();
    if selectors.is_empty() {
        return Cow::Borrowed(&[]);
    }
    Cow::Owned(args.defaults.iter().map(|constraint| Spread::by_default(constraint, &selectors)).collect())
}

fn domain<'a>(node: &'a NodeRow, constraint: &Spread) -> Option<&'a str> {
    node.labels()?.get(&constraint.topology_key)?.as_str()
}

/// Whether the node's pods are counted for this constraint.
fn counts(pod: &PodInfo, node: &NodeRow, constraint: &Spread) -> bool {
    let mut hard = node.taints.iter().filter(|t| t.effect == "NoSchedule" || t.effect == "NoExecute");
    (!constraint.honor_affinity || pod.selection.allows(&node.name, node.labels()))
        && (!constraint.honor_taints || hard.all(|t| pod.tolerates(t)))
}

fn matching(pod: &PodInfo, node: &NodeRow, constraint: &Spread) -> i64 {
    let others = node.pods.iter().filter(|p| p.namespace == pod.namespace && !p.object.is_deleting());
    i64::try_from(others.filter(|p| constraint.selects(p)).count()).unwrap_or(i64::MAX)
}

/// How many matching pods each domain has, for each constraint; only over nodes that have all the labels, if they must.
fn totals<'a>(cx: &'a Cx<'_>, constraints: &[&Spread], all_labels: bool) -> Vec<HashMap<&'a str, i64>> {
    let mut all = vec![HashMap::new(); constraints.len()];
    for node in cx.rows.iter().filter(|n| !all_labels || constraints.iter().all(|c| domain(n, c).is_some())) {
        for (constraint, total) in constraints.iter().zip(&mut all) {
            if let Some(domain) = domain(node, constraint).filter(|_| counts(cx.pod, node, constraint)) {
                *total.entry(domain).or_default() += matching(cx.pod, node, constraint);
            }
        }
    }
    all
}

#[async_trait]
impl Plugin for PodTopologySpread {
    fn name(&self) -> &str {
        "PodTopologySpread"
    }

    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        let constraints = constraints(cx, &self.0);
        let constraints: Vec<&Spread> = constraints.iter().filter(|c| c.hard).collect();
        if constraints.is_empty() {
            return Ok(());
        }
        let totals = totals(cx, &constraints, true);
        let least: Vec<i64> = constraints
            .iter()
            .zip(&totals)
            .map(|(c, total)| {
                let few = i64::try_from(total.len()).unwrap_or(i64::MAX) < c.min_domains;
                if few { 0 } else { total.values().copied().min().unwrap_or_default() }
            })
            .collect();
        super::retain(cx, candidates, refused, |node| {
            for ((constraint, total), least) in constraints.iter().zip(&totals).zip(&least) {
                let Some(domain) = domain(node, constraint) else {
                    return Some((Code::UnschedulableAndUnresolvable, NO_LABEL));
                };
                let itself = i64::from(constraint.selects(cx.pod));
                if total.get(domain).copied().unwrap_or_default() + itself - least > constraint.max_skew {
                    return Some((Code::Unschedulable, SKEW));
                }
            }
            None
        });
        Ok(())
    }

    async fn score(&self, cx: &Cx<'_>, candidates: &[u32], scores: &mut Vec<i64>) -> Result<(), PluginError> {
        let constraints = constraints(cx, &self.0);
        let constraints: Vec<&Spread> = constraints.iter().filter(|c| !c.hard).collect();
        if constraints.is_empty() {
            return Ok(());
        }
        let all_labels = !self.0.system || !cx.pod.spread.is_empty();
        let totals = totals(cx, &constraints, all_labels);
        let crowd = |node: &NodeRow| -> Option<i64> {
            let mut sum = 0.0;
            for (constraint, total) in constraints.iter().zip(&totals) {
                let Some(domain) = domain(node, constraint) else {
                    if all_labels {
                        return None;
                    }
                    continue;
                };
                let there = total.get(domain).copied().unwrap_or_default();
                // Many domains hold few pods each: their differences weigh more.
                let weight = ((total.len() + 2) as f64).ln();
                sum += there as f64 * weight + (constraint.max_skew - 1) as f64;
            }
            Some(sum.round() as i64)
        };
        let crowds: Vec<Option<i64>> = candidates.iter().map(|node| cx.rows.get(*node).and_then(crowd)).collect();
        let least = crowds.iter().flatten().copied().min().unwrap_or_default();
        let most = crowds.iter().flatten().copied().max().unwrap_or_default();
        scores.extend(crowds.into_iter().map(|crowd| match crowd {
            None => 0,
            Some(_) if most == 0 => MAX_SCORE,
            Some(crowd) => MAX_SCORE * (most + least - crowd) / most,
        }));
        Ok(())
    }

    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::NODE_LABELS | Events::NODE_TAINTS | Events::POD_FREED | Events::POD_PLACED | Events::POD_ITSELF
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event
            .pod
            .is_none_or(|other| other.namespace == pod.namespace && (pod.spread.is_empty() || pod.spread.iter().any(|c| c.selects(other))))
    }
}
