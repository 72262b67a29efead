//! `noderesources/balanced_allocation`: nodes whose cpu and memory are used in equal parts are liked.

use super::{Cx, MAX_SCORE, Plugin};
use crate::node::NodeRow;
use async_trait::async_trait;
use interfaces::schedule::PluginError;

pub(super) struct Balanced;

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
        let balance = |node: &NodeRow| {
            let cpu = used(asks.milli_cpu, node.requested.milli_cpu, node.allocatable.milli_cpu);
            let memory = used(asks.memory, node.requested.memory, node.allocatable.memory);
            // The standard deviation of two numbers is half their distance.
            let deviation = match (cpu, memory) {
                (Some(cpu), Some(memory)) => (cpu - memory).abs() / 2.0,
                _ => 0.0,
            };
            ((1.0 - deviation) * MAX_SCORE as f64) as i64
        };
        scores.extend(candidates.iter().map(|node| cx.rows.get(*node).map(balance).unwrap_or_default()));
        Ok(())
    }
}
