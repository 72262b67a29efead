//! A loaded plugin as the scheduler sees it: a row like a native one.

use super::bindings::exports::coracle::plugin::filter as wit;
use super::pool::{Answer, Ask, Counters, Pool};
use super::settings::Settings;
use crate::engine::Engine;
use crate::load::Error;
use async_trait::async_trait;
use interfaces::schedule::{Code, FailurePolicy, NodeTable, PluginError, PluginRow, PodView, Points, Refusal, SchedulePlugin};
use std::collections::HashSet;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre};

/// As `wit/scheduler.wit` says.
const REASONS: usize = 64;
const LONGEST_REASON: usize = 256;

pub struct Plugin {
    pool: Pool,
}

impl Plugin {
    /// # Errors
    /// The component lacks an export that `settings` ask for.
    pub fn new(
        name: &str,
        engine: &Engine,
        component: &Component,
        pre: InstancePre<crate::ctx::State>,
        settings: &Settings,
    ) -> Result<Self, Error> {
        Ok(Self { pool: Pool::new(name, engine, component, pre, settings)? })
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.pool.counters
    }

    pub fn row(self: Arc<Self>, settings: &Settings) -> PluginRow {
        PluginRow {
            plugin: self,
            points: points(settings.filters, settings.scores),
            weight: settings.weight,
            failure_policy: settings.failure_policy,
            profiles: Vec::new(),
        }
    }
}

fn points(filters: bool, scores: bool) -> Points {
    let of = |is: bool, point| if is { point } else { Points::NONE };
    of(filters, Points::FILTER) | of(scores, Points::SCORE)
}

#[async_trait]
impl SchedulePlugin for Plugin {
    fn name(&self) -> &str {
        self.pool.name()
    }

    async fn filter(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        match self.pool.call(Ask::Filter, pod, nodes, candidates).await? {
            Answer::Refusals(refusals) => check_refusals(refusals, candidates).map_err(|cause| self.pool.refuse(cause)),
            Answer::Scores(_) => Ok(Vec::new()),
        }
    }

    async fn score(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
        match self.pool.call(Ask::Score, pod, nodes, candidates).await? {
            Answer::Scores(scores) => check_scores(scores, candidates.len()).map_err(|cause| self.pool.refuse(cause)),
            Answer::Refusals(_) => Ok(Vec::new()),
        }
    }
}

/// What a guest says is not believed: a plugin that answers nonsense has failed, it has not refused.
fn check_refusals(refusals: wit::Refusals, candidates: &[u32]) -> Result<Vec<Refusal>, String> {
    if refusals.reasons.len() > REASONS {
        return Err(format!("it gave {} reasons, at most {REASONS} are allowed", refusals.reasons.len()));
    }
    let reasons: Vec<(Code, String)> = refusals
        .reasons
        .into_iter()
        .map(|reason| {
            let code = match reason.code {
                wit::Code::Unschedulable => Code::Unschedulable,
                wit::Code::UnschedulableAndUnresolvable => Code::UnschedulableAndUnresolvable,
            };
            let mut text = reason.text;
            text.truncate(text.floor_char_boundary(LONGEST_REASON));
            (code, text)
        })
        .collect();
    let candidates: HashSet<u32> = candidates.iter().copied().collect();
    let mut refused = HashSet::with_capacity(refusals.nodes.len());
    let mut answer = Vec::with_capacity(refusals.nodes.len());
    for wit::Refusal { node, reason } in refusals.nodes {
        if !candidates.contains(&node) {
            return Err(format!("it refused node {node}, which it was not asked about"));
        }
        if !refused.insert(node) {
            return Err(format!("it refused node {node} twice"));
        }
        let (code, reason) = reasons
            .get(reason as usize)
            .cloned()
            .ok_or_else(|| format!("it refused node {node} for reason {reason} of {}", reasons.len()))?;
        answer.push(Refusal { node, code, reason });
    }
    Ok(answer)
}

fn check_scores(scores: Vec<u8>, candidates: usize) -> Result<Vec<i64>, String> {
    if !scores.is_empty() && scores.len() != candidates {
        return Err(format!("it gave {} scores for {candidates} nodes", scores.len()));
    }
    match scores.iter().find(|score| **score > 100) {
        Some(score) => Err(format!("it gave a score of {score}, beyond 100")),
        None => Ok(scores.into_iter().map(i64::from).collect()),
    }
}

/// Stands for a plugin that is not loaded, or not yet, and whose policy is `Fail`: no pod passes what cannot be asked.
pub struct Missing {
    name: String,
    cause: String,
}

impl Missing {
    pub fn row(name: &str, cause: &str, (filters, scores): (bool, bool)) -> PluginRow {
        PluginRow {
            plugin: Arc::new(Self { name: name.to_owned(), cause: format!("it is not loaded: {cause}") }),
            points: points(filters, scores),
            weight: 1,
            failure_policy: FailurePolicy::Fail,
            profiles: Vec::new(),
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

    async fn filter(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        Err(self.error())
    }

    async fn score(&self, _pod: &PodView, _nodes: &NodeTable, _candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
        Err(self.error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(reasons: usize, nodes: &[(u32, u32)]) -> wit::Refusals {
        let reason = wit::Reason { code: wit::Code::Unschedulable, text: "ä".repeat(200) };
        wit::Refusals {
            reasons: vec![reason; reasons],
            nodes: nodes.iter().map(|(node, reason)| wit::Refusal { node: *node, reason: *reason }).collect(),
        }
    }

    #[test]
    fn answers_are_checked() {
        let check = |reasons, nodes: &[(u32, u32)]| check_refusals(refusals(reasons, nodes), &[3, 5]);
        let good = check(1, &[(5, 0)]).unwrap();
        assert_eq!(good.iter().map(|r| (r.node, r.code, r.reason.len())).collect::<Vec<_>>(), [(5, Code::Unschedulable, 256)]);
        assert_eq!(check(0, &[]), Ok(vec![]));
        assert_eq!(check(1, &[(4, 0)]).unwrap_err(), "it refused node 4, which it was not asked about");
        assert_eq!(check(1, &[(5, 0), (5, 0)]).unwrap_err(), "it refused node 5 twice");
        assert_eq!(check(1, &[(5, 1)]).unwrap_err(), "it refused node 5 for reason 1 of 1");
        assert_eq!(check(65, &[]).unwrap_err(), "it gave 65 reasons, at most 64 are allowed");

        assert_eq!(check_scores(vec![0, 100], 2), Ok(vec![0, 100]));
        assert_eq!(check_scores(vec![], 2), Ok(vec![]));
        assert!(check_scores(vec![1], 2).is_err());
        assert!(check_scores(vec![101, 0], 2).is_err());
    }
}
