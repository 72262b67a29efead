//! `imagelocality`: nodes that have the pod's images already are liked, by size and by how many nodes have them.

use super::{Cx, MAX_SCORE, Plugin};
use crate::node::NodeRow;
use async_trait::async_trait;
use interfaces::schedule::PluginError;

const MIB: i64 = 1024 * 1024;
/// Below it nothing is gained (upstream: the smallest images make no difference).
const LEAST: i64 = 23 * MIB;
/// Per container, above it nothing more is gained.
const MOST: i64 = 1000 * MIB;

pub(super) struct ImageLocality;

#[async_trait]
impl Plugin for ImageLocality {
    fn name(&self) -> &str {
        "ImageLocality"
    }
    async fn score(&self, cx: &Cx<'_>, candidates: &[u32], scores: &mut Vec<i64>) -> Result<(), PluginError> {
        let nodes = cx.images.nodes_in_all().max(1);
        let known: Vec<(&str, i64)> =
            cx.pod.images.iter().map(|i| (i.as_str(), cx.images.nodes_with(i))).filter(|(_, having)| *having > 0).collect();
        if known.is_empty() {
            return Ok(());
        }
        let most = MOST * i64::try_from(cx.pod.images.len()).unwrap_or(1);
        let local = |node: &NodeRow| {
            // An image that few nodes have counts less, or all its pods would gather there.
            let sum: i64 = known
                .iter()
                .filter_map(|(image, having)| Some((node.images.get(*image)? / nodes).saturating_mul(*having)))
                .fold(0, i64::saturating_add);
            MAX_SCORE * (sum.clamp(LEAST, most) - LEAST) / (most - LEAST)
        };
        scores.extend(candidates.iter().map(|node| cx.rows.get(*node).map(local).unwrap_or_default()));
        Ok(())
    }
}
