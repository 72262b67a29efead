//! `nodeaffinity`: `nodeSelector`, required and preferred node affinity.

use super::{Cx, Plugin, normalize, retain};
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::PodInfo;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};

const REASON: &str = "node(s) didn't match Pod's node affinity/selector";

pub(super) struct NodeAffinity;

#[async_trait]
impl Plugin for NodeAffinity {
    fn name(&self) -> &str {
        "NodeAffinity"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        let selection = &cx.pod.selection;
        if !selection.is_anywhere() {
            retain(cx, candidates, refused, |node| {
                (!selection.allows(&node.name, node.labels())).then_some((Code::UnschedulableAndUnresolvable, REASON))
            });
        }
        Ok(())
    }
    async fn score(&self, cx: &Cx<'_>, candidates: &[u32], scores: &mut Vec<i64>) -> Result<(), PluginError> {
        let preferred = &cx.pod.selection.preferred;
        if preferred.is_empty() {
            return Ok(());
        }
        let liked = |node: &NodeRow| -> i64 {
            preferred.iter().filter(|(_, term)| term.matches(&node.name, node.labels())).map(|(weight, _)| weight).sum()
        };
        scores.extend(candidates.iter().map(|node| cx.rows.get(*node).map(liked).unwrap_or_default()));
        normalize(scores, false);
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::NODE_LABELS | Events::POD_ITSELF
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event.node.is_none_or(|node| pod.selection.allows(&node.name, node.labels()))
    }
}
