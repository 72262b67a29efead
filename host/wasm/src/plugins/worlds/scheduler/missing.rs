//! [`Missing`]: stands for a plugin that is not loaded, or not yet, and whose policy is `Fail`: no pod passes what cannot be asked.

use async_trait::async_trait;
use interfaces::schedule::{
    Bind, FailurePolicy, NodeTable, Permit, PluginError, PluginRow, PodView, PodsOn, Points, PostFilter, PreFilter, Refusal, Refused,
    Rejection, SchedulePlugin,
};
use std::sync::Arc;

pub struct Missing {
    name: String,
    cause: String,
}

impl Missing {
    pub fn row(name: &str, cause: &str, points: Points, profiles: Vec<String>) -> PluginRow {
        PluginRow {
            plugin: Arc::new(Self { name: name.to_owned(), cause: format!("it is not loaded: {cause}") }),
            // What it would say of events is not known: every event counts.
            points: points - Points::REQUEUE,
            weight: 1,
            failure_policy: FailurePolicy::Fail,
            profiles,
        }
    }

    fn error(&self) -> PluginError {
        PluginError::Failed { plugin: self.name.clone(), cause: self.cause.clone() }
    }
}

#[async_trait]
impl SchedulePlugin for Missing {
    fn name(&self) -> &str {
        &self.name
    }

    async fn pre_enqueue(&self, _pods: &[&PodView]) -> Result<Vec<Option<String>>, PluginError> {
        Err(self.error())
    }

    async fn pre_filter(&self, _pod: &PodView, _nodes: &NodeTable) -> Result<PreFilter, PluginError> {
        Err(self.error())
    }

    async fn filter(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        Err(self.error())
    }

    async fn post_filter(
        &self,
        _pod: &PodView,
        _nodes: &NodeTable,
        _refused: &[Refused<'_>],
        _pods: &Arc<dyn PodsOn>,
    ) -> Result<PostFilter, PluginError> {
        Err(self.error())
    }

    async fn score(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
        Err(self.error())
    }

    async fn reserve(&self, _pod: &PodView, _node: &str) -> Result<Option<Rejection>, PluginError> {
        Err(self.error())
    }

    async fn permit(&self, _pod: &PodView, _node: &str) -> Result<Permit, PluginError> {
        Err(self.error())
    }

    async fn pre_bind(&self, _pod: &PodView, _node: &str) -> Result<Option<Rejection>, PluginError> {
        Err(self.error())
    }

    async fn bind(&self, _pod: &PodView, _node: &str) -> Result<Bind, PluginError> {
        Err(self.error())
    }
}
