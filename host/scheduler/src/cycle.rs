//! [`Cycle`]: finds the best node for one pod: `pkg/scheduler/schedule_one.go`.

use crate::cluster::Cluster;
use crate::diagnosis::Diagnosis;
use crate::node::NodeRow;
use crate::plugins::table::Row;
use crate::plugins::{Cx, MAX_SCORE};
use crate::pod::PodInfo;
use interfaces::schedule::{Code, FailurePolicy, PluginError};
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
    /// Failures that were passed over, as their plugins' policy says.
    pub ignored_failures: u64,
}

/// Pods for which room was made on a node and that are not there yet.
pub type Nominated = HashMap<String, Vec<Arc<PodInfo>>>;

/// `numFeasibleNodesToFind`: all of up to 100 nodes, half of some more, 5 % of very many.
pub fn nodes_to_find(all: usize) -> usize {
    if all <= LEAST_NODES {
        return all;
    }
    let percent = 50_usize.saturating_sub(all / 125).max(LEAST_PERCENT);
    (all * percent / 100).max(LEAST_NODES)
}

impl Cycle {
    /// The node for the pod, as an index of the cluster's rows.
    pub async fn find(&mut self, pod: &PodInfo, cluster: &mut Cluster, rows: &[Row], nominated: &Nominated) -> Result<u32, Failure> {
        self.diagnosis.clear();
        self.feasible.clear();
        if cluster.rows().is_empty() {
            return Err(Failure::NoNodes);
        }
        // Plugins outside see the table; without any, nobody does.
        if rows.iter().any(|row| !row.plugin.simulates()) {
            cluster.refresh_table();
        }
        let cluster = &*cluster;
        let cx = cluster.cx(pod);
        let nominee = cluster.index(pod.nominated_node());
        if let Some(node) = nominee {
            self.candidates.clear();
            self.candidates.push(node);
            self.filter(&cx, rows, nominated).await?;
            if self.candidates.pop().is_some() {
                return Ok(node);
            }
            self.diagnosis.clear();
        }
        self.find_feasible(&cx, rows, nominated).await?;
        match *self.feasible.as_slice() {
            [] => Err(Failure::Unfit),
            [only] => Ok(only),
            _ => self.best(&cx, rows).await,
        }
    }

    /// Goes around the nodes from where the last cycle stopped, in batches, until enough were found.
    async fn find_feasible(&mut self, cx: &Cx<'_>, rows: &[Row], nominated: &Nominated) -> Result<(), Failure> {
        let all = cx.rows.len();
        let wanted = nodes_to_find(all);
        let mut looked_at = 0;
        while looked_at < all && self.feasible.len() < wanted {
            let batch = (wanted - self.feasible.len()).max(LEAST_NODES).min(all - looked_at);
            let start = self.next_start + looked_at;
            self.candidates.clear();
            self.candidates.extend((start..start + batch).map(|at| u32::try_from(at % all).unwrap_or_default()));
            self.filter(cx, rows, nominated).await?;
            self.feasible.append(&mut self.candidates);
            looked_at += batch;
        }
        self.next_start = (self.next_start + looked_at) % all;
        Ok(())
    }

    /// Leaves in `candidates` those that every filter let pass.
    async fn filter(&mut self, cx: &Cx<'_>, rows: &[Row], nominated: &Nominated) -> Result<(), Failure> {
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.filters) {
            if self.candidates.is_empty() {
                return Ok(());
            }
            self.diagnosis.asking(at);
            let asked = row.plugin.filter(cx, &mut self.candidates, &mut self.diagnosis).await;
            self.judge(row, asked)?;
        }
        if !nominated.is_empty() {
            self.respect(cx, rows, nominated).await;
        }
        Ok(())
    }

    /// Room that was made for others of at least the same priority is not taken from them.
    async fn respect(&mut self, cx: &Cx<'_>, rows: &[Row], nominated: &Nominated) {
        let mut kept = Vec::with_capacity(self.candidates.len());
        for node in std::mem::take(&mut self.candidates) {
            let Some(row) = cx.rows.get(node) else { continue };
            let coming = nominated.get(&row.name).into_iter().flatten();
            let coming: Vec<_> = coming.filter(|p| p.priority >= cx.pod.priority && p.uid != cx.pod.uid).collect();
            if !coming.is_empty() {
                let mut then = row.clone();
                coming.into_iter().for_each(|p| then.add(p.clone()));
                if let Err(verdict) = simulate(cx, node, &then, rows).await {
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
    async fn best(&mut self, cx: &Cx<'_>, rows: &[Row]) -> Result<u32, Failure> {
        self.totals.clear();
        self.totals.resize(self.feasible.len(), 0);
        for row in rows.iter().filter(|row| row.weight > 0) {
            self.scores.clear();
            let asked = row.plugin.score(cx, &self.feasible, &mut self.scores).await;
            self.judge(row, asked)?;
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

    fn judge(&mut self, row: &Row, asked: Result<(), PluginError>) -> Result<(), Failure> {
        match asked {
            Ok(()) => Ok(()),
            Err(error) if row.failure_policy == FailurePolicy::Ignore => {
                self.ignored_failures += 1;
                self.scores.clear();
                tracing::debug!(%error, "plugin failure ignored");
                Ok(())
            }
            Err(error) => Err(Failure::Plugin(error)),
        }
    }
}

/// Why a node would not take the pod.
#[derive(Debug)]
pub struct Verdict {
    pub row: usize,
    pub code: Code,
    pub reasons: Vec<String>,
}

/// Whether a node as it would be takes the pod, by the plugins that can tell.
pub async fn simulate(cx: &Cx<'_>, at: u32, node: &NodeRow, rows: &[Row]) -> Result<(), Verdict> {
    // With the node as it would be, pods with wishes about others are looked for everywhere.
    let cx = Cx { rows: cx.rows.with(at, node), affine_pods: usize::MAX, ..*cx };
    for (number, row) in rows.iter().enumerate().filter(|(_, row)| row.filters && row.plugin.simulates()) {
        let (mut candidates, mut told) = (vec![at], Diagnosis::default());
        // A native filter does not fail.
        let _ = row.plugin.filter(&cx, &mut candidates, &mut told).await;
        if let Some(refused) = told.refused().first() {
            return Err(Verdict { row: number, code: refused.code, reasons: told.reasons().map(str::to_owned).collect() });
        }
    }
    Ok(())
}
