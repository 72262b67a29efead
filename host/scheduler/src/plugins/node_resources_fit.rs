//! `noderesources/fit`: a pod goes where what it asks for is free; nodes are scored by how much of
//! them is in use, as the scoring strategy says.

use super::{Cx, MAX_SCORE, Plugin};
use crate::config::args::{FitArgs, Strategy};
use crate::diagnosis::{Diagnosis, Reason};
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::PodInfo;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};

pub(super) struct Fit(pub(super) FitArgs);

/// What is missing on a node, and whether it would be with no pod on it, too.
fn missing(pod: &PodInfo, node: &NodeRow, args: &FitArgs) -> Vec<(Reason, bool)> {
    let mut all = Vec::new();
    if i64::try_from(node.pods.len()).unwrap_or(i64::MAX) >= node.allowed_pods {
        all.push(("Too many pods".into(), false));
    }
    let asks = &pod.asks.requests;
    let mut check = |name: &str, asked: i64, allocatable: i64, requested: i64| {
        if asked > 0 && asked > allocatable.saturating_sub(requested) {
            let reason = match name {
                "cpu" => "Insufficient cpu".into(),
                "memory" => "Insufficient memory".into(),
                other => format!("Insufficient {other}").into(),
            };
            all.push((reason, asked > allocatable));
        }
    };
    check("cpu", asks.milli_cpu, node.allocatable.milli_cpu, node.requested.milli_cpu);
    check("memory", asks.memory, node.allocatable.memory, node.requested.memory);
    check("ephemeral-storage", asks.ephemeral_storage, node.allocatable.ephemeral_storage, node.requested.ephemeral_storage);
    for (name, asked) in asks.others.iter().filter(|(name, _)| !ignores(args, name)) {
        check(name, *asked, node.allocatable.other(name), node.requested.other(name));
    }
    all
}

/// Extended resources may be left to others.
fn ignores(args: &FitArgs, name: &str) -> bool {
    let group = name.split_once('/').map(|(group, _)| group);
    group.is_some_and(|group| args.ignored_groups.iter().any(|ignored| ignored == group))
        || args.ignored.iter().any(|ignored| ignored == name)
}

/// What would be in use and what there is; nothing of what counts for nothing on this node.
fn in_use(pod: &PodInfo, node: &NodeRow, resource: &str) -> Option<(i64, i64)> {
    let (wanted, capacity) = match resource {
        "cpu" => (node.non_zero.milli_cpu.saturating_add(pod.asks.non_zero.milli_cpu), node.allocatable.milli_cpu),
        "memory" => (node.non_zero.memory.saturating_add(pod.asks.non_zero.memory), node.allocatable.memory),
        "ephemeral-storage" => {
            let asked = pod.asks.requests.ephemeral_storage;
            (node.requested.ephemeral_storage.saturating_add(asked), node.allocatable.ephemeral_storage)
        }
        other => match pod.asks.requests.other(other) {
            // A pod that does not ask for it does not mind.
            0 => return None,
            asked => (node.requested.other(other).saturating_add(asked), node.allocatable.other(other)),
        },
    };
    (capacity > 0).then_some((wanted, capacity))
}

fn share(part: i64, of: i64) -> i64 {
    i64::try_from(i128::from(part) * i128::from(MAX_SCORE) / i128::from(of)).unwrap_or_default()
}

/// `leastResourceScorer`, `mostResourceScorer`, `requestedToCapacityRatioScorer`.
fn score(pod: &PodInfo, node: &NodeRow, args: &FitArgs) -> i64 {
    let (mut sum, mut weights) = (0, 0);
    for (resource, weight) in &args.resources.0 {
        let Some((wanted, capacity)) = in_use(pod, node, resource) else { continue };
        let score = match &args.strategy {
            Strategy::LeastAllocated => share((capacity - wanted).max(0), capacity),
            Strategy::MostAllocated => share(wanted.min(capacity), capacity),
            Strategy::RequestedToCapacityRatio(shape) => {
                let score = on_line(shape, if wanted > capacity { 100 } else { share(wanted, capacity) });
                // A resource without a score does not weigh.
                if score == 0 {
                    continue;
                }
                score
            }
        };
        sum += score * weight;
        weights += weight;
    }
    match (&args.strategy, weights) {
        (_, 0) => 0,
        (Strategy::RequestedToCapacityRatio(_), _) => (sum as f64 / weights as f64).round() as i64,
        _ => sum / weights,
    }
}

/// `BuildBrokenLinearFunction`.
fn on_line(shape: &[(i64, i64)], at: i64) -> i64 {
    let mut before: Option<(i64, i64)> = None;
    for (x, y) in shape.iter().copied() {
        if at <= x {
            return before.map_or(y, |(x0, y0)| y0 + (y - y0) * (at - x0) / (x - x0).max(1));
        }
        before = Some((x, y));
    }
    before.map(|(_, y)| y).unwrap_or_default()
}

#[async_trait]
impl Plugin for Fit {
    fn name(&self) -> &str {
        "NodeResourcesFit"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        candidates.retain(|node| {
            let missing = cx.rows.get(*node).map(|row| missing(cx.pod, row, &self.0)).unwrap_or_default();
            if missing.is_empty() {
                return true;
            }
            let never = missing.iter().any(|(_, never)| *never);
            let code = if never { Code::UnschedulableAndUnresolvable } else { Code::Unschedulable };
            refused.refuse(*node, code, missing.into_iter().map(|(reason, _)| reason));
            false
        });
        Ok(())
    }
    async fn score(&self, cx: &Cx<'_>, candidates: &[u32], scores: &mut Vec<i64>) -> Result<(), PluginError> {
        scores.extend(candidates.iter().map(|node| cx.rows.get(*node).map(|row| score(cx.pod, row, &self.0)).unwrap_or_default()));
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::NODE_ALLOCATABLE | Events::POD_FREED | Events::POD_ITSELF
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event.node.is_none_or(|node| missing(pod, node, &self.0).is_empty())
    }
}
