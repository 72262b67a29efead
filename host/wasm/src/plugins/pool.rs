//! Resident instances of one plugin: kept between calls, taken by one call at a time, thrown away when one fails.

use super::bindings::exports::coracle::plugin::{filter, node_table, score};
use super::guest::Guest;
use super::mirror::{self, Mirror};
use super::settings::Settings;
use crate::ctx::State;
use crate::engine::Engine;
use crate::host::describe;
use crate::load::{self, Error};
use crate::meter::{MemoryExceeded, Meter};
use crate::network::Network;
use interfaces::schedule::{NodeTable, PluginError, PodView};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi::WasiCtx;

/// Instances of one plugin that may work at the same time. The scheduler calls for one pod after another; more are for
/// preemption's dry runs beside it. Each has its own mirror of the nodes.
const INSTANCES: usize = 4;

/// What a plugin did since it was loaded.
#[derive(Debug, Default)]
pub struct Counters {
    pub calls: AtomicU64,
    /// Traps, memory excess among them.
    pub traps: AtomicU64,
    pub timeouts: AtomicU64,
    last_failure: Mutex<String>,
}

impl Counters {
    pub fn read(&self) -> (u64, u64, u64) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (get(&self.calls), get(&self.traps), get(&self.timeouts))
    }

    /// Empty: it never failed.
    pub fn last_failure(&self) -> String {
        self.last_failure.lock().clone()
    }

    fn failed(&self, error: &PluginError) {
        match error {
            PluginError::Trap { .. } | PluginError::Memory { .. } => drop(self.traps.fetch_add(1, Ordering::Relaxed)),
            PluginError::Timeout { .. } => drop(self.timeouts.fetch_add(1, Ordering::Relaxed)),
            PluginError::Failed { .. } => {}
        }
        *self.last_failure.lock() = error.to_string();
    }
}

/// Where the exports are; a component has those of its world.
struct Exports {
    node_table: node_table::GuestIndices,
    filter: Option<filter::GuestIndices>,
    score: Option<score::GuestIndices>,
}

pub struct Pool {
    name: Arc<str>,
    engine: Engine,
    pre: InstancePre<State>,
    exports: Exports,
    config: Arc<BTreeMap<String, String>>,
    timeout: Duration,
    memory_mib: u64,
    // Boxed: they are handed around.
    #[expect(clippy::vec_box, reason = "an instance moves between here and its calls")]
    idle: Mutex<Vec<Box<Instance>>>,
    permits: Semaphore,
    pub counters: Arc<Counters>,
}

/// One instance, between calls.
struct Instance {
    store: Store<State>,
    meter: Arc<Meter>,
    node_table: node_table::Guest,
    filter: Option<filter::Guest>,
    score: Option<score::Guest>,
    mirror: Mirror,
}

/// What a plugin is asked about a pod.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    Filter,
    Score,
}

/// What it answered, not yet checked.
pub enum Answer {
    Refusals(filter::Refusals),
    Scores(Vec<u8>),
}

/// How a call inside the guest failed.
enum Failure {
    Guest(String),
    Host(wasmtime::Error),
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Host(error)
    }
}

impl Instance {
    async fn call(&mut self, ask: Ask, pod: &PodView, table: &NodeTable, candidates: &[u32]) -> Result<Answer, Failure> {
        if let Some(guest) = &mut self.store.data_mut().plugin {
            guest.call(None);
        }
        if let Some(delta) = self.mirror.delta(table) {
            match self.node_table.call_sync(&mut self.store, &delta).await? {
                Ok(()) => self.mirror.told(table),
                Err(cause) => {
                    self.mirror.forget();
                    return Err(Failure::Guest(cause));
                }
            }
        }
        if let Some(guest) = &mut self.store.data_mut().plugin {
            guest.call(Some(pod.object.clone()));
        }
        let view = mirror::pod(pod);
        let answer = match (ask, &self.filter, &self.score) {
            (Ask::Filter, Some(filter), _) => filter.call_filter(&mut self.store, &view, candidates).await?.map(Answer::Refusals),
            (Ask::Score, _, Some(score)) => score.call_score(&mut self.store, &view, candidates).await?.map(Answer::Scores),
            _ => Err("it is not loaded for this".to_owned()),
        };
        if let Some(guest) = &mut self.store.data_mut().plugin {
            guest.call(None);
        }
        answer.map_err(Failure::Guest)
    }
}

