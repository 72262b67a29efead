//! [`SchedulePlugin`]: the extension points, and what a plugin is handed there.
//!
//! Order for one pod: `pre_enqueue` → `sort_keys` → (in the queue) → `pre_filter` → `filter` → `post_filter` when no node is
//! left, else → `pre_score` → `score` → `normalize` → (assumed on its node) → `reserve` → `permit` → (from here on beside the
//! next pods' cycles; waits if told to) → `pre_bind` → `bind` → `post_bind`. `unreserve` follows whatever fails after
//! `reserve` began, in reverse order of the plugins.

use super::{
    Bind, Events, FailurePolicy, Happened, NodeTable, Permit, PluginError, PodView, Points, PostFilter, PreFilter, PreScore, Refusal,
    Refused, Rejection, SortKey,
};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// A scheduler plugin. Methods default to "no opinion", and only those of [`PluginRow::points`] are called.
///
/// An `Err` is a failure of the plugin, never an answer: [`PluginRow::failure_policy`] says what it means. With `Fail`, the
/// pod's cycle fails and is tried again; at `pre_enqueue` the pod stays out of the queue until the next event. With `Ignore`
/// the plugin is not asked again in that pod's cycle, as if it were not there. Failures of `sort_keys` (the pod is then
/// sorted by its priority), of `hint` (then the pod is tried), of `unreserve` and of `post_bind` fail nothing.
#[async_trait]
pub trait SchedulePlugin: Send + Sync {
    fn name(&self) -> &str;

    /// The scheduler's side, for plugins that let pods wait. Called once before anything else, and again by another scheduler.
    fn attach(&self, _waiting: Arc<dyn WaitingPods>) {}

    /// Why each of the pods must not enter the queue yet; `None`: it may. One answer per pod, in their order. Asked of a pod
    /// that is new, and again whenever an event or a change of the pod would bring it back.
    async fn pre_enqueue(&self, pods: &[&PodView]) -> Result<Vec<Option<String>>, PluginError> {
        Ok(vec![None; pods.len()])
    }

    /// The place of each pod in the queue, in the order of `pods`: one key per pod, compared by the queue. Asked once when a
    /// pod enters and when it changed, so that sorting costs no calls. Pods of equal keys go by arrival.
    async fn sort_keys(&self, pods: &[&PodView]) -> Result<Vec<SortKey>, PluginError> {
        Ok(pods.iter().map(|pod| SortKey::from([-i64::from(pod.priority)])).collect())
    }

    /// What may change a refusal of this plugin.
    fn events(&self) -> Events {
        Events::ALL
    }

    /// Which of the pods, all refused by this plugin, the event may have helped. One answer per pod, in their order.
    async fn hint(&self, _event: &Happened<'_>, pods: &[&PodView]) -> Result<Vec<bool>, PluginError> {
        Ok(vec![true; pods.len()])
    }

    async fn pre_filter(&self, _pod: &PodView, _nodes: &NodeTable) -> Result<PreFilter, PluginError> {
        Ok(PreFilter::Pass)
    }

    /// From now on `filter` is asked as if these pods were on the node, until `remove_pods` takes them back.
    async fn add_pods(&self, _pod: &PodView, _change: &PodsChange<'_>) -> Result<(), PluginError> {
        Ok(())
    }

    /// From now on `filter` is asked as if these pods were not on the node, until `add_pods` puts them back.
    async fn remove_pods(&self, _pod: &PodView, _change: &PodsChange<'_>) -> Result<(), PluginError> {
        Ok(())
    }

    /// Refuses some of `candidates` (numbers into `nodes`); all others pass.
    async fn filter(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        Ok(Vec::new())
    }

    /// Every node was refused, `refused` says by whom (a node at most once; those that are missing were not looked at). `pods` tells what is on the nodes.
    async fn post_filter(
        &self,
        _pod: &PodView,
        _nodes: &NodeTable,
        _refused: &[Refused<'_>],
        _pods: &Arc<dyn PodsOn>,
    ) -> Result<PostFilter, PluginError> {
        Ok(PostFilter::Nothing(String::new()))
    }

    async fn pre_score(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<PreScore, PluginError> {
        Ok(PreScore::Pass)
    }

    /// One score for each of `candidates`, in their order: of 0..=100, or any when the plugin normalizes. Empty: no opinion.
    async fn score(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
        Ok(Vec::new())
    }

    /// The plugin's own scores brought to 0..=100, in their order.
    async fn normalize(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32], scores: Vec<i64>) -> Result<Vec<i64>, PluginError> {
        Ok(scores)
    }

    /// The pod is to go to this node: takes what it needs there, or refuses.
    async fn reserve(&self, _pod: &PodView, _node: &str) -> Result<Option<Rejection>, PluginError> {
        Ok(None)
    }

    /// Gives back what `reserve` took. May be called for a pod that this plugin never reserved for: must then do nothing.
    async fn unreserve(&self, _pod: &PodView, _node: &str) -> Result<(), PluginError> {
        Ok(())
    }

    async fn permit(&self, _pod: &PodView, _node: &str) -> Result<Permit, PluginError> {
        Ok(Permit::Allow)
    }

    /// Does what must be done before the pod is bound, or refuses.
    async fn pre_bind(&self, _pod: &PodView, _node: &str) -> Result<Option<Rejection>, PluginError> {
        Ok(None)
    }

    async fn bind(&self, _pod: &PodView, _node: &str) -> Result<Bind, PluginError> {
        Ok(Bind::Skip)
    }

    /// The pod was bound. For information and tidying up.
    async fn post_bind(&self, _pod: &PodView, _node: &str) -> Result<(), PluginError> {
        Ok(())
    }
}

/// Pods that come to a node or go from it in a dry run.
#[derive(Clone, Copy, Debug)]
pub struct PodsChange<'a> {
    pub node: u32,
    pub pods: &'a [&'a PodView],
    /// The node with the change made: its usage differs from the table's.
    pub then: &'a super::NodeView,
}

/// What is on the nodes of one cycle.
pub trait PodsOn: Send + Sync {
    /// Pods on the node of this number, those on their way to it included.
    fn on(&self, node: u32) -> Vec<&PodView>;
}

/// A pod that waits for permission to be bound.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub pod: PodView,
    pub node: String,
    /// Plugins that have not allowed it yet.
    pub pending: Vec<String>,
    pub since: Duration,
}

/// The pods that wait because a plugin's `permit` said so. Only plugins that a pod waits for have a say about it.
pub trait WaitingPods: Send + Sync {
    /// Of all profiles, the longest waiting first.
    fn list(&self) -> Vec<Waiting>;

    /// `plugin` lets the pod go; it is bound when all that it waits for have. `false`: it does not wait for `plugin`.
    fn allow(&self, plugin: &str, uid: &str) -> bool;

    /// The pod is refused, whatever others say. `false`: it does not wait.
    fn reject(&self, plugin: &str, uid: &str, reason: &str) -> bool;
}

/// A plugin with the settings that the scheduler applies.
#[derive(Clone)]
pub struct PluginRow {
    pub plugin: Arc<dyn SchedulePlugin>,
    /// Where it is asked.
    pub points: Points,
    /// Factor of its scores, unless a profile gives another.
    pub weight: i64,
    pub failure_policy: FailurePolicy,
    /// Scheduler names of the profiles it is in, beside those that name it; empty: the default one.
    pub profiles: Vec<String>,
}

/// The loaded wasm plugins, replaced whole on each change. `wasm` writes, `scheduler` reads.
pub type PluginSet = Arc<Vec<PluginRow>>;
