//! `nodeunschedulable`: cordoned nodes take only pods that tolerate it.

use super::{Cx, Plugin, retain};
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::node::NodeRow;
use crate::pod::PodInfo;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError, Taint};

const REASON: &str = "node(s) were unschedulable";

pub(super) struct NodeUnschedulable;

fn allows(pod: &PodInfo, node: &NodeRow) -> bool {
    let taint = || Taint { key: "node.kubernetes.io/unschedulable".to_owned(), value: String::new(), effect: "NoSchedule".to_owned() };
    !node.unschedulable || pod.tolerates(&taint())
}

#[async_trait]
impl Plugin for NodeUnschedulable {
    fn name(&self) -> &str {
        "NodeUnschedulable"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        retain(cx, candidates, refused, |node| (!allows(cx.pod, node)).then_some((Code::UnschedulableAndUnresolvable, REASON)));
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::NODE_TAINTS | Events::POD_ITSELF
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event.node.is_none_or(|node| allows(pod, node))
    }
}