impl Pool {
    /// # Errors
    /// `NoExport` when the component lacks what `settings` say it is called for.
    pub fn new(name: &str, engine: &Engine, component: &Component, pre: InstancePre<State>, settings: &Settings) -> Result<Self, Error> {
        let has = |interface: &str| load::exports(component, engine, interface);
        let mismatch = |cause: wasmtime::Error| Error::Mismatch { what: format!("plugin {name}"), cause: format!("{cause:#}") };
        let wanted =
            [("coracle:plugin/node-table", true), ("coracle:plugin/filter", settings.filters), ("coracle:plugin/score", settings.scores)];
        let missing: Vec<&'static str> =
            wanted.iter().filter(|(interface, wanted)| *wanted && !has(interface)).map(|(interface, _)| *interface).collect();
        if !missing.is_empty() {
            return Err(Error::NoExport { what: format!("plugin {name}"), wanted: missing });
        }
        let exports = Exports {
            node_table: node_table::GuestIndices::new(&pre).map_err(mismatch)?,
            filter: settings.filters.then(|| filter::GuestIndices::new(&pre)).transpose().map_err(mismatch)?,
            score: settings.scores.then(|| score::GuestIndices::new(&pre)).transpose().map_err(mismatch)?,
        };
        Ok(Self {
            name: Arc::from(name),
            engine: engine.clone(),
            pre,
            exports,
            config: Arc::new(settings.config.clone()),
            timeout: Duration::from_millis(settings.timeout_ms),
            memory_mib: settings.memory_mib,
            idle: Mutex::default(),
            permits: Semaphore::new(INSTANCES),
            counters: Arc::default(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls the guest about `pod` with an instance that knows `table`. The instance is kept unless it trapped or took too long.
    ///
    /// # Errors
    /// How the plugin failed; it is counted.
    pub async fn call(&self, ask: Ask, pod: &PodView, table: &NodeTable, candidates: &[u32]) -> Result<Answer, PluginError> {
        let Ok(_permit) = self.permits.acquire().await else { return Err(self.error("it is unloaded".to_owned())) };
        self.counters.calls.fetch_add(1, Ordering::Relaxed);
        let kept = self.idle.lock().pop();
        let attempt = async {
            let mut instance = match kept {
                Some(instance) => instance,
                None => Box::new(self.instantiate().await?),
            };
            let meter = instance.meter.clone();
            let called = meter.run(async move {
                let answer = instance.call(ask, pod, table, candidates).await;
                (instance, answer)
            });
            Ok::<_, wasmtime::Error>(called.await)
        };
        let error = match tokio::time::timeout(self.timeout, attempt).await {
            Ok(Ok((instance, Ok(answer)))) => {
                self.idle.lock().push(instance);
                return Ok(answer);
            }
            Ok(Ok((instance, Err(Failure::Guest(cause))))) => {
                self.idle.lock().push(instance);
                self.error(cause)
            }
            Ok(Ok((_, Err(Failure::Host(error))))) | Ok(Err(error)) => self.trap(&error),
            // The guest was dropped where it stood.
            Err(_) => PluginError::Timeout {
                plugin: self.name.to_string(),
                limit_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            },
        };
        self.counters.failed(&error);
        Err(error)
    }

    /// A failure in the plugin's own words, or for what it answered.
    pub fn error(&self, cause: String) -> PluginError {
        PluginError::Failed { plugin: self.name.to_string(), cause }
    }

    /// What `work` made of a good call is not good: counted as a failure.
    pub fn refuse(&self, cause: String) -> PluginError {
        let error = self.error(cause);
        self.counters.failed(&error);
        error
    }

    fn trap(&self, error: &wasmtime::Error) -> PluginError {
        let plugin = self.name.to_string();
        if error.downcast_ref::<MemoryExceeded>().is_some() {
            return PluginError::Memory { plugin, limit_mib: self.memory_mib };
        }
        let cause = describe(error);
        tracing::warn!(%plugin, "{cause}");
        // The first line is the cause, the others are for the log.
        PluginError::Trap { plugin, cause: cause.lines().next().unwrap_or_default().to_owned() }
    }

    async fn instantiate(&self) -> wasmtime::Result<Instance> {
        let limit = i64::try_from(self.memory_mib.saturating_mul(1 << 20)).unwrap_or(i64::MAX);
        let meter = Meter::new(self.engine.clone(), 0, limit);
        let guest = Guest::new(self.name.clone(), self.config.clone());
        let mut store = State::store(&meter, WasiCtx::builder().build(), Network::denied(), Some(guest));
        let made = meter.run(async move {
            let instance = self.pre.instantiate_async(&mut store).await?;
            Ok::<_, wasmtime::Error>((store, instance))
        });
        let (mut store, instance) = made.await?;
        let exports = &self.exports;
        Ok(Instance {
            node_table: exports.node_table.load(&mut store, &instance)?,
            filter: exports.filter.as_ref().map(|indices| indices.load(&mut store, &instance)).transpose()?,
            score: exports.score.as_ref().map(|indices| indices.load(&mut store, &instance)).transpose()?,
            store,
            meter,
            mirror: Mirror::default(),
        })
    }
}
