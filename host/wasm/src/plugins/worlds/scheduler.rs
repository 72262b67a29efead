//! World `scheduler`: a loaded plugin as the scheduler sees it, a row like a native one.

use super::mirror::{self, Mirror};
use super::{Loaded, Made, Product};
use crate::ctx::State;
use crate::load::Error;
use crate::plugins::bindings::exports::coracle::plugin::{filter, node_table, score};
use crate::plugins::pool::{Exports, Failure, Live, Pool, Returned};
use async_trait::async_trait;
use futures::future::BoxFuture;
use interfaces::schedule::{Code, FailurePolicy, NodeTable, PluginError, PluginRow, PodView, Points, Refusal, SchedulePlugin};
use serde::Deserialize;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Instance;

/// What a component may export.
pub const EXPORTS: &[&str] = &["coracle:plugin/node-table", "coracle:plugin/filter", "coracle:plugin/score"];

/// As `wit/scheduler.wit` says.
const REASONS: usize = 64;
const LONGEST_REASON: usize = 256;

/// `spec.scheduler`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Block {
    extension_points: Option<Vec<String>>,
    score_weight: Option<i64>,
}

impl Block {
    fn has(&self, point: &str) -> bool {
        self.extension_points.iter().flatten().any(|p| p == point)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(other) = self.extension_points.iter().flatten().find(|p| !["filter", "score"].contains(&p.as_str())) {
            return Err(format!("spec.scheduler.extensionPoints: {other:?} is not known; this version has filter, score"));
        }
        if !self.has("filter") && !self.has("score") {
            return Err("spec.scheduler.extensionPoints: at least one of filter, score is needed".to_owned());
        }
        Ok(())
    }
}

/// Whether a plugin filters and scores, by its object, even if that is wrong otherwise; a filter if it does not say.
pub fn points_of(object: &object::Object) -> (bool, bool) {
    let points = object.at(&["spec", "scheduler", "extensionPoints"]).and_then(object::Value::as_array);
    let has = |name: &str| points.is_some_and(|points| points.iter().any(|point| point == name));
    (has("filter") || !has("score"), has("score"))
}

fn points(filters: bool, scores: bool) -> Points {
    let of = |is: bool, point| if is { point } else { Points::NONE };
    of(filters, Points::FILTER) | of(scores, Points::SCORE)
}

pub fn load(made: Made) -> BoxFuture<'static, Result<Loaded, Error>> {
    Box::pin(async move {
        let block: Block = made.settings.block("scheduler").map_err(|cause| made.unfit(cause))?;
        block.check().map_err(|cause| made.unfit(cause))?;
        let (filters, scores) = (block.has("filter"), block.has("score"));
        let mut wanted = vec!["coracle:plugin/node-table"];
        wanted.extend(filters.then_some("coracle:plugin/filter"));
        wanted.extend(scores.then_some("coracle:plugin/score"));
        made.require(&wanted)?;
        let exports = Indices {
            node_table: node_table::GuestIndices::new(&made.pre).map_err(|cause| made.mismatch(cause))?,
            filter: filters.then(|| filter::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?,
            score: scores.then(|| score::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?,
        };
        let settings = made.settings.clone();
        let pool = Pool::new(&made.engine, made.pre, exports, made.given, settings.limits, made.counters);
        let pool = Arc::new(pool);
        let row = PluginRow {
            plugin: Arc::new(Plugin { pool: pool.clone() }),
            points: points(filters, scores),
            weight: block.score_weight.unwrap_or(1),
            failure_policy: settings.failure_policy,
            profiles: Vec::new(),
        };
        Ok(Loaded { product: Product::Scheduler(row), resident: pool })
    })
}

/// Where the exports are; a component has those that its object asks for.
struct Indices {
    node_table: node_table::GuestIndices,
    filter: Option<filter::GuestIndices>,
    score: Option<score::GuestIndices>,
}

/// The exports of one instance, and what it knows of the nodes.
struct Guest {
    node_table: node_table::Guest,
    filter: Option<filter::Guest>,
    score: Option<score::Guest>,
    mirror: Mirror,
}

impl Exports for Indices {
    type Guest = Guest;

    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
        Ok(Guest {
            node_table: self.node_table.load(&mut *store, instance)?,
            filter: self.filter.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            score: self.score.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            mirror: Mirror::default(),
        })
    }
}

struct Plugin {
    pool: Arc<Pool<Indices>>,
}

/// What a plugin is asked about a pod.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Filter,
    Score,
}

/// What it answered, not yet checked.
enum Answer {
    Verdicts(filter::Verdicts),
    Scores(Vec<u8>),
}

impl Plugin {
    async fn call(&self, ask: Ask, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Answer, PluginError> {
        self.pool
            .call(|mut live| {
                Box::pin(async move {
                    let answer = called(&mut live, ask, pod, nodes, candidates).await;
                    (live, answer) as Returned<Guest, Answer>
                })
            })
            .await
    }
}

async fn called(live: &mut Live<Guest>, ask: Ask, pod: &PodView, table: &NodeTable, candidates: &[u32]) -> Result<Answer, Failure> {
    let Live { store, guest, .. } = live;
    if let Some(delta) = guest.mirror.delta(table) {
        match guest.node_table.call_sync(&mut *store, &delta).await? {
            Ok(()) => guest.mirror.told(table),
            Err(cause) => {
                guest.mirror.forget();
                return Err(Failure::Guest(cause));
            }
        }
    }
    if let Some(plugin) = &mut store.data_mut().plugin {
        plugin.about(Some(pod.object.clone()));
    }
    let view = mirror::pod(pod);
    let answer = match (ask, &guest.filter, &guest.score) {
        (Ask::Filter, Some(filter), _) => filter.call_filter(&mut *store, &view, candidates).await?.map(Answer::Verdicts),
        (Ask::Score, _, Some(score)) => score.call_score(&mut *store, &view, candidates).await?.map(Answer::Scores),
        _ => Err("it is not loaded for this".to_owned()),
    };
    if let Some(plugin) = &mut store.data_mut().plugin {
        plugin.about(None);
    }
    answer.map_err(Failure::Guest)
}

#[async_trait]
impl SchedulePlugin for Plugin {
    fn name(&self) -> &str {
        self.pool.name()
    }

