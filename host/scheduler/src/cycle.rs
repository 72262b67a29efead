//! [`Cycle`]: finds the best node for one pod: `pkg/scheduler/schedule_one.go`.

use crate::cluster::Cluster;
use crate::diagnosis::Diagnosis;
use crate::dry_run::simulate;
use crate::plugins::table::Row;
use crate::plugins::{Cx, MAX_SCORE};
use crate::pod::PodInfo;
use crate::profile::Profile;
use interfaces::schedule::{Code, FailurePolicy, PluginError, PreFilter, PreScore, Rejection};
use std::collections::HashMap;
use std::sync::Arc;

/// So many nodes are always looked at, and so many per cent of them at least: some spread is kept in large clusters.
const LEAST_NODES: usize = 100;
const LEAST_PERCENT: usize = 5;

/// Why there is no node.
#[derive(Debug)]
pub enum Failure {
    /// The cluster has no nodes.
    NoNodes,
    /// All refused the pod: see [`Cycle::diagnosis`].
    Unfit,
    /// A plugin whose failure counts failed.
    Plugin(PluginError),
}

/// What one cycle leaves to the next: where to go on looking, and memory.
#[derive(Default)]
pub struct Cycle {
    next_start: usize,
    feasible: Vec<u32>,
    candidates: Vec<u32>,
    scores: Vec<i64>,
    totals: Vec<i64>,
    pub diagnosis: Diagnosis,
    /// Rows of the profile that do not filter for this pod: they said so before, or failed and may be ignored.
    pub off: Vec<usize>,
    /// Rows that do not score for it.
    no_score: Vec<usize>,
    /// Failures that were passed over, as their plugins' policy says.
    pub ignored_failures: u64,
}

/// Pods for which room was made on a node and that are not there yet.
pub type Nominated = HashMap<String, Vec<Arc<PodInfo>>>;

/// The nodes that come into question, and who said that others do not.
struct Only {
    /// Sorted.
    nodes: Vec<u32>,
    by: Vec<usize>,
}

/// `numFeasibleNodesToFind`: all of up to 100 nodes, half of some more, 5 % of very many; or `percent` of them, if not 0.
pub fn nodes_to_find(all: usize, percent: u32) -> usize {
    if all <= LEAST_NODES {
        return all;
    }
    let percent = match percent {
        0 => 50_usize.saturating_sub(all / 125).max(LEAST_PERCENT),
        given => given as usize,
    };
    (all * percent / 100).max(LEAST_NODES)
}

impl Cycle {
    /// The node for the pod, as an index of the cluster's rows.
    pub async fn find(&mut self, pod: &PodInfo, cluster: &mut Cluster, profile: &Profile, nominated: &Nominated) -> Result<u32, Failure> {
        self.diagnosis.clear();
        self.feasible.clear();
        self.off.clear();
        self.no_score.clear();
        if cluster.rows().is_empty() {
            return Err(Failure::NoNodes);
        }
        // Plugins outside see the table; without any, nobody does.
        if profile.sees_table() {
            cluster.refresh_table();
        }
        let cluster = &*cluster;
        let cx = cluster.cx(pod);
        let only = self.pre_filter(&cx, profile).await?;
        let nominee = cluster.index(pod.nominated_node());
        if let Some(node) = nominee.filter(|node| only.as_ref().is_none_or(|only| only.nodes.binary_search(node).is_ok())) {
            self.candidates.clear();
            self.candidates.push(node);
            self.filter(&cx, profile, nominated).await?;
            if self.candidates.pop().is_some() {
                return Ok(node);
            }
            self.diagnosis.clear();
        }
        self.find_feasible(&cx, profile, nominated, only.as_ref()).await?;
        match *self.feasible.as_slice() {
            [] => {
                if let Some(only) = &only {
                    self.tell_excluded(&cx, profile, only);
                }
                Err(Failure::Unfit)
            }
            [only] => Ok(only),
            _ => self.best(&cx, profile).await,
        }
    }

    /// `RunPreFilterPlugins`: the nodes that come into question; `None`: all.
    async fn pre_filter(&mut self, cx: &Cx<'_>, profile: &Profile) -> Result<Option<Only>, Failure> {
        let mut only: Option<Only> = None;
        let mut refused = false;
        for (at, outside) in profile.pre_filters() {
            let Some(row) = profile.rows().get(at) else { continue };
            self.diagnosis.asking(at);
            match outside.pre_filter(cx.pod.view(), cx.table).await {
                Ok(PreFilter::Pass) => {}
                Ok(PreFilter::Skip) => self.off.push(at),
                Ok(PreFilter::Only(mut nodes)) => {
                    nodes.sort_unstable();
                    nodes.dedup();
                    nodes.retain(|node| (*node as usize) < cx.rows.len());
                    let merged = only.get_or_insert_with(|| Only { nodes: nodes.clone(), by: Vec::new() });
                    merged.nodes.retain(|node| nodes.binary_search(node).is_ok());
                    merged.by.push(at);
                }
                Ok(PreFilter::Refuse(Rejection { code, reason })) => {
                    refused = true;
                    self.diagnosis.refuse_all(cx.rows.len(), code, &reason);
                    // What cannot be resolved need not be looked at further.
                    if code == Code::UnschedulableAndUnresolvable {
                        break;
                    }
                }
                Err(error) => self.judge(at, row, Err(error))?,
            }
        }
        if refused { Err(Failure::Unfit) } else { Ok(only) }
    }

