//! The pod a shim holds, as the runtime that its agent speaks to.

mod exec;

use super::launch::{self, Launched};
use super::reap::Ended;
use crate::record::{self, Record};
use crate::sandbox::{self, Entered};
use crate::{cgroup, error};
use async_trait::async_trait;
use futures::stream::BoxStream;
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, ContainerState, Error, ExecOutcome, Phase, Runtime, Sandbox, Usage};
use seccompiler::BpfProgram;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use workload::events::Events;

/// `execve` follows the notification at once; a process that has neither executed nor failed by then hangs in the kernel.
const EXECUTED: Duration = Duration::from_secs(30);
/// What a container wrote before its end is in the pipes; only a process outside its namespaces can keep them open longer.
const DRAIN: Duration = Duration::from_secs(2);
/// Source: `kubelet/container/runtime.go`, MaxContainerTerminationMessageLength.
const MESSAGE: u64 = 4096;

pub(super) struct Pod {
    /// The pod's run directory.
    directory: PathBuf,
    pause: Vec<OsString>,
    shutdown: CancellationToken,
    events: Events<ContainerState>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    record: Record,
    entered: Option<Entered>,
    runs: BTreeMap<ContainerId, Run>,
    /// Commands executed in containers, by process.
    commands: HashMap<i32, oneshot::Sender<Ended>>,
}

struct Run {
    state: watch::Sender<ContainerState>,
    stop_signal: i32,
    cpu_request_milli: i64,
    /// Its process exists and has not yet been seen to execute the program.
    starting: bool,
    /// Came while it was starting.
    ended: Option<Ended>,
    pumps: Vec<JoinHandle<()>>,
    _stdin: Option<OwnedFd>,
    filters: Arc<Vec<BpfProgram>>,
    narrow: Option<Vec<String>>,
}

impl Run {
    fn new(state: ContainerState) -> Self {
        Self {
            state: watch::Sender::new(state),
            stop_signal: 15,
            cpu_request_milli: 0,
            starting: false,
            ended: None,
            pumps: Vec::new(),
            _stdin: None,
            filters: Arc::default(),
            narrow: None,
        }
    }
}

