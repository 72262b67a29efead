//! `noderesources/fit`: a pod goes where what it asks for is free; the emptier the better (LeastAllocated).

use super::{Cx, MAX_SCORE, Plugin};
use crate::diagnosis::{Diagnosis, Reason};
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::PodInfo;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};

pub(super) struct Fit;

/// What is missing on a node, and whether it would be with no pod on it, too.
fn missing(pod: &PodInfo, node: &NodeRow) -> Vec<(Reason, bool)> {
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
    for (name, asked) in &asks.others {
        check(name, *asked, node.allocatable.other(name), node.requested.other(name));
    }
    all
}

/// LeastAllocated over cpu and memory, each weighted 1.
fn free(pod: &PodInfo, node: &NodeRow) -> i64 {
    let (asks, used) = (&pod.asks.non_zero, &node.non_zero);
    let pairs = [
        (used.milli_cpu.saturating_add(asks.milli_cpu), node.allocatable.milli_cpu),
        (used.memory.saturating_add(asks.memory), node.allocatable.memory),
    ];
    let (mut sum, mut count) = (0, 0);
    for (wanted, capacity) in pairs.into_iter().filter(|(_, capacity)| *capacity > 0) {
        if wanted <= capacity {
            sum += i64::try_from(i128::from(capacity - wanted) * i128::from(MAX_SCORE) / i128::from(capacity)).unwrap_or_default();
        }
        count += 1;
    }
    if count == 0 { 0 } else { sum / count }
}

#[async_trait]
impl Plugin for Fit {
    fn name(&self) -> &str {
        "NodeResourcesFit"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        candidates.retain(|node| {
            let missing = cx.rows.get(*node).map(|row| missing(cx.pod, row)).unwrap_or_default();
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
        scores.extend(candidates.iter().map(|node| cx.rows.get(*node).map(|row| free(cx.pod, row)).unwrap_or_default()));
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::NODE_ALLOCATABLE | Events::POD_FREED | Events::POD_ITSELF
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event.node.is_none_or(|node| missing(pod, node).is_empty())
    }
}
