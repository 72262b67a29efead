//! Resident instances of one plugin: kept between calls, taken by one call at a time, thrown away when one fails.
//!
//! A world says by [`Exports`] what it calls; limits, deadlines and counting are the same for all.

use super::counters::Counters;
use super::guest::Guest;
use super::platform::Given;
use crate::ctx::State;
use crate::engine::Engine;
use crate::host::describe;
use crate::meter::{MemoryExceeded, Meter};
use futures::future::BoxFuture;
use interfaces::schedule::PluginError;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

/// Of what a plugin says of its failure: it comes to stand in events (at most 1,024 bytes) and statuses.
const LONGEST_CAUSE: usize = 512;

/// At least so long has the first instance to start, whatever a call may take: it is made beside others that are compiled.
const START: Duration = Duration::from_secs(1);

/// Where the exports of a world are in one component. Looked up once, when it is loaded.
pub trait Exports: Send + Sync + 'static {
    /// The exports of one instance, and what the host remembers about it between calls.
    type Guest: Send + 'static;

    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Self::Guest>;
}

/// How the instances of a plugin are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one call, waits in host calls included.
    pub timeout: Duration,
    /// Of one instance.
    pub memory_mib: u64,
    /// At the same time.
    pub instances: usize,
}

/// One instance, in the hands of one call.
pub struct Live<G> {
    pub store: Store<State>,
    pub guest: G,
    meter: Arc<Meter>,
}

/// How a call inside the guest failed.
pub enum Failure {
    /// In the plugin's own words. The instance lives on.
    Guest(String),
    /// A trap.
    Host(wasmtime::Error),
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Host(error)
    }
}

/// What a call gives back: the instance, and what it answered.
pub type Returned<G, T> = (Box<Live<G>>, Result<T, Failure>);

pub struct Pool<E: Exports> {
    name: Arc<str>,
    engine: Engine,
    pre: InstancePre<State>,
    exports: E,
    given: Arc<Given>,
    limits: Limits,
    // Boxed: an instance moves between here and its calls.
    idle: Mutex<Vec<Box<Live<E::Guest>>>>,
    permits: Semaphore,
    counters: Arc<Counters>,
}

/// Why no instance of a component can be made.
#[derive(Debug)]
pub enum Unfit {
    /// An export is of another type than this version's.
    Types(wasmtime::Error),
    /// What it does before any call: it trapped, took too much memory or too long.
    Start(PluginError),
}

