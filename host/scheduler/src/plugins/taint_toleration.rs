//! `tainttoleration`: taints keep pods away that do not tolerate them, or make their node less liked.

use super::{Cx, Plugin, normalize, retain};
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::{PodInfo, Toleration};
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};

const REASON: &str = "node(s) had untolerated taint(s)";

pub(super) struct TaintToleration;

fn tolerates(pod: &PodInfo, node: &NodeRow) -> bool {
    let mut hard = node.taints.iter().filter(|t| t.effect == "NoSchedule" || t.effect == "NoExecute");
    hard.all(|taint| pod.tolerates(taint))
}

#[async_trait]
impl Plugin for TaintToleration {
    fn name(&self) -> &str {
        "TaintToleration"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        retain(cx, candidates, refused, |node| (!tolerates(cx.pod, node)).then_some((Code::UnschedulableAndUnresolvable, REASON)));
        Ok(())
    }
    async fn score(&self, cx: &Cx<'_>, candidates: &[u32], scores: &mut Vec<i64>) -> Result<(), PluginError> {
        let soft: Vec<&Toleration> = cx.pod.tolerations.iter().filter(|t| t.effect.is_empty() || t.effect == "PreferNoSchedule").collect();
        let disliked = |node: &NodeRow| {
            let taints = node.taints.iter().filter(|t| t.effect == "PreferNoSchedule");
            taints.filter(|taint| !soft.iter().any(|t| t.tolerates(taint))).count()
        };
        let count = |node: &u32| cx.rows.get(*node).map(disliked).unwrap_or_default();
        scores.extend(candidates.iter().map(|node| i64::try_from(count(node)).unwrap_or(i64::MAX)));
        normalize(scores, true);
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::NODE_TAINTS | Events::POD_ITSELF
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event.node.is_none_or(|node| tolerates(pod, node))
    }
}
