//! `nodename`: a pod that names its node goes nowhere else.

use super::{Cx, Plugin, retain};
use crate::diagnosis::Diagnosis;
use crate::event::{Event, Events};
use crate::pod::PodInfo;
use async_trait::async_trait;
use interfaces::schedule::{Code, PluginError};

const REASON: &str = "node(s) didn't match the requested node name";

pub(super) struct NodeName;

#[async_trait]
impl Plugin for NodeName {
    fn name(&self) -> &str {
        "NodeName"
    }
    async fn filter(&self, cx: &Cx<'_>, candidates: &mut Vec<u32>, refused: &mut Diagnosis) -> Result<(), PluginError> {
        let wanted = &cx.pod.node_name;
        if !wanted.is_empty() {
            retain(cx, candidates, refused, |node| (node.name != *wanted).then_some((Code::UnschedulableAndUnresolvable, REASON)));
        }
        Ok(())
    }
    fn events(&self) -> Events {
        Events::NODE_ADDED
    }
    fn hint(&self, pod: &PodInfo, event: &Event<'_>) -> bool {
        event.node.is_none_or(|node| node.name == pod.node_name)
    }
}
