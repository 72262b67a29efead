//! [`Profile`]: the plugins that a pod's `spec.schedulerName` stands for, in their order at each extension point:
//! `pkg/scheduler/profile`, `pkg/scheduler/framework/runtime/framework.go`.

mod build;

pub use build::DEFAULT_NAME;

use crate::config::Configuration;
use crate::plugins::table::Row;
use interfaces::schedule::{PluginSet, Points, SchedulePlugin};
use std::sync::Arc;

/// One scheduler name with its plugins. A point that nobody uses is an empty list.
#[derive(Default)]
pub struct Profile {
    pub name: String,
    /// `percentageOfNodesToScore`; 0: by the size of the cluster.
    pub percentage: u32,
    rows: Vec<Row>,
    order: Order,
    sees_table: bool,
}

/// Indices into the rows, by extension point, of the plugins that are asked there.
#[derive(Default)]
struct Order {
    pre_enqueue: Vec<usize>,
    queue_sort: Vec<usize>,
    pre_filter: Vec<usize>,
    filter: Vec<usize>,
    post_filter: Vec<usize>,
    pre_score: Vec<usize>,
    score: Vec<usize>,
    reserve: Vec<usize>,
    permit: Vec<usize>,
    pre_bind: Vec<usize>,
    bind: Vec<usize>,
    post_bind: Vec<usize>,
}

/// A plugin from outside and its row.
type Outside<'a> = (usize, &'a Arc<dyn SchedulePlugin>);

impl Profile {
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether anybody looks at [`crate::cluster::Cluster::table`].
    pub fn sees_table(&self) -> bool {
        self.sees_table
    }

    pub fn filters(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.at(&self.order.filter)
    }

    pub fn scorers(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.at(&self.order.score)
    }

    pub fn post_filters(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.at(&self.order.post_filter)
    }

    /// Those that are [`Row::outside`], and the scheduler's own binder, which is not.
    pub fn binders(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.at(&self.order.bind)
    }

    pub fn pre_enqueues(&self) -> impl Iterator<Item = Outside<'_>> {
        self.outside_at(&self.order.pre_enqueue)
    }

    pub fn queue_sort(&self) -> Option<&Row> {
        self.at(&self.order.queue_sort).map(|(_, row)| row).find(|row| row.outside.is_some())
    }

    pub fn pre_filters(&self) -> impl Iterator<Item = Outside<'_>> {
        self.outside_at(&self.order.pre_filter)
    }

    pub fn pre_scores(&self) -> impl Iterator<Item = Outside<'_>> {
        self.outside_at(&self.order.pre_score)
    }

    pub fn reserves(&self) -> impl DoubleEndedIterator<Item = Outside<'_>> {
        self.outside_at(&self.order.reserve)
    }

    pub fn permits(&self) -> impl Iterator<Item = Outside<'_>> {
        self.outside_at(&self.order.permit)
    }

    pub fn pre_binds(&self) -> impl Iterator<Item = Outside<'_>> {
        self.outside_at(&self.order.pre_bind)
    }

    pub fn post_binds(&self) -> impl Iterator<Item = Outside<'_>> {
        self.outside_at(&self.order.post_bind)
    }

    /// Whether pods pass plugins before they enter the queue.
    pub fn gates(&self) -> bool {
        self.pre_enqueues().next().is_some()
    }

    pub fn name_of(&self, row: usize) -> &str {
        self.rows.get(row).map(|row| row.plugin.name()).unwrap_or_default()
    }

    fn at<'a>(&'a self, order: &'a [usize]) -> impl Iterator<Item = (usize, &'a Row)> {
        order.iter().filter_map(|at| Some((*at, self.rows.get(*at)?)))
    }

    fn outside_at<'a>(&'a self, order: &'a [usize]) -> impl DoubleEndedIterator<Item = Outside<'a>> {
        order.iter().filter_map(|at| Some((*at, self.rows.get(*at)?.outside.as_ref()?)))
    }
}

/// All profiles of the scheduler.
#[derive(Default)]
pub struct Profiles {
    all: Vec<Arc<Profile>>,
    /// Sorts the one queue of all profiles.
    pub queue_sort: Option<Arc<dyn SchedulePlugin>>,
}

impl Profiles {
    /// The configured profiles with the plugins from outside in them, and one of default plugins for each further name that
    /// a plugin from outside asks for.
    pub fn build(configuration: &Configuration, outside: &PluginSet) -> Self {
        build::all(configuration, outside)
    }

    pub fn of(&self, scheduler_name: &str) -> Option<&Arc<Profile>> {
        self.all.iter().find(|profile| profile.name == scheduler_name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.all.iter()
    }

    /// Whether a pod of this name must be asked about before it enters the queue.
    pub fn asks_about(&self, scheduler_name: &str) -> bool {
        self.queue_sort.is_some() || self.of(scheduler_name).is_some_and(|profile| profile.gates())
    }
}

/// Points at which a plugin is handed the table of nodes.
const SEE_TABLE: Points = Points::FILTER.and(Points::PRE_FILTER).and(Points::POST_FILTER).and(Points::PRE_SCORE).and(Points::SCORE);
