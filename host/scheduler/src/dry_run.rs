//! [`simulate`]: whether a node as it would be takes the pod: with other pods added, or gone.

use crate::diagnosis::Diagnosis;
use crate::node::NodeRow;
use crate::plugins::Cx;
use crate::plugins::table::Row;
use crate::pod::PodInfo;
use crate::profile::Profile;
use interfaces::schedule::{Code, FailurePolicy, NodeView, PluginError, PodView, PodsChange, SchedulePlugin};
use std::collections::HashSet;
use std::sync::Arc;

/// Why a node would not take the pod.
#[derive(Debug)]
pub struct Verdict {
    /// Of the profile's table.
    pub row: usize,
    pub code: Code,
    pub reasons: Vec<String>,
}

/// Asks the plugins that can tell what would be; `off` are rows that have no say in this cycle. A plugin outside is told what
/// comes and goes (`add_pods`, `remove_pods`), asked, and told the opposite.
pub async fn simulate(cx: &Cx<'_>, at: u32, node: &NodeRow, profile: &Profile, off: &[usize]) -> Result<(), Verdict> {
    // With the node as it would be, pods with wishes about others are looked for everywhere.
    let then = Cx { rows: cx.rows.with(at, node), affine_pods: usize::MAX, ..*cx };
    for (number, row) in profile.filters().filter(|(number, row)| row.simulates() && !off.contains(number)) {
        let (mut candidates, mut told) = (vec![at], Diagnosis::default());
        let asked = match &row.outside {
            None => row.plugin.filter(&then, &mut candidates, &mut told).await,
            Some(outside) => ask_outside(cx, at, node, row, outside.as_ref(), &mut told).await,
        };
        if let Err(error) = asked
            && row.failure_policy == FailurePolicy::Fail
        {
            return Err(Verdict { row: number, code: Code::Unschedulable, reasons: vec![error.to_string()] });
        }
        if let Some(refused) = told.refused().first() {
            return Err(Verdict { row: number, code: refused.code, reasons: told.reasons().map(str::to_owned).collect() });
        }
    }
    Ok(())
}

async fn ask_outside(
    cx: &Cx<'_>,
    at: u32,
    node: &NodeRow,
    row: &Row,
    outside: &dyn SchedulePlugin,
    told: &mut Diagnosis,
) -> Result<(), PluginError> {
    let (Some(now), Some(view)) = (cx.rows.get(at), cx.table.nodes.get(at as usize)) else { return Ok(()) };
    let mut view_then = NodeView::clone(view);
    node.write_view(&mut view_then, false);
    let (gone, come) = (only_in(now, node), only_in(node, now));
    let pod = cx.pod.view();
    let change = |pods, then| PodsChange { node: at, pods, then };
    if !gone.is_empty() {
        outside.remove_pods(pod, &change(&gone, &view_then)).await?;
    }
    if !come.is_empty() {
        outside.add_pods(pod, &change(&come, &view_then)).await?;
    }
    let asked = row.plugin.filter(cx, &mut vec![at], told).await;
    if !come.is_empty() {
        outside.remove_pods(pod, &change(&come, view)).await?;
    }
    if !gone.is_empty() {
        outside.add_pods(pod, &change(&gone, view)).await?;
    }
    asked
}

/// Pods of one row that another does not have.
fn only_in<'a>(row: &'a NodeRow, other: &NodeRow) -> Vec<&'a PodView> {
    let others: HashSet<&str> = other.pods.iter().map(|pod| pod.uid.as_str()).collect();
    let only = |pod: &&'a Arc<PodInfo>| !others.contains(pod.uid.as_str());
    row.pods.iter().filter(only).map(|pod| pod.view()).collect()
}