impl<E: Exports> Pool<E> {
    pub fn new(engine: &Engine, pre: InstancePre<State>, exports: E, given: Arc<Given>, limits: Limits, counters: Arc<Counters>) -> Self {
        Self {
            name: given.name.clone(),
            engine: engine.clone(),
            pre,
            exports,
            given,
            limits,
            idle: Mutex::default(),
            permits: Semaphore::new(limits.instances.max(1)),
            counters,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn exports(&self) -> &E {
        &self.exports
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Instances that wait for a call.
    pub fn idle(&self) -> usize {
        self.idle.lock().len()
    }

    /// Memory of the instances that wait for a call, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.idle.lock().iter().map(|live| live.meter.memory_bytes()).sum()
    }

    /// Drops the instances that wait: the next call makes a new one.
    pub fn let_go(&self) {
        self.idle.lock().clear();
    }

    /// Calls the guest by `work`, within the limits. The instance is kept unless it trapped or took too long.
    ///
    /// # Errors
    /// How the plugin failed; it is counted.
    pub async fn call<'a, T, F>(&'a self, work: F) -> Result<T, PluginError>
    where
        T: Send + 'a,
        F: FnOnce(Box<Live<E::Guest>>) -> BoxFuture<'a, Returned<E::Guest, T>> + Send + 'a,
    {
        self.counters.called();
        // Whoever waits for a plugin that is stuck does not wait behind all others that do.
        let Ok(Ok(_permit)) = tokio::time::timeout(self.limits.timeout, self.permits.acquire()).await else {
            let (instances, limit) = (self.limits.instances, self.limits.timeout.as_millis());
            return Err(self.refuse(format!("its {instances} instances were busy for {limit} ms")));
        };
        let began = Instant::now();
        let kept = self.idle.lock().pop();
        let attempt = async {
            let mut live = match kept {
                Some(live) => live,
                None => Box::new(self.instantiate().await?),
            };
            if let Some(guest) = &mut live.store.data_mut().plugin {
                guest.begin(began + self.limits.timeout);
            }
            let meter = live.meter.clone();
            Ok::<_, wasmtime::Error>(meter.run(work(live)).await)
        };
        let error = match tokio::time::timeout(self.limits.timeout, attempt).await {
            Ok(Ok((live, Ok(answer)))) => {
                self.idle.lock().push(live);
                self.counters.took(began.elapsed());
                return Ok(answer);
            }
            Ok(Ok((live, Err(Failure::Guest(cause))))) => {
                self.idle.lock().push(live);
                self.error(cause)
            }
            Ok(Ok((_, Err(Failure::Host(error))))) | Ok(Err(error)) => self.trap(&error),
            // The guest was dropped where it stood.
            Err(_) => self.late(self.limits.timeout),
        };
        self.counters.failed(&error);
        Err(error)
    }

    /// A failure in the plugin's own words, or for what it answered.
    pub fn error(&self, mut cause: String) -> PluginError {
        cause.truncate(cause.floor_char_boundary(LONGEST_CAUSE));
        PluginError::Failed { plugin: self.name.to_string(), cause }
    }

    /// What `work` made of a good call is not good: counted as a failure.
    pub fn refuse(&self, cause: String) -> PluginError {
        let error = self.error(cause);
        self.counters.failed(&error);
        error
    }

    /// Makes an instance and drops it: whether a component starts, and whether its exports are of the types that this version
    /// calls, is to be known when it is loaded. Nobody called, nothing is counted.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn probe(&self) -> Result<(), Unfit> {
        let limit = self.limits.timeout.max(START);
        let started = match tokio::time::timeout(limit, self.start()).await {
            Ok(started) => started,
            Err(_) => return Err(Unfit::Start(self.late(limit))),
        };
        let (mut store, instance, _meter) = started.map_err(|error| Unfit::Start(self.trap(&error)))?;
        self.exports.load(&mut store, &instance).map(drop).map_err(Unfit::Types)
    }

    fn late(&self, limit: Duration) -> PluginError {
        PluginError::Timeout { plugin: self.name.to_string(), limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }
    }

    fn trap(&self, error: &wasmtime::Error) -> PluginError {
        let plugin = self.name.to_string();
        if error.downcast_ref::<MemoryExceeded>().is_some() {
            return PluginError::Memory { plugin, limit_mib: self.limits.memory_mib };
        }
        let cause = describe(error);
        tracing::warn!(%plugin, "{cause}");
        // The first line is the cause, the others are for the log.
        PluginError::Trap { plugin, cause: cause.lines().next().unwrap_or_default().to_owned() }
    }

    async fn instantiate(&self) -> wasmtime::Result<Live<E::Guest>> {
        self.counters.made_instance();
        let (mut store, instance, meter) = self.start().await?;
        Ok(Live { guest: self.exports.load(&mut store, &instance)?, store, meter })
    }

    async fn start(&self) -> wasmtime::Result<(Store<State>, Instance, Arc<Meter>)> {
        let limit = i64::try_from(self.limits.memory_mib.saturating_mul(1 << 20)).unwrap_or(i64::MAX);
        let meter = Meter::new(self.engine.clone(), 0, limit);
        let mut store = State::store(&meter, self.given.wasi()?, self.given.network.clone(), Some(Guest::new(self.given.clone())));
        let made = meter.run(async move {
            let instance = self.pre.instantiate_async(&mut store).await?;
            Ok::<_, wasmtime::Error>((store, instance))
        });
        let (store, instance) = made.await?;
        Ok((store, instance, meter))
    }
}
