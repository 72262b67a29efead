//! [`Runtime`] over the containers of this process.

use super::command;
use super::prepare::{Prepared, Preparer};
use super::run::Run;
use super::service::{DEFAULT_PORT, Service};
use super::surroundings::Surroundings;
use crate::ctx::State;
use crate::engine::{self, Engine, Profile};
use crate::keyvalue::Pods;
use crate::load::{self, Cache};
use crate::meter::Meter;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, ContainerState, Error, ExecOutcome, ImageSource, Phase, Runtime, Sandbox, Usage};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Polls of guests between two looks at timers and sockets. A guest in a loop takes an epoch of 10 ms per poll, and tokio's
/// own 61 would make sockets wait for half a second.
const EVENT_INTERVAL: u32 = 4;

/// Threads for file operations of guests, which block.
const BLOCKING_THREADS: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error(transparent)]
    Load(#[from] load::Error),
    #[error("cannot start the threads of the guests")]
    Threads(#[source] std::io::Error),
}

pub struct WasmRuntime {
    inner: Arc<Inner>,
}

struct Inner {
    preparer: Preparer,
    guests: Guests,
    /// Ordered by pod, so that a pod's are found without looking at all.
    containers: Mutex<BTreeMap<ContainerId, Entry>>,
    subscribers: Mutex<Vec<mpsc::UnboundedSender<ContainerState>>>,
    buckets: Pods,
}

#[derive(Clone)]
struct Entry {
    run: Arc<Run>,
    surroundings: Option<Arc<Surroundings>>,
}

/// What is left to do once everything that can be refused is checked.
enum Work {
    Command(CommandPre<State>),
    Service(ProxyPre<State>, TcpListener),
}

/// Guests have threads of their own: however busy they are, calls to this runtime are answered.
struct Guests(Option<tokio::runtime::Runtime>);

impl Guests {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(future);
        }
    }

    /// A listener that wakes the guests' threads.
    fn register(&self, listener: std::net::TcpListener) -> std::io::Result<TcpListener> {
        let _inside = self.0.as_ref().map(tokio::runtime::Runtime::enter);
        TcpListener::from_std(listener)
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl WasmRuntime {
    /// `threads` for guests; compiled code is kept in `cache_dir`.
    ///
    /// # Errors
    /// No engine for this machine, or the cache directory cannot be made.
    pub fn new(cache_dir: &Path, threads: usize) -> Result<Self, Failed> {
        let cache = Cache::new(Engine::new(Profile::Pooling)?, cache_dir)?;
        let guests = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(BLOCKING_THREADS)
            .event_interval(EVENT_INTERVAL)
            .global_queue_interval(EVENT_INTERVAL)
            .thread_name("wasm-guest")
            .enable_all()
            .build()
            .map_err(Failed::Threads)?;
        let inner = Inner {
            preparer: Preparer::new(cache)?,
            guests: Guests(Some(guests)),
            containers: Mutex::default(),
            subscribers: Mutex::default(),
            buckets: Pods::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether nobody needs this runtime: no containers, nobody listening.
    pub fn is_unused(&self) -> bool {
        let mut subscribers = self.inner.subscribers.lock();
        subscribers.retain(|subscriber| !subscriber.is_closed());
        subscribers.is_empty() && self.inner.containers.lock().is_empty()
    }

    fn entry(&self, id: &ContainerId) -> Result<Entry, Error> {
        self.inner.containers.lock().get(id).cloned().ok_or_else(|| Error::NotFound { name: id.name.clone() })
    }

    async fn launch(&self, run: &Arc<Run>, sandbox: &Sandbox, container: &Container) -> Result<ContainerState, Error> {
        let ImageSource::Component { path, digest } = &container.image else {
            return Err(Error::Unsupported {
                message: format!("the image of container {} holds no wasm component; run it without runtimeClassName wasm", container.name),
            });
        };
        let prepared =
            self.inner.preparer.get(path, digest, &container.grants).await.map_err(|error| Error::Create { message: error.to_string() })?;
        let surroundings = Arc::new(Surroundings::new(sandbox, container, self.inner.buckets.of(&sandbox.pod.uid))?);
        if let Some(entry) = self.inner.containers.lock().get_mut(&run.state().id) {
            entry.surroundings = Some(surroundings.clone());
        }
        let work = match &*prepared {
            Prepared::Command(command) => Work::Command(command.clone()),
            Prepared::Service(proxy) => {
                let port = container.ports.first().copied().unwrap_or(DEFAULT_PORT);
                let address = sandbox.addresses.iter().find(|a| a.is_ipv4()).or(sandbox.addresses.first()).copied();
                let failed = |e| Error::Start { message: format!("cannot listen on port {port} of the pod: {e}") };
                let listener = surroundings.network.listen(port, address).map_err(failed)?;
                let listener = self.inner.guests.register(listener).map_err(failed)?;
                Work::Service(proxy.clone(), listener)
            }
        };
        let state = run.started();
        self.inner.publish(&state);
        let (inner, task) = (self.inner.clone(), run.clone());
        self.inner.guests.spawn(async move {
            let outcome = match work {
                Work::Command(guest) => command::run(&task, guest, &surroundings).await,
                Work::Service(proxy, listener) => Service::new(task.clone(), proxy, surroundings.clone()).serve(listener).await,
            };
            // The component may now leave memory, before anyone hears of the end.
            drop(prepared);
            inner.finish(&task, &surroundings, outcome);
        });
        Ok(state)
    }
}

impl Inner {
    fn publish(&self, state: &ContainerState) {
        self.subscribers.lock().retain(|subscriber| subscriber.send(state.clone()).is_ok());
    }

    fn finish(&self, run: &Run, surroundings: &Surroundings, mut outcome: super::outcome::Outcome) {
        if !outcome.message.is_empty() {
            surroundings.complain(&outcome.message);
        }
        if let Some(message) = surroundings.termination_message() {
            outcome.message = message;
        }
        self.publish(&run.ended(outcome));
    }
}

#[async_trait]
impl Runtime for WasmRuntime {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn unavailable(&self) -> Option<String> {
        None
    }

    async fn start(&self, sandbox: &Sandbox, container: &Container) -> Result<ContainerState, Error> {
        let id = ContainerId { pod_uid: sandbox.pod.uid.clone(), name: container.name.clone(), attempt: container.attempt };
        let (run, known) = {
            let mut containers = self.inner.containers.lock();
            match containers.get(&id) {
                Some(entry) => (entry.run.clone(), true),
                None => {
                    let limits = &container.resources;
                    let meter = Meter::new(self.inner.preparer.engine().clone(), limits.cpu_limit_milli, limits.memory_limit_bytes);
                    let run = Run::new(id.clone(), meter);
                    containers.insert(id.clone(), Entry { run: run.clone(), surroundings: None });
                    (run, false)
                }
            }
        };
        if known {
            // Another call starts it: its result is also this one's, unless it failed.
            return tokio::select! {
                state = run.until(|state| state.phase != Phase::Created) => Ok(state),
                () = run.kill.cancelled() => Err(Error::Create { message: format!("container {} could not be started", id.name) }),
            };
        }
        let launched = self.launch(&run, sandbox, container).await;
        if launched.is_err() {
            let entry = self.inner.containers.lock().remove(&id);
            if let Some(surroundings) = entry.and_then(|entry| entry.surroundings) {
                surroundings.clean();
            }
            run.kill.cancel();
        }
        launched
    }

    async fn stop(&self, id: &ContainerId, grace_seconds: u64) -> Result<ContainerState, Error> {
        let run = self.entry(id)?.run;
        let ended = run.until(|state| state.phase == Phase::Exited);
        if grace_seconds > 0 {
            run.stop.cancel();
            if let Ok(state) = tokio::time::timeout(Duration::from_secs(grace_seconds), ended).await {
                return Ok(state);
            }
        }
        run.kill.cancel();
        Ok(run.until(|state| state.phase == Phase::Exited).await)
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        let Ok(entry) = self.entry(id) else { return Ok(()) };
        self.stop(id, 0).await?;
        self.inner.containers.lock().remove(id);
        if let Some(surroundings) = entry.surroundings {
            surroundings.clean();
        }
        Ok(())
    }

    async fn remove_pod(&self, pod: &PodRef) -> Result<(), Error> {
        let first = ContainerId { pod_uid: pod.uid.clone(), ..ContainerId::default() };
        let ids: Vec<ContainerId> = {
            let containers = self.inner.containers.lock();
            containers.range(first..).map(|(id, _)| id).take_while(|id| id.pod_uid == pod.uid).cloned().collect()
        };
        for removed in futures::future::join_all(ids.iter().map(|id| self.remove(id))).await {
            match removed {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.inner.buckets.forget(&pod.uid);
        Ok(())
    }

    async fn exec(&self, id: &ContainerId, _command: &[String], _timeout_seconds: u64) -> Result<ExecOutcome, Error> {
        self.entry(id)?;
        Err(Error::Unsupported {
            message: format!(
                "container {} is a wasm component: it has no other program to execute; use an httpGet or tcpSocket probe",
                id.name
            ),
        })
    }

    async fn list(&self) -> Result<Vec<ContainerState>, Error> {
        Ok(self.inner.containers.lock().values().map(|entry| entry.run.state()).collect())
    }

    async fn usage(&self) -> Result<Vec<Usage>, Error> {
        let containers = self.inner.containers.lock();
        Ok(containers.values().filter(|entry| entry.run.state().phase == Phase::Running).map(|entry| entry.run.usage()).collect())
    }

    async fn events(&self) -> Result<BoxStream<'static, ContainerState>, Error> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.inner.subscribers.lock().push(sender);
        Ok(futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed())
    }
}
