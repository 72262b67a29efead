//! `interpodaffinity`: pods that want to be near others, or apart from them; and those there that want the pod apart.

use super::{Cx, MAX_SCORE, Plugin};
use crate::config::args::InterPodAffinityArgs;
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::PodInfo;
use crate::topology::Term;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};
use std::collections::HashMap;

const AFFINITY: &str = "node(s) didn't match pod affinity rules";
const ANTI_AFFINITY: &str = "node(s) didn't match pod anti-affinity rules";
const EXISTING: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

pub(super) struct InterPodAffinity(pub(super) InterPodAffinityArgs);

/// A label of nodes and its value: one place.
type Place<'a> = (&'a str, &'a str);

fn place<'a>(node: &'a NodeRow, key: &'a str) -> Option<Place<'a>> {
    Some((key, node.labels()?.get(key)?.as_str()?))
}

/// What is where, as far as it matters to one pod.
#[derive(Default)]
struct Counts<'a> {
    /// Pods that the pod's terms select, by term and place.
    near: Vec<HashMap<&'a str, i64>>,
    apart: HashMap<Place<'a>, i64>,
    /// Places that pods there do not share with the pod.
    existing: HashMap<Place<'a>, i64>,
}

impl<'a> Counts<'a> {
    fn of(cx: &'a Cx<'_>) -> Self {
        let wants = &cx.pod.affinity;
        let mut counts = Self { near: vec![HashMap::new(); wants.near.len()], ..Self::default() };
        for node in cx.rows.iter() {
            for other in &node.affine {
                for term in other.affinity.apart.iter().filter(|t| t.selects(cx.pod, cx.namespaces)) {
                    if let Some(place) = place(node, &term.topology_key) {
                        *counts.existing.entry(place).or_default() += 1;
                    }
                }
            }
            if wants.near.is_empty() && wants.apart.is_empty() {
                continue;
            }
            for other in &node.pods {
                if !wants.near.is_empty() && wants.near.iter().all(|t| t.selects(other, cx.namespaces)) {
                    for (term, there) in wants.near.iter().zip(&mut counts.near) {
                        if let Some((_, value)) = place(node, &term.topology_key) {
                            *there.entry(value).or_default() += 1;
                        }
                    }
                }
                for term in wants.apart.iter().filter(|t| t.selects(other, cx.namespaces)) {
                    if let Some(place) = place(node, &term.topology_key) {
                        *counts.apart.entry(place).or_default() += 1;
                    }
                }
            }
        }
        counts
    }

    fn judge(&self, cx: &Cx<'_>, node: &NodeRow) -> Option<(Code, &'static str)> {
        let wants = &cx.pod.affinity;
        if !self.is_near(cx, node) {
            return Some((Code::UnschedulableAndUnresolvable, AFFINITY));
        }
        let meets = |term: &Term| place(node, &term.topology_key).is_some_and(|p| self.apart.contains_key(&p));
        if wants.apart.iter().any(meets) {
            return Some((Code::Unschedulable, ANTI_AFFINITY));
        }
        let labels = || node.labels().into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)));
        let unwelcome = !self.existing.is_empty() && labels().any(|p| self.existing.contains_key(&p));
        unwelcome.then_some((Code::Unschedulable, EXISTING))
    }

    fn is_near(&self, cx: &Cx<'_>, node: &NodeRow) -> bool {
        let wants = &cx.pod.affinity.near;
        let places: Option<Vec<Place<'_>>> = wants.iter().map(|t| place(node, &t.topology_key)).collect();
        let Some(places) = places else { return false };
        if places.iter().zip(&self.near).all(|((_, value), there)| there.contains_key(value)) {
            return true;
        }
        // The first of a group that wants to be together has nobody to be near to.
        self.near.iter().all(HashMap::is_empty) && wants.iter().all(|t| t.selects(cx.pod, cx.namespaces))
    }
}

/// What each place is worth to the pod, by its own wishes and by those of the pods there.
fn worth<'a>(cx: &'a Cx<'_>, args: &InterPodAffinityArgs) -> HashMap<Place<'a>, i64> {
    let own = &cx.pod.affinity.preferred;
    let mut all: HashMap<Place<'_>, i64> = HashMap::new();
    let mut add = |node: &'a NodeRow, term: &'a Term, weight: i64| {
        if let Some(place) = place(node, &term.topology_key) {
            *all.entry(place).or_default() += weight;
        }
    };
    for node in cx.rows.iter() {
        let others = if own.is_empty() { &node.affine } else { &node.pods };
        for other in others {
            for (weight, term) in own.iter().filter(|(_, t)| t.selects(other, cx.namespaces)) {
                add(node, term, *weight);
            }
            if args.hard_weight > 0 {
                for term in other.affinity.near.iter().filter(|t| t.selects(cx.pod, cx.namespaces)) {
                    add(node, term, args.hard_weight);
                }
            }
            if args.ignore_preferred_of_existing {
                continue;
            }
            for (weight, term) in other.affinity.preferred.iter().filter(|(_, t)| t.selects(cx.pod, cx.namespaces)) {
                add(node, term, *weight);
            }
        }
    }
    all
}

#[async_trait]
impl Plugin for InterPodAffinity {
    fn name(&self) -> &str {
        "InterPodAffinity"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        if cx.pod.affinity.is_none() && cx.affine_pods == 0 {
            return Ok(());
        }
        let counts = Counts::of(cx);
        super::retain(cx, candidates, refused, |node| counts.judge(cx, node));
        Ok(())
    }
    async fn score(&self, cx: &Cx<'_>, candidates: &[u32], scores: &mut Vec<i64>) -> Result<(), PluginError> {
        if cx.pod.affinity.preferred.is_empty() && cx.affine_pods == 0 {
            return Ok(());
        }
        let worth = worth(cx, &self.0);
        if worth.is_empty() {
            return Ok(());
        }
        let sum = |node: &NodeRow| -> i64 {
            let labels = node.labels().into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)));
            labels.filter_map(|p| worth.get(&p)).sum()
        };
        scores.extend(candidates.iter().map(|node| cx.rows.get(*node).map(sum).unwrap_or_default()));
        let least = scores.iter().copied().min().unwrap_or_default();
        let range = scores.iter().copied().max().unwrap_or_default() - least;
        for score in scores {
            *score = if range == 0 { 0 } else { MAX_SCORE * (*score - least) / range };
        }
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::NODE_LABELS | Events::POD_FREED | Events::POD_PLACED | Events::POD_ITSELF
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        let Some(other) = event.pod else { return true };
        // Without the namespaces at hand, a term's selection by their labels is taken to hold.
        let concerns = |terms: &[Term], pod: &PodInfo| terms.iter().any(|t| t.may_select(pod));
        concerns(&pod.affinity.near, other) || concerns(&pod.affinity.apart, other) || concerns(&other.affinity.apart, pod)
    }
}
