//! The agent's side of the workload host: starts the process when the first wasm container needs it, finds it again after a
//! restart of the agent, and says what became of its containers when it is gone.

use crate::host::{READY, socket_path};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, ContainerState, Error, ExecOutcome, Phase, Runtime, Sandbox, Usage};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use workload::remote::Remote;

/// Time for a new host to listen: it reserves address space and binds a socket, some 20 ms; a board under load may take longer.
const START: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Config {
    /// Where the socket and the host's log are.
    pub run_dir: PathBuf,
    /// Compiled code.
    pub cache_dir: PathBuf,
    /// This program; started as `<exe> wasm-host --run-dir <run_dir> --cache-dir <cache_dir>`.
    pub exe: PathBuf,
}

/// Reconnects, starts the host again when it is gone, and reports the containers of a dead host as ended.
pub struct Manager {
    config: Config,
    /// Held while connecting, so that one host is started.
    remote: tokio::sync::Mutex<Option<Remote>>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// Last known state of each container.
    known: HashMap<ContainerId, ContainerState>,
    subscribers: Vec<mpsc::UnboundedSender<ContainerState>>,
}

impl Shared {
    /// Takes in a state that the host told, and passes it on if it is news. What was removed is told late by an event that was
    /// under way: it stays removed.
    fn learn(&mut self, state: ContainerState) {
        match self.known.get_mut(&state.id) {
            Some(known) if *known != state => *known = state.clone(),
            _ => return,
        }
        self.subscribers.retain(|subscriber| subscriber.send(state.clone()).is_ok());
    }

    /// A container that will be told of from now on.
    fn expect(&mut self, id: &ContainerId) {
        self.known.entry(id.clone()).or_insert_with(|| ContainerState { id: id.clone(), ..ContainerState::default() });
    }

