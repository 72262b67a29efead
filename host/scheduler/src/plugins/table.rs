//! All native plugins, in the order in which they filter. A new one is one file and one row.

use super::{
    Plugin, foreign::Foreign, image_locality::ImageLocality, inter_pod_affinity::InterPodAffinity, node_affinity::NodeAffinity,
    node_name::NodeName, node_ports::NodePorts, node_resources_balanced::Balanced, node_resources_fit::Fit,
    node_unschedulable::NodeUnschedulable, pod_topology_spread::PodTopologySpread, taint_toleration::TaintToleration,
};
use interfaces::schedule::{FailurePolicy, PluginSet};
use std::sync::Arc;

/// A plugin and what it is asked.
#[derive(Clone)]
pub struct Row {
    pub plugin: Arc<dyn Plugin>,
    pub filters: bool,
    /// Factor of its scores; 0 = it does not score. Upstream's default weights.
    pub weight: i64,
    pub failure_policy: FailurePolicy,
}

/// The native rows, then those from outside: they are asked about nodes that are left.
pub fn rows(outside: &PluginSet) -> Vec<Row> {
    let native: [(Arc<dyn Plugin>, bool, i64); 10] = [
        // plugin                                filters weight
        (Arc::new(NodeUnschedulable), true, 0),
        (Arc::new(NodeName), true, 0),
        (Arc::new(TaintToleration), true, 3),
        (Arc::new(NodeAffinity), true, 2),
        (Arc::new(NodePorts), true, 0),
        (Arc::new(Fit), true, 1),
        (Arc::new(PodTopologySpread), true, 2),
        (Arc::new(InterPodAffinity), true, 2),
        (Arc::new(Balanced), false, 1),
        (Arc::new(ImageLocality), false, 1),
    ];
    let native = native.into_iter().map(|(plugin, filters, weight)| Row { plugin, filters, weight, failure_policy: FailurePolicy::Fail });
    let outside = outside.iter().map(|row| Row {
        plugin: Arc::new(Foreign(row.plugin.clone())),
        filters: row.filters,
        weight: if row.scores { row.weight.max(1) } else { 0 },
        failure_policy: row.failure_policy,
    });
    native.chain(outside).collect()
}
