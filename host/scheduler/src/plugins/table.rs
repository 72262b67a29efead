//! All native plugins, in the order in which they are asked. A new one is one file and one row.

use super::builtin::{DefaultBinder, DefaultPreemption, PrioritySort, SchedulingGates};
use super::{
    Plugin, foreign::Foreign, image_locality::ImageLocality, inter_pod_affinity::InterPodAffinity, node_affinity::NodeAffinity,
    node_name::NodeName, node_ports::NodePorts, node_resources_balanced::Balanced, node_resources_fit::Fit,
    node_unschedulable::NodeUnschedulable, pod_topology_spread::PodTopologySpread, taint_toleration::TaintToleration,
};
use crate::config::args::PluginArgs;
use interfaces::schedule::{FailurePolicy, PluginRow, Points, SchedulePlugin};
use std::sync::Arc;

/// A plugin in a profile, and what it is asked there.
#[derive(Clone)]
pub struct Row {
    pub plugin: Arc<dyn Plugin>,
    /// The same plugin, when it is one from outside: for the points that no native plugin has.
    pub outside: Option<Arc<dyn SchedulePlugin>>,
    pub points: Points,
    /// Factor of its scores.
    pub weight: i64,
    pub failure_policy: FailurePolicy,
}

impl Row {
    pub fn outside(row: &PluginRow) -> Self {
        Self {
            plugin: Arc::new(Foreign { plugin: row.plugin.clone(), points: row.points }),
            outside: Some(row.plugin.clone()),
            points: row.points,
            weight: row.weight,
            failure_policy: row.failure_policy,
        }
    }

    /// Whether its filter may be asked what would be if other pods came or went.
    pub fn simulates(&self) -> bool {
        self.outside.is_none() || self.points.has(Points::PRE_FILTER_EXTENSIONS)
    }
}

type Make = fn(&PluginArgs) -> Arc<dyn Plugin>;

/// A native plugin: upstream's name, the extension points that it has there, and its default weight.
pub struct Native {
    pub name: &'static str,
    pub points: Points,
    pub weight: i64,
    /// `None`: upstream's default plugin for what this scheduler does not do. It may be named, and is asked nothing.
    make: Option<Make>,
}

impl Native {
    pub fn row(&self, args: &PluginArgs) -> Option<Row> {
        let plugin = self.make?(args);
        Some(Row { plugin, outside: None, points: self.points, weight: self.weight, failure_policy: FailurePolicy::Fail })
    }

    pub fn is_absent(&self) -> bool {
        self.make.is_none()
    }
}

/// `getDefaultPlugins`, in its order: all are enabled at all of their points unless a profile says otherwise.
pub fn native() -> &'static [Native] {
    const FILTER: Points = Points::FILTER;
    const PRE_FILTER: Points = Points::PRE_FILTER;
    const SCORE: Points = Points::SCORE;
    const PRE_SCORE: Points = Points::PRE_SCORE;
    const fn of(all: &[Points]) -> Points {
        let (mut at, mut points) = (0, Points::NONE);
        while at < all.len() {
            points = points.and(all[at]);
            at += 1;
        }
        points
    }
    const JUDGE: Points = of(&[PRE_FILTER, FILTER, PRE_SCORE, SCORE]);
    const CHECK: Points = of(&[PRE_FILTER, FILTER]);
    const VOLUMES: Points = of(&[PRE_FILTER, FILTER, PRE_SCORE, SCORE, Points::RESERVE, Points::PRE_BIND]);
    const CLAIMS: Points = of(&[Points::PRE_ENQUEUE, PRE_FILTER, FILTER, Points::POST_FILTER, SCORE, Points::RESERVE, Points::PRE_BIND]);
    static NATIVE: [Native; 19] = [
        Native { name: "SchedulingGates", points: Points::PRE_ENQUEUE, weight: 0, make: Some(|_| Arc::new(SchedulingGates)) },
        Native { name: "PrioritySort", points: Points::QUEUE_SORT, weight: 0, make: Some(|_| Arc::new(PrioritySort)) },
        Native { name: "NodeUnschedulable", points: FILTER, weight: 0, make: Some(|_| Arc::new(NodeUnschedulable)) },
        Native { name: "NodeName", points: FILTER, weight: 0, make: Some(|_| Arc::new(NodeName)) },
        Native { name: "TaintToleration", points: of(&[FILTER, PRE_SCORE, SCORE]), weight: 3, make: Some(|_| Arc::new(TaintToleration)) },
        Native { name: "NodeAffinity", points: JUDGE, weight: 2, make: Some(|args| Arc::new(NodeAffinity::new(args.added.clone()))) },
        Native { name: "NodePorts", points: CHECK, weight: 0, make: Some(|_| Arc::new(NodePorts)) },
        Native { name: "NodeResourcesFit", points: JUDGE, weight: 1, make: Some(|args| Arc::new(Fit(args.fit.clone()))) },
        Native { name: "VolumeRestrictions", points: CHECK, weight: 0, make: None },
        Native { name: "NodeVolumeLimits", points: CHECK, weight: 0, make: None },
        Native { name: "VolumeBinding", points: VOLUMES, weight: 0, make: None },
        Native { name: "VolumeZone", points: CHECK, weight: 0, make: None },
        Native { name: "PodTopologySpread", points: JUDGE, weight: 2, make: Some(|args| Arc::new(PodTopologySpread(args.spread.clone()))) },
        Native { name: "InterPodAffinity", points: JUDGE, weight: 2, make: Some(|args| Arc::new(InterPodAffinity(args.affinity.clone()))) },
        Native { name: "DynamicResources", points: CLAIMS, weight: 0, make: None },
        Native {
            name: "DefaultPreemption",
            points: Points::POST_FILTER,
            weight: 0,
            make: Some(|args| Arc::new(DefaultPreemption(args.preemption.clone()))),
        },
        Native {
            name: "NodeResourcesBalancedAllocation",
            points: of(&[PRE_SCORE, SCORE]),
            weight: 1,
            make: Some(|args| Arc::new(Balanced(args.balanced.clone()))),
        },
        Native { name: "ImageLocality", points: SCORE, weight: 1, make: Some(|_| Arc::new(ImageLocality)) },
        Native { name: "DefaultBinder", points: Points::BIND, weight: 0, make: Some(|_| Arc::new(DefaultBinder)) },
    ];
    &NATIVE
}