    async fn filter(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        match self.call(Ask::Filter, pod, nodes, candidates).await? {
            Answer::Verdicts(verdicts) => check_verdicts(verdicts, candidates).map_err(|cause| self.pool.refuse(cause)),
            Answer::Scores(_) => Ok(Vec::new()),
        }
    }

    async fn score(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
        match self.call(Ask::Score, pod, nodes, candidates).await? {
            Answer::Scores(scores) => check_scores(scores, candidates.len()).map_err(|cause| self.pool.refuse(cause)),
            Answer::Verdicts(_) => Ok(Vec::new()),
        }
    }
}

/// What a guest says is not believed: a plugin that answers nonsense has failed, it has not refused.
fn check_verdicts(verdicts: filter::Verdicts, candidates: &[u32]) -> Result<Vec<Refusal>, String> {
    let filter::Verdicts { passed, reasons, codes } = verdicts;
    if passed.is_empty() {
        return Ok(Vec::new());
    }
    if passed.len() != candidates.len().div_ceil(8) {
        return Err(format!("it gave {} bytes of verdicts for {} nodes", passed.len(), candidates.len()));
    }
    if reasons.len() > REASONS {
        return Err(format!("it gave {} reasons, at most {REASONS} are allowed", reasons.len()));
    }
    let reasons: Vec<(Code, String)> = reasons
        .into_iter()
        .map(|reason| {
            let code = match reason.code {
                filter::Code::Unschedulable => Code::Unschedulable,
                filter::Code::UnschedulableAndUnresolvable => Code::UnschedulableAndUnresolvable,
            };
            let mut text = reason.text;
            text.truncate(text.floor_char_boundary(LONGEST_REASON));
            (code, text)
        })
        .collect();
    let bytes = passed.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let refused: Vec<u32> = candidates.iter().zip(bytes).filter(|(_, passed)| !passed).map(|(node, _)| *node).collect();
    if codes.len() != refused.len() && !(codes.is_empty() && reasons.len() == 1) && !refused.is_empty() {
        return Err(format!("it refused {} nodes and gave {} codes with {} reasons", refused.len(), codes.len(), reasons.len()));
    }
    let codes = codes.into_iter().chain(std::iter::repeat(0));
    let mut answer = Vec::with_capacity(refused.len());
    for (node, code) in refused.into_iter().zip(codes) {
        let (kind, reason) = reasons
            .get(usize::from(code))
            .cloned()
            .ok_or_else(|| format!("it refused node {node} for reason {code} of {}", reasons.len()))?;
        answer.push(Refusal { node, code: kind, reason });
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

    fn verdicts(passed: &[u8], reasons: usize, codes: &[u8]) -> filter::Verdicts {
        let reason = filter::Reason { code: filter::Code::Unschedulable, text: "ä".repeat(200) };
        filter::Verdicts { passed: passed.to_vec(), reasons: vec![reason; reasons], codes: codes.to_vec() }
    }

    #[test]
    fn answers_are_checked() {
        let check = |passed: &[u8], reasons, codes: &[u8]| {
            let found = check_verdicts(verdicts(passed, reasons, codes), &[3, 5, 9])?;
            Ok::<_, String>(found.into_iter().map(|r| (r.node, r.code, r.reason.len())).collect::<Vec<_>>())
        };
        let one = Ok(vec![(5, Code::Unschedulable, 256)]);
        assert_eq!(check(&[0b101], 1, &[]), one);
        assert_eq!(check(&[0b1111_1101], 2, &[1]), one);
        assert_eq!(check(&[], 0, &[]), Ok(vec![]));
        assert_eq!(check(&[0b111], 0, &[]), Ok(vec![]));
        assert_eq!(check(&[0b101, 0], 1, &[]).unwrap_err(), "it gave 2 bytes of verdicts for 3 nodes");
        assert_eq!(check(&[0b001], 2, &[0]).unwrap_err(), "it refused 2 nodes and gave 1 codes with 2 reasons");
        assert_eq!(check(&[0b001], 0, &[]).unwrap_err(), "it refused 2 nodes and gave 0 codes with 0 reasons");
        assert_eq!(check(&[0b101], 1, &[1]).unwrap_err(), "it refused node 5 for reason 1 of 1");
        assert_eq!(check(&[0b101], 65, &[0]).unwrap_err(), "it gave 65 reasons, at most 64 are allowed");

        assert_eq!(check_scores(vec![0, 100], 2), Ok(vec![0, 100]));
        assert_eq!(check_scores(vec![], 2), Ok(vec![]));
        assert!(check_scores(vec![1], 2).is_err());
        assert!(check_scores(vec![101, 0], 2).is_err());
    }
}