    /// Nodes that were not looked at because a pre-filter left them out.
    fn tell_excluded(&mut self, cx: &Cx<'_>, profile: &Profile, only: &Only) {
        let mut names: Vec<&str> = only.by.iter().filter_map(|at| Some(profile.rows().get(*at)?.plugin.name())).collect();
        names.sort_unstable();
        let reason = format!("node(s) didn't satisfy plugin(s) [{}]", names.join(" "));
        for at in &only.by {
            self.diagnosis.asking(*at);
            self.diagnosis.blame();
        }
        for node in (0..).take(cx.rows.len()).filter(|node| only.nodes.binary_search(node).is_err()) {
            self.diagnosis.refuse(node, Code::UnschedulableAndUnresolvable, [reason.clone().into()]);
        }
    }

    /// Goes around the nodes from where the last cycle stopped, in batches, until enough were found.
    async fn find_feasible(&mut self, cx: &Cx<'_>, profile: &Profile, nominated: &Nominated, only: Option<&Only>) -> Result<(), Failure> {
        let all = only.map_or(cx.rows.len(), |only| only.nodes.len());
        if all == 0 {
            return Ok(());
        }
        let wanted = nodes_to_find(all, profile.percentage);
        let mut looked_at = 0;
        while looked_at < all && self.feasible.len() < wanted {
            let batch = (wanted - self.feasible.len()).max(LEAST_NODES).min(all - looked_at);
            let start = self.next_start + looked_at;
            self.candidates.clear();
            match only {
                None => self.candidates.extend((start..start + batch).map(|at| u32::try_from(at % all).unwrap_or_default())),
                Some(only) => self.candidates.extend((start..start + batch).filter_map(|at| only.nodes.get(at % all))),
            }
            self.filter(cx, profile, nominated).await?;
            self.feasible.append(&mut self.candidates);
            looked_at += batch;
        }
        self.next_start = (self.next_start + looked_at) % all;
        Ok(())
    }

    /// Leaves in `candidates` those that every filter let pass.
    async fn filter(&mut self, cx: &Cx<'_>, profile: &Profile, nominated: &Nominated) -> Result<(), Failure> {
        for (at, row) in profile.filters() {
            if self.candidates.is_empty() {
                return Ok(());
            }
            if self.off.contains(&at) {
                continue;
            }
            self.diagnosis.asking(at);
            let asked = row.plugin.filter(cx, &mut self.candidates, &mut self.diagnosis).await;
            self.judge(at, row, asked)?;
        }
        if !nominated.is_empty() {
            self.respect(cx, profile, nominated).await;
        }
        Ok(())
    }

    /// Room that was made for others of at least the same priority is not taken from them.
    async fn respect(&mut self, cx: &Cx<'_>, profile: &Profile, nominated: &Nominated) {
        let mut kept = Vec::with_capacity(self.candidates.len());
        for node in std::mem::take(&mut self.candidates) {
            let Some(row) = cx.rows.get(node) else { continue };
            let coming = nominated.get(&row.name).into_iter().flatten();
            let coming: Vec<_> = coming.filter(|p| p.priority >= cx.pod.priority && p.uid != cx.pod.uid).collect();
            if !coming.is_empty() {
                let mut then = row.clone();
                coming.into_iter().for_each(|p| then.add(p.clone()));
                if let Err(verdict) = simulate(cx, node, &then, profile, &self.off).await {
                    self.diagnosis.asking(verdict.row);
                    self.diagnosis.refuse(node, verdict.code, verdict.reasons.into_iter().map(Into::into));
                    continue;
                }
            }
            kept.push(node);
        }
        self.candidates = kept;
    }

    /// The highest sum of weighted scores; among equals any, by chance.
    async fn best(&mut self, cx: &Cx<'_>, profile: &Profile) -> Result<u32, Failure> {
        for (at, outside) in profile.pre_scores() {
            let Some(row) = profile.rows().get(at).filter(|_| !self.no_score.contains(&at)) else { continue };
            match outside.pre_score(cx.pod.view(), cx.table, &self.feasible).await {
                Ok(PreScore::Pass) => {}
                Ok(PreScore::Skip) => self.no_score.push(at),
                Err(error) => self.judge(at, row, Err(error))?,
            }
        }
        self.totals.clear();
        self.totals.resize(self.feasible.len(), 0);
        for (at, row) in profile.scorers() {
            if self.no_score.contains(&at) {
                continue;
            }
            self.scores.clear();
            let asked = row.plugin.score(cx, &self.feasible, &mut self.scores).await;
            self.judge(at, row, asked)?;
            for (total, score) in self.totals.iter_mut().zip(&self.scores) {
                *total += score.clamp(&0, &MAX_SCORE) * row.weight;
            }
        }
        let (mut best, mut equals) = (0, 0_u32);
        for (at, total) in self.totals.iter().enumerate() {
            let leader = self.totals.get(best).copied().unwrap_or_default();
            if equals == 0 || *total > leader {
                (best, equals) = (at, 1);
            } else if *total == leader {
                equals += 1;
                if rand::random_range(0..equals) == 0 {
                    best = at;
                }
            }
        }
        self.feasible.get(best).copied().ok_or(Failure::Unfit)
    }

    fn judge(&mut self, at: usize, row: &Row, asked: Result<(), PluginError>) -> Result<(), Failure> {
        match asked {
            Ok(()) => Ok(()),
            Err(error) if row.failure_policy == FailurePolicy::Ignore => {
                self.ignored_failures += 1;
                self.scores.clear();
                // As if it were not there for this pod.
                self.off.push(at);
                self.no_score.push(at);
                tracing::debug!(%error, "plugin failure ignored");
                Ok(())
            }
            Err(error) => Err(Failure::Plugin(error)),
        }
    }
}