    /// The host is gone: nothing runs any more.
    fn lose(&mut self) {
        let lost: Vec<ContainerState> = self.known.values().filter(|state| state.phase == Phase::Running).cloned().collect();
        for mut state in lost {
            state.phase = Phase::Exited;
            state.finished_at = now();
            state.exit_code = 137;
            state.signal = 9;
            "Error".clone_into(&mut state.reason);
            "the process that runs the wasm containers of this node ended".clone_into(&mut state.message);
            self.learn(state);
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl Manager {
    /// Starts nothing yet: the host is started by the first container.
    pub fn new(config: Config) -> Arc<Self> {
        Arc::new(Self { config, remote: tokio::sync::Mutex::default(), shared: Arc::default() })
    }

    /// The host if it runs.
    async fn existing(&self) -> Option<Remote> {
        let mut slot = self.remote.lock().await;
        self.connected(&mut slot).await.ok()
    }

    /// The host, started if need be.
    async fn remote(&self) -> Result<Remote, Error> {
        let mut slot = self.remote.lock().await;
        if let Ok(remote) = self.connected(&mut slot).await {
            return Ok(remote);
        }
        self.spawn().await?;
        self.connected(&mut slot).await
    }

    async fn connected(&self, slot: &mut Option<Remote>) -> Result<Remote, Error> {
        if let Some(remote) = slot.as_ref().filter(|remote| !remote.is_closed()) {
            return Ok(remote.clone());
        }
        *slot = None;
        let remote = Remote::connect(socket_path(&self.config.run_dir)).await?;
        // Events first, then the list: no change falls between.
        let mut events = remote.events().await?;
        for state in remote.list().await? {
            let mut shared = self.shared.lock();
            shared.expect(&state.id);
            shared.learn(state);
        }
        let (shared, closed) = (self.shared.clone(), remote.closed());
        tokio::spawn(async move {
            while let Some(state) = events.next().await {
                shared.lock().learn(state);
            }
            closed.await;
            shared.lock().lose();
        });
        *slot = Some(remote.clone());
        Ok(remote)
    }

    async fn spawn(&self) -> Result<(), Error> {
        let failed = |cause: String| Error::Runtime { operation: "start the wasm host".to_owned(), cause };
        let path = self.config.run_dir.join("wasm-host.log");
        let make = || {
            std::fs::create_dir_all(&self.config.run_dir)?;
            std::fs::File::create(&path)
        };
        let log = make().map_err(|e| failed(format!("{}: {e}", path.display())))?;
        let mut child = Command::new(&self.config.exe)
            .arg("wasm-host")
            .arg("--run-dir")
            .arg(&self.config.run_dir)
            .arg("--cache-dir")
            .arg(&self.config.cache_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(false)
            .spawn()
            .map_err(|e| failed(format!("{}: {e}", self.config.exe.display())))?;
        let line = async {
            let stdout = child.stdout.take()?;
            BufReader::new(stdout).lines().next_line().await.ok().flatten()
        };
        let ready = tokio::time::timeout(START, line).await;
        // Its end is also seen by the connection; here it is only taken from the process table.
        let pid = child.id();
        tokio::spawn(async move { child.wait().await });
        match ready {
            Ok(Some(line)) if line == READY => {
                tracing::info!(pid, "started the wasm host");
                Ok(())
            }
            Ok(_) => {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                Err(failed(text.lines().last().unwrap_or("it ended at once").to_owned()))
            }
            Err(_) => Err(failed(format!("it does not listen after {} s", START.as_secs()))),
        }
    }

    fn ended(&self, id: &ContainerId) -> Option<ContainerState> {
        self.shared.lock().known.get(id).filter(|state| state.phase == Phase::Exited).cloned()
    }
}

#[async_trait]
impl Runtime for Manager {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn unavailable(&self) -> Option<String> {
        None
    }

    async fn start(&self, sandbox: &Sandbox, container: &Container) -> Result<ContainerState, Error> {
        let remote = self.remote().await?;
        let id = ContainerId { pod_uid: sandbox.pod.uid.clone(), name: container.name.clone(), attempt: container.attempt };
        self.shared.lock().expect(&id);
        let started = remote.start(sandbox, container).await;
        let mut shared = self.shared.lock();
        let silent = shared.known.get(&id).is_some_and(|state| state.phase == Phase::Created);
        match &started {
            // An event may have been faster, and tell of a later state.
            Ok(state) if silent => shared.learn(state.clone()),
            Err(_) if silent => drop(shared.known.remove(&id)),
            _ => {}
        }
        started
    }

    async fn stop(&self, id: &ContainerId, grace_seconds: u64) -> Result<ContainerState, Error> {
        if let Some(state) = self.ended(id) {
            return Ok(state);
        }
        let Some(remote) = self.existing().await else {
            return self.ended(id).ok_or_else(|| Error::NotFound { name: id.name.clone() });
        };
        let stopped = remote.stop(id, grace_seconds).await;
        match stopped {
            Err(error) => {
                // The host may have ended meanwhile, and the container with it.
                if remote.is_closed() {
                    self.shared.lock().lose();
                }
                self.ended(id).ok_or(error)
            }
            Ok(state) => Ok(state),
        }
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        if let Some(remote) = self.existing().await {
            remote.remove(id).await?;
        }
        self.shared.lock().known.remove(id);
        Ok(())
    }

    async fn remove_pod(&self, pod: &PodRef) -> Result<(), Error> {
        if let Some(remote) = self.existing().await {
            remote.remove_pod(pod).await?;
        }
        self.shared.lock().known.retain(|id, _| id.pod_uid != pod.uid);
        Ok(())
    }

    async fn exec(&self, id: &ContainerId, command: &[String], timeout_seconds: u64) -> Result<ExecOutcome, Error> {
        match self.existing().await {
            Some(remote) => remote.exec(id, command, timeout_seconds).await,
            None => Err(Error::NotFound { name: id.name.clone() }),
        }
    }

    async fn list(&self) -> Result<Vec<ContainerState>, Error> {
        let mut states: HashMap<ContainerId, ContainerState> = HashMap::new();
        if let Some(remote) = self.existing().await {
            states.extend(remote.list().await?.into_iter().map(|state| (state.id.clone(), state)));
        }
        // What died with an earlier host is still to be reported, until it is removed.
        for (id, state) in &self.shared.lock().known {
            if state.phase == Phase::Exited {
                states.entry(id.clone()).or_insert_with(|| state.clone());
            }
        }
        Ok(states.into_values().collect())
    }

    async fn usage(&self) -> Result<Vec<Usage>, Error> {
        match self.existing().await {
            Some(remote) => remote.usage().await,
            None => Ok(Vec::new()),
        }
    }

    async fn events(&self) -> Result<BoxStream<'static, ContainerState>, Error> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.shared.lock().subscribers.push(sender);
        // A host that outlived the agent is heard from now on.
        drop(self.existing().await);
        Ok(futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed())
    }
}
