//! `nodeaffinity`: `nodeSelector`, required and preferred node affinity.

use super::{Cx, Plugin, normalize, retain};
use crate::affinity::NodeSelection;
use crate::config::args::AddedAffinity;
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::PodInfo;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};
use std::sync::Arc;

const REASON: &str = "node(s) didn't match Pod's node affinity/selector";

/// What the profile adds to every pod's affinity is not met.
const ENFORCED: &str = "node(s) didn't match scheduler-enforced node affinity";

pub(super) struct NodeAffinity {
    added: Option<Arc<NodeSelection>>,
}

impl NodeAffinity {
    pub(super) fn new(added: AddedAffinity) -> Self {
        Self { added: added.0 }
    }

    fn allows(&self, pod: &PodInfo, node: &NodeRow) -> bool {
        self.added.as_ref().is_none_or(|added| added.allows(&node.name, node.labels())) && pod.selection.allows(&node.name, node.labels())
    }
}

#[async_trait]
impl Plugin for NodeAffinity {
    fn name(&self) -> &str {
        "NodeAffinity"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        if let Some(added) = self.added.as_ref().filter(|added| !added.is_anywhere()) {
            retain(cx, candidates, refused, |node| {
                (!added.allows(&node.name, node.labels())).then_some((Code::UnschedulableAndUnresolvable, ENFORCED))
            });
        }
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
        let added = self.added.as_ref().map(|added| added.preferred.as_slice()).unwrap_or_default();
        if preferred.is_empty() && added.is_empty() {
            return Ok(());
        }
        let liked = |node: &NodeRow| -> i64 {
            preferred.iter().chain(added).filter(|(_, term)| term.matches(&node.name, node.labels())).map(|(weight, _)| weight).sum()
        };
        scores.extend(candidates.iter().map(|node| cx.rows.get(*node).map(liked).unwrap_or_default()));
        normalize(scores, false);
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::NODE_LABELS | Events::POD_ITSELF
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event.node.is_none_or(|node| self.allows(pod, node))
    }
}
