//! `noderesources/balanced_allocation`: nodes whose resources are used in equal parts are liked.

use super::{Cx, MAX_SCORE, Plugin};
use crate::config::args::BalancedArgs;
use crate::node::NodeRow;
use async_trait::async_trait;
use interfaces::schedule::PluginError;

pub(super) struct Balanced(pub(super) BalancedArgs);

/// The standard deviation: of two numbers it is half their distance.
fn deviation(parts: &[f64]) -> f64 {
    match parts {
        [] | [_] => 0.0,
        [a, b] => (a - b).abs() / 2.0,
        all => {
            let count = all.len() as f64;
            let mean = all.iter().sum::<f64>() / count;
            (all.iter().map(|part| (part - mean) * (part - mean)).sum::<f64>() / count).sqrt()
        }
    }
}

#[async_trait]
impl Plugin for Balanced {
    fn name(&self) -> &str {
        "NodeResourcesBalancedAllocation"
    }
    async fn score(&self, cx: &Cx<'_>, candidates: &[u32], scores: &mut Vec<i64>) -> Result<(), PluginError> {
        let asks = &cx.pod.asks.requests;
        // Best-effort pods balance nothing.
        if asks.is_zero() {
            return Ok(());
        }
        let used = |asked: i64, requested: i64, allocatable: i64| {
            (allocatable > 0).then(|| ((requested.saturating_add(asked)) as f64 / allocatable as f64).min(1.0))
        };
        let of = |node: &NodeRow, resource: &str| match resource {
            "cpu" => used(asks.milli_cpu, node.requested.milli_cpu, node.allocatable.milli_cpu),
            "memory" => used(asks.memory, node.requested.memory, node.allocatable.memory),
            "ephemeral-storage" => used(asks.ephemeral_storage, node.requested.ephemeral_storage, node.allocatable.ephemeral_storage),
            other => match asks.other(other) {
                0 => None,
                asked => used(asked, node.requested.other(other), node.allocatable.other(other)),
            },
        };
        let mut parts = Vec::with_capacity(self.0.0.0.len());
        let mut balance = |node: &NodeRow| {
            parts.clear();
            parts.extend(self.0.0.0.iter().filter_map(|(resource, _)| of(node, resource)));
            ((1.0 - deviation(&parts)) * MAX_SCORE as f64) as i64
        };
        scores.extend(candidates.iter().map(|node| cx.rows.get(*node).map(&mut balance).unwrap_or_default()));
        Ok(())
    }
}