impl Pod {
    /// Takes over what an earlier shim of the pod has written down; all of that has ended.
    pub(super) fn new(directory: PathBuf, pause: Vec<OsString>, shutdown: CancellationToken) -> io::Result<Self> {
        let mut inner = Inner::default();
        if let Some(record) = Record::load(&directory)? {
            inner.runs = record.containers.iter().map(|state| (state.id.clone(), Run::new(state.clone()))).collect();
            inner.record = record;
        }
        Ok(Self { directory, pause, shutdown, events: Events::default(), inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by the reaper, in the thread of everything else.
    pub(super) fn ended(self: &Arc<Self>, pid: i32, ended: Ended) {
        let mut inner = self.inner();
        if let Some(waiting) = inner.commands.remove(&pid) {
            // Whoever waited may have given up.
            let _ = waiting.send(ended);
            return;
        }
        let Some((id, run)) = inner.runs.iter_mut().find(|(_, run)| {
            let state = run.state.borrow();
            state.pid == pid && state.phase != Phase::Exited
        }) else {
            return;
        };
        if run.starting {
            run.ended = Some(ended);
        } else {
            tokio::spawn(self.clone().finish(id.clone(), ended));
        }
    }

    /// Gathers what is left of a container whose process has ended, and tells.
    async fn finish(self: Arc<Self>, id: ContainerId, ended: Ended) {
        let (group, log, pumps) = {
            let mut inner = self.inner();
            let group = inner.record.group(&id);
            let log = inner.record.bundle(&id).termination_log();
            let pumps = inner.runs.get_mut(&id).map(|run| std::mem::take(&mut run.pumps)).unwrap_or_default();
            (group, log, pumps)
        };
        let finished_at = record::now();
        // In a shared process namespace its children live on otherwise.
        cgroup::kill(&group);
        let aborts: Vec<_> = pumps.iter().map(JoinHandle::abort_handle).collect();
        if tokio::time::timeout(DRAIN, futures::future::join_all(pumps)).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
        let killed_for_memory = ended.code != 0 && cgroup::oom_kills(&group) > 0;
        let message = launch::read_limited(&log, MESSAGE);
        self.change(&id, |state| {
            state.phase = Phase::Exited;
            state.pid = 0;
            state.finished_at = finished_at;
            state.exit_code = ended.code;
            state.signal = ended.signal;
            state.message = message;
            state.reason = match ended.code {
                0 => "Completed",
                _ if killed_for_memory => "OOMKilled",
                _ => "Error",
            }
            .to_owned();
        });
    }

    /// Writes a state down and tells those who listen; nothing is told that a later shim would not know.
    fn change(&self, id: &ContainerId, change: impl FnOnce(&mut ContainerState)) -> Option<ContainerState> {
        let mut inner = self.inner();
        let run = inner.runs.get(id)?;
        let mut state = run.state.borrow().clone();
        change(&mut state);
        inner.record.put(&state);
        if let Err(error) = inner.record.save(&self.directory) {
            tracing::error!(%error, "the state of container {} is not written down", id.name);
        }
        let run = inner.runs.get(id)?;
        run.state.send_replace(state.clone());
        self.events.send(&state);
        Some(state)
    }

    /// Everything up to the running process, without a pause: no other call and no end of a process comes between.
    fn launch(&self, sandbox: &Sandbox, container: &Container, id: &ContainerId) -> Result<Launched, Error> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        if inner.entered.is_none() {
            let containers = std::mem::take(&mut inner.record.containers);
            inner.record = Record { containers, ..Record::new(sandbox) };
            inner.entered = Some(sandbox::enter(sandbox, &self.pause)?);
        }
        let shared = inner.entered.as_ref().map(|entered| entered.shared.clone()).unwrap_or_default();
        // An earlier try may have got halfway.
        let free = |record: &Record| record.free(&self.directory, id).map_err(error::runtime("free an earlier try"));
        free(&inner.record)?;
        let bundle = inner.record.bundle(id);
        let mut launched = launch::launch(&self.directory, sandbox, container, id, &bundle, &shared).inspect_err(|_| {
            if let Err(error) = free(&inner.record) {
                tracing::error!(%error, "what container {} had is not freed", id.name);
            }
        })?;
        let state = ContainerState { id: id.clone(), phase: Phase::Created, pid: launched.pid, ..Default::default() };
        let run = Run {
            starting: true,
            stop_signal: if container.stop_signal > 0 { container.stop_signal } else { 15 },
            cpu_request_milli: container.resources.cpu_request_milli,
            pumps: std::mem::take(&mut launched.pumps),
            _stdin: launched.stdin.take(),
            filters: launched.filters.clone(),
            narrow: launched.narrow.take(),
            ..Run::new(state)
        };
        inner.runs.insert(id.clone(), run);
        let together = inner.runs.values().filter(|run| run.state.borrow().phase != Phase::Exited).map(|run| run.cpu_request_milli).sum();
        cgroup::set_cpu_request(&inner.record.cgroup_parent, together);
        Ok(launched)
    }

    fn failed_to_start(&self, id: &ContainerId, message: &str) {
        let now = record::now();
        self.change(id, |state| {
            state.phase = Phase::Exited;
            state.pid = 0;
            state.started_at = now;
            state.finished_at = now;
            state.exit_code = 128;
            "StartError".clone_into(&mut state.reason);
            message.clone_into(&mut state.message);
        });
    }

    fn known(&self, id: &ContainerId) -> Option<watch::Receiver<ContainerState>> {
        self.inner().runs.get(id).map(|run| run.state.subscribe())
    }
}

/// The pod as the server holds it.
pub(super) struct Holder(pub(super) Arc<Pod>);

impl std::ops::Deref for Holder {
    type Target = Arc<Pod>;

    fn deref(&self) -> &Arc<Pod> {
        &self.0
    }
}

fn not_found(id: &ContainerId) -> Error {
    Error::NotFound { name: id.name.clone() }
}

/// The state once `reached` holds. It is held by the pod, so that it does not go away before.
async fn wait(mut state: watch::Receiver<ContainerState>, reached: impl FnMut(&ContainerState) -> bool) -> Result<ContainerState, Error> {
    match state.wait_for(reached).await {
        Ok(state) => Ok(state.clone()),
        Err(_) => Err(Error::Runtime { operation: "wait".to_owned(), cause: "the container was removed meanwhile".to_owned() }),
    }
}

#[async_trait]
impl Runtime for Holder {
    fn name(&self) -> &'static str {
        "oci"
    }

    fn unavailable(&self) -> Option<String> {
        None
    }

    async fn start(&self, sandbox: &Sandbox, container: &Container) -> Result<ContainerState, Error> {
        let id = ContainerId { pod_uid: sandbox.pod.uid.clone(), name: container.name.clone(), attempt: container.attempt };
        if let Some(state) = self.known(&id) {
            return wait(state, |state| state.phase != Phase::Created).await;
        }
        let mut launched = match self.launch(sandbox, container, &id) {
            Ok(launched) => launched,
            Err(Error::Start { message }) => {
                let state = ContainerState { id: id.clone(), ..Default::default() };
                self.inner().runs.insert(id.clone(), Run::new(state));
                self.failed_to_start(&id, &message);
                return Err(Error::Start { message });
            }
            Err(other) => return Err(other),
        };
        let mut message = String::new();
        let executed = tokio::time::timeout(EXECUTED, launched.status.read_to_string(&mut message)).await;
        if executed.is_err() {
            "the program was not executed in time".clone_into(&mut message);
        }
        let ended = self.inner().runs.get_mut(&id).and_then(|run| {
            run.starting = false;
            run.ended.take()
        });
        if !message.is_empty() {
            let group = self.inner().record.group(&id);
            cgroup::kill(&group);
            self.failed_to_start(&id, &message);
            return Err(Error::Start { message });
        }
        let state = self.change(&id, |state| {
            state.phase = Phase::Running;
            state.started_at = record::now();
        });
        if let Some(ended) = ended {
            self.0.clone().finish(id.clone(), ended).await;
        }
        let state = self.known(&id).map(|state| state.borrow().clone()).or(state);
        state.ok_or_else(|| not_found(&id))
    }

    async fn stop(&self, id: &ContainerId, grace_seconds: u64) -> Result<ContainerState, Error> {
        let (state, signal, group) = {
            let inner = self.inner();
            let run = inner.runs.get(id).ok_or_else(|| not_found(id))?;
            (run.state.subscribe(), run.stop_signal, inner.record.group(id))
        };
        // A container is only stopped after its start has been told.
        let running = wait(state.clone(), |state| state.phase != Phase::Created).await?;
        if running.phase == Phase::Exited {
            return Ok(running);
        }
        let exited = |state: &ContainerState| state.phase == Phase::Exited;
        // The process is this one's child and not yet reaped, so that the number is still its own.
        let kill = |signal: i32| send_signal(running.pid, signal);
        if grace_seconds > 0 {
            kill(signal);
            if let Ok(state) = tokio::time::timeout(Duration::from_secs(grace_seconds), wait(state.clone(), exited)).await {
                return state;
            }
        }
        if state.borrow().phase == Phase::Running {
            kill(9);
            cgroup::kill(&group);
        }
        wait(state, exited).await
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        match self.stop(id, 0).await {
            Ok(_) => {}
            Err(Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut inner = self.inner();
        inner.record.free(&self.directory, id).map_err(error::runtime(format!("remove container {}", id.name)))?;
        inner.record.containers.retain(|state| state.id != *id);
        inner.record.save(&self.directory).map_err(error::runtime("write the pod's record"))?;
        inner.runs.remove(id);
        Ok(())
    }

    async fn remove_pod(&self, _: &PodRef) -> Result<(), Error> {
        let ids: Vec<ContainerId> = self.inner().runs.keys().cloned().collect();
        futures::future::join_all(ids.iter().map(|id| self.stop(id, 0))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut inner = self.inner();
        if let Some(mut entered) = inner.entered.take() {
            entered.end();
        }
        // Also when entering the sandbox got only halfway.
        cgroup::leave();
        inner.record.free_pod(&self.directory).map_err(error::runtime("remove the pod"))?;
        inner.runs.clear();
        // After the reply is on its way.
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move { shutdown.cancel() });
        Ok(())
    }

    async fn exec(&self, id: &ContainerId, command: &[String], timeout_seconds: u64) -> Result<ExecOutcome, Error> {
        self.execute(id, command, timeout_seconds).await
    }

    async fn list(&self) -> Result<Vec<ContainerState>, Error> {
        Ok(self.inner().runs.values().map(|run| run.state.borrow().clone()).collect())
    }

    async fn usage(&self) -> Result<Vec<Usage>, Error> {
        let inner = self.inner();
        let running = inner.runs.iter().filter(|(_, run)| run.state.borrow().phase == Phase::Running);
        Ok(running
            .filter_map(|(id, _)| {
                let (cpu_nanoseconds, memory_bytes) = cgroup::usage(&inner.record.group(id))?;
                Some(Usage { id: id.clone(), cpu_nanoseconds, memory_bytes })
            })
            .collect())
    }

    async fn events(&self) -> Result<BoxStream<'static, ContainerState>, Error> {
        Ok(self.events.subscribe())
    }
}

/// Sends any of the kernel's signals, also a real-time one, which images use to stop systemd. One that is not known, or to a
/// process that is gone, is not sent.
#[allow(unsafe_code)]
fn send_signal(pid: i32, signal: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid)
        && (1..=64).contains(&signal)
    {
        // SAFETY: the kernel knows 64 signals; the receiver is another process, so that no handler of this one's C library runs.
        let signal = unsafe { rustix::process::Signal::from_raw_unchecked(signal) };
        let _ = rustix::process::kill_process(pid, signal);
    }
}
