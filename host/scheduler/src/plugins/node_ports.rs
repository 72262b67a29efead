//! `nodeports`: a host port is used once per node, address and protocol.

use super::{Cx, Plugin, retain};
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::pod::PodInfo;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};

const REASON: &str = "node(s) didn't have free ports for the requested pod ports";

pub(super) struct NodePorts;

#[async_trait]
impl Plugin for NodePorts {
    fn name(&self) -> &str {
        "NodePorts"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        let wanted = &cx.pod.ports;
        if !wanted.is_empty() {
            retain(cx, candidates, refused, |node| {
                let taken = wanted.iter().any(|w| node.ports.iter().any(|used| w.conflicts(used)));
                taken.then_some((Code::Unschedulable, REASON))
            });
        }
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED | Events::POD_FREED
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event.pod.is_none_or(|freed| pod.ports.iter().any(|w| freed.ports.iter().any(|used| w.conflicts(used))))
    }
}
