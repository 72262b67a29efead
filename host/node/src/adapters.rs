//! Adapters beside containers: `adapter.coracle.dev/<container>` of a pod ([`annotation`]).
//!
//! A container that is adapted writes its log to a raw file beside its log ([`plan`]); a feed per stream ([`feed`]) reads
//! it ([`tail`]), has the plugins adapt it and writes the log. The raw file is the buffer between the two: the container
//! never waits for an adapter, its runtime (a shim, the wasm host) knows nothing of it, and lines outlive each of the
//! processes (ADR 18).

mod annotation;
mod feed;
mod metrics;
pub mod plan;
mod serve;
mod tail;
#[cfg(test)]
mod tests;

use feed::{Feed, Stage, State};
use interfaces::adapt::{AdapterSet, Source};
use interfaces::network::PodRef;
use interfaces::workload::ContainerId;
use metrics::Metrics;
use parking_lot::Mutex;
use plan::Plan;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tail::{Tail, What};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use workload::log::{LogWriter, Rotation, Stream};

/// How long the last lines of a run are waited for before its volumes are freed or its log is shown. What takes longer is
/// still written.
const SETTLE: Duration = Duration::from_secs(10);

pub struct Adapters {
    set: watch::Receiver<AdapterSet>,
    runs: Mutex<HashMap<ContainerId, Run>>,
    /// By pod UID, container and port; they live until the pod is gone, so that counters outlive a restart of the container.
    endpoints: Mutex<HashMap<(String, String, u16), Endpoint>>,
}

struct Run {
    ended: CancellationToken,
    states: Vec<watch::Receiver<State>>,
    /// Cancelled when all feeds are done.
    done: CancellationToken,
    _stop: DropGuard,
}

struct Endpoint {
    metrics: Arc<Metrics>,
    _stop: DropGuard,
}

impl Adapters {
    pub fn new(set: watch::Receiver<AdapterSet>) -> Self {
        Self { set, runs: Mutex::default(), endpoints: Mutex::default() }
    }

    /// A run of a container lives, or has `ended`. `folder` is the container's log folder. Does nothing for containers
    /// that are not adapted, nor for what is known.
    pub fn observe(&self, id: &ContainerId, folder: &Path, ended: bool) {
        let mut runs = self.runs.lock();
        if let Some(run) = runs.get(id) {
            if ended {
                run.ended.cancel();
            }
            return;
        }
        let Some(plan) = Plan::load(folder, id.attempt) else { return };
        // A file goes on where the run before it left it.
        let before = runs.iter().filter(|(known, _)| known.pod_uid == id.pod_uid && known.name == id.name && known.attempt < id.attempt);
        let before: Vec<CancellationToken> = before.map(|(_, run)| run.done.clone()).collect();
        match self.start(&plan, before) {
            Ok(run) => {
                if ended {
                    run.ended.cancel();
                }
                runs.insert(id.clone(), run);
            }
            Err(error) => tracing::error!(%error, folder = %folder.display(), "the log of an adapted container cannot be written"),
        }
    }

    fn start(&self, plan: &Plan, before: Vec<CancellationToken>) -> std::io::Result<Run> {
        let log = LogWriter::open(&crate::pod::log_path(&plan.folder, plan.attempt), Rotation::default())?;
        let (ended, done, stop) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let mut states = Vec::new();
        let mut feeds = Vec::new();
        for feed in &plan.feeds {
            let raw = |stream| What::Raw { path: Plan::raw(&plan.folder, plan.attempt), stream };
            let what = match feed.source {
                Source::Stdout => raw(Stream::Stdout),
                Source::Stderr => raw(Stream::Stderr),
                Source::File => What::File { volume: feed.volume.clone(), within: feed.within.clone() },
            };
            let (state, seen) = watch::channel(State::Working);
            states.push(seen);
            let stages = feed.stages.iter().map(|stage| {
                let metrics = stage.metrics.and_then(|port| self.metrics(plan, port));
                Stage::new(plan, feed, stage, metrics)
            });
            let stages = stages.collect();
            let running = Feed {
                watched: what.path(),
                tail: Tail::new(what),
                cursor: plan.cursor(feed),
                source: feed.source,
                stages,
                log: log.clone(),
                set: self.set.clone(),
                ended: ended.clone(),
                state,
            };
            let before = if feed.source == Source::File { before.clone() } else { Vec::new() };
            feeds.push(async move {
                for run in before {
                    run.cancelled().await;
                }
                running.run().await;
            });
        }
        let (folder, attempt, all_done) = (plan.folder.clone(), plan.attempt, done.clone());
        let cancel = stop.clone();
        tokio::spawn(cancel.run_until_cancelled_owned(async move {
            futures::future::join_all(feeds).await;
            Plan::remove(&folder, attempt);
            all_done.cancel();
        }));
        Ok(Run { ended, states, done, _stop: stop.drop_guard() })
    }

    /// The metrics that are served on `port` of the pod for the plan's container. `None`: nobody can listen there.
    fn metrics(&self, plan: &Plan, port: u16) -> Option<Arc<Metrics>> {
        let address = plan.address?;
        let mut endpoints = self.endpoints.lock();
        let key = (plan.pod.uid.clone(), plan.container.clone(), port);
        if let Some(endpoint) = endpoints.get(&key) {
            return Some(endpoint.metrics.clone());
        }
        let metrics = Arc::new(Metrics::default());
        match serve::listen(plan.netns.as_deref(), address, port) {
            Ok(listener) => {
                let stop = CancellationToken::new();
                tokio::spawn(stop.clone().run_until_cancelled_owned(serve::serve(listener, metrics.clone())));
                endpoints.insert(key, Endpoint { metrics: metrics.clone(), _stop: stop.drop_guard() });
                Some(metrics)
            }
            Err(error) => {
                let pod = &plan.pod;
                tracing::warn!(%error, namespace = pod.namespace, pod = pod.name, port, "an adapter's metrics cannot be served");
                None
            }
        }
    }

    /// Resolves when the log of an ended run is complete, or does not become so soon.
    pub fn drained(&self, id: &ContainerId) -> impl Future<Output = ()> + Send + use<> {
        let states = self.runs.lock().get(id).map(|run| run.states.clone()).unwrap_or_default();
        settled(states)
    }

    /// The same for all ended runs of a pod: called before its volumes go.
    pub async fn settle(&self, uid: &str) {
        let states = {
            let runs = self.runs.lock();
            let of_pod = runs.iter().filter(|(id, _)| id.pod_uid == uid);
            of_pod
                .flat_map(|(_, run)| {
                    run.ended.cancel();
                    run.states.clone()
                })
                .collect()
        };
        settled(states).await;
        self.endpoints.lock().retain(|(pod, _, _), _| pod != uid);
    }

    /// The log of an old run goes, whatever of it still waits.
    pub fn discard(&self, id: &ContainerId, folder: &Path) {
        let run = self.runs.lock().remove(id);
        if let Some(run) = run {
            run.done.cancel();
            Plan::remove(folder, id.attempt);
        }
    }

    /// The pod and its logs are gone.
    pub fn forget(&self, pod: &PodRef) {
        self.runs.lock().retain(|id, _| id.pod_uid != pod.uid);
    }
}

async fn settled(states: Vec<watch::Receiver<State>>) {
    let all = futures::future::join_all(states.into_iter().map(|mut state| async move {
        // A sender that is gone has nothing more to say.
        drop(state.wait_for(|state| *state != State::Working).await);
    }));
    drop(tokio::time::timeout(SETTLE, all).await);
}
