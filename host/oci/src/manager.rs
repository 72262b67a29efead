//! The agent's side: starts a shim per pod, finds those that an earlier agent started, and speaks to each.

mod shim;

use crate::record::Record;
use crate::{cgroup, error};
use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, ContainerState, Error, ExecOutcome, Phase, Runtime, Sandbox, Usage};
use shim::Shim;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::OnceCell;
use workload::events::Events;
use workload::remote::Remote;

/// How often 20 ms are waited for a shim that closes its connections to be gone, or to answer again.
const ENDING: u32 = 50;

#[derive(Clone, Debug)]
pub struct Config {
    /// One directory per pod is made in it; kept over restarts of the agent.
    pub run_dir: PathBuf,
    /// The program that calls [`crate::shim::main`], usually `/proc/self/exe`.
    pub exe: PathBuf,
    /// What comes before the shim's own arguments, usually `shim`.
    pub args: Vec<OsString>,
}

pub struct Manager {
    config: Config,
    unavailable: Option<String>,
    events: Arc<Events<ContainerState>>,
    adopted: OnceCell<()>,
    pods: Mutex<HashMap<String, Arc<Pod>>>,
}

/// A pod of this runtime. The lock is held while its shim is started, found lost or removed.
struct Pod {
    directory: PathBuf,
    shim: tokio::sync::Mutex<Option<Shim>>,
}

impl Manager {
    /// Touches nothing yet: pods of an earlier agent are looked for with the first call, which needs a tokio runtime.
    #[allow(clippy::new_ret_no_self, reason = "callers only know the interface")]
    pub fn new(config: Config) -> Arc<dyn Runtime> {
        Arc::new(Self { config, unavailable: missing(), events: Arc::default(), adopted: OnceCell::new(), pods: Mutex::default() })
    }

    fn pods(&self) -> MutexGuard<'_, HashMap<String, Arc<Pod>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pod(&self, uid: &str) -> Result<Arc<Pod>, Error> {
        // It names a directory.
        let mut components = Path::new(uid).components();
        if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) {
            return Err(Error::Create { message: format!("invalid pod UID \"{uid}\"") });
        }
        Ok(self
            .pods()
            .entry(uid.to_owned())
            .or_insert_with(|| Arc::new(Pod { directory: self.config.run_dir.join(uid), shim: tokio::sync::Mutex::default() }))
            .clone())
    }

    /// Connects to the shims of an earlier agent, once.
    async fn adopt(&self) {
        self.adopted
            .get_or_init(|| async {
                let Ok(entries) = std::fs::read_dir(&self.config.run_dir) else { return };
                let uids = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
                futures::future::join_all(uids.map(|uid| self.adopt_pod(uid))).await;
            })
            .await;
    }

    async fn adopt_pod(&self, uid: String) {
        let Ok(pod) = self.pod(&uid) else { return };
        match Remote::connect(pod.socket()).await {
            Ok(remote) => {
                let empty = remote.list().await.is_ok_and(|states| states.is_empty());
                if empty {
                    // Its agent died between starting it and asking for a container.
                    drop(remote.remove_pod(&PodRef { uid, ..Default::default() }).await);
                } else {
                    let mut shim = pod.shim.lock().await;
                    *shim = watch(&pod, &self.events, remote).await.ok();
                }
            }
            Err(cause) => {
                tracing::warn!(pod = uid, %cause, "the pod's shim does not answer");
                pod.lost(&self.events).await;
            }
        }
    }

    /// The pod's shim, started if there is none.
    async fn ensure(&self, uid: &str) -> Result<Remote, Error> {
        let pod = self.pod(uid)?;
        let mut shim = pod.shim.lock().await;
        if let Some(shim) = &*shim
            && !shim.remote.is_closed()
        {
            return Ok(shim.remote.clone());
        }
        let remote = if pod.is_listening() {
            Remote::connect(pod.socket()).await?
        } else {
            pod.settle(&self.events);
            shim::start(&self.config, &pod.directory).await?
        };
        *shim = Some(watch(&pod, &self.events, remote.clone()).await?);
        Ok(remote)
    }

    /// The live shim of a container's pod.
    async fn remote(&self, id: &ContainerId) -> Option<Remote> {
        self.adopt().await;
        let pod = self.pods().get(&id.pod_uid).cloned()?;
        let shim = pod.shim.lock().await;
        shim.as_ref().filter(|shim| !shim.remote.is_closed()).map(|shim| shim.remote.clone())
    }

    /// What is written down of a container whose shim is gone.
    fn recorded(&self, id: &ContainerId) -> Option<(Arc<Pod>, Record, ContainerState)> {
        let pod = self.pods().get(&id.pod_uid).cloned()?;
        let record = Record::load(&pod.directory).ok()??;
        let state = record.containers.iter().find(|state| state.id == *id)?.clone();
        Some((pod, record, state))
    }
}

/// Passes a shim's events on, and notices its end.
fn watch<'a>(pod: &'a Arc<Pod>, events: &'a Arc<Events<ContainerState>>, remote: Remote) -> BoxFuture<'a, Result<Shim, Error>> {
    async move {
        let mut states = remote.events().await?;
        let events = events.clone();
        let closed = remote.closed();
        let weak: Weak<Pod> = Arc::downgrade(pod);
        let watcher = tokio::spawn(async move {
            while let Some(state) = states.next().await {
                events.send(&state);
            }
            closed.await;
            if let Some(pod) = weak.upgrade() {
                pod.lost(&events).await;
            }
        });
        Ok(Shim { remote, watcher: watcher.abort_handle() })
    }
    .boxed()
}

impl Pod {
    fn socket(&self) -> PathBuf {
        self.directory.join("shim.sock")
    }

    fn is_listening(&self) -> bool {
        workload::remote::is_listening(&self.socket())
    }

    /// The connection to the shim has ended without the pod being removed.
    async fn lost(self: &Arc<Self>, events: &Arc<Events<ContainerState>>) {
        let mut shim = self.shim.lock().await;
        if shim.as_ref().is_some_and(|shim| !shim.remote.is_closed()) {
            return;
        }
        *shim = None;
        // Only the connection may be broken; what the shim holds is not ended for that. One that is ending still listens while the
        // kernel closes what it had open.
        for _ in 0..ENDING {
            if !self.is_listening() {
                self.settle(events);
                return;
            }
            if let Ok(remote) = Remote::connect(self.socket()).await {
                let states = remote.list().await.unwrap_or_default();
                *shim = watch(self, events, remote).await.ok();
                states.iter().for_each(|state| events.send(state));
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tracing::error!(socket = %self.socket().display(), "the pod's shim cannot be spoken to");
    }

    /// Writes down, once, that what ran under a shim that is gone has ended.
    fn settle(&self, events: &Events<ContainerState>) {
        let Ok(Some(mut record)) = Record::load(&self.directory) else { return };
        let changed = record.lose();
        if changed.is_empty() {
            return;
        }
        if let Err(error) = record.save(&self.directory) {
            tracing::warn!(%error, "the end of lost containers is not written down");
        }
        changed.iter().for_each(|state| events.send(state));
    }
}

/// What this process lacks for containers.
fn missing() -> Option<String> {
    const NEEDED: &[&str] = &["SYS_ADMIN", "SYS_CHROOT", "SETUID", "SETGID", "MKNOD", "NET_ADMIN"];
    let present = crate::capability::present();
    let lacks = |name: &str| crate::capability::ALL.iter().position(|n| *n == name).is_some_and(|bit| present & (1 << bit) == 0);
    let lacking: Vec<String> = NEEDED.iter().filter(|name| lacks(name)).map(|name| format!("CAP_{name}")).collect();
    if !lacking.is_empty() {
        return Some(format!("OCI containers need root: this process lacks {}", lacking.join(", ")));
    }
    if cgroup::hierarchies().is_none() {
        return Some("OCI containers need control groups: none are mounted below /sys/fs/cgroup".to_owned());
    }
    match std::fs::read_to_string("/proc/filesystems") {
        Ok(known) if !known.lines().any(|line| line.ends_with("\toverlay")) => {
            Some("OCI containers need overlayfs: this kernel does not offer it (modprobe overlay)".to_owned())
        }
        _ => None,
    }
}

fn not_found(id: &ContainerId) -> Error {
    Error::NotFound { name: id.name.clone() }
}

#[async_trait]
impl Runtime for Manager {
    fn name(&self) -> &'static str {
        "oci"
    }

    fn unavailable(&self) -> Option<String> {
        self.unavailable.clone()
    }

    async fn start(&self, sandbox: &Sandbox, container: &Container) -> Result<ContainerState, Error> {
        if let Some(message) = &self.unavailable {
            return Err(Error::Unsupported { message: message.clone() });
        }
        self.adopt().await;
        self.ensure(&sandbox.pod.uid).await?.start(sandbox, container).await
    }

    async fn stop(&self, id: &ContainerId, grace_seconds: u64) -> Result<ContainerState, Error> {
        match self.remote(id).await {
            Some(remote) => remote.stop(id, grace_seconds).await,
            None => self.recorded(id).map(|(_, _, state)| state).ok_or_else(|| not_found(id)),
        }
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        if let Some(remote) = self.remote(id).await {
            return remote.remove(id).await;
        }
        let Some((pod, mut record, _)) = self.recorded(id) else { return Ok(()) };
        let _shim = pod.shim.lock().await;
        record.free(&pod.directory, id).map_err(error::runtime(format!("remove container {}", id.name)))?;
        record.containers.retain(|state| state.id != *id);
        record.save(&pod.directory).map_err(error::runtime("write the pod's record"))
    }

    async fn remove_pod(&self, pod: &PodRef) -> Result<(), Error> {
        self.adopt().await;
        let known = self.pod(&pod.uid)?;
        let mut shim = known.shim.lock().await;
        if let Some(held) = shim.take() {
            // Its end is expected from here on.
            held.watcher.abort();
            let removed = held.remote.remove_pod(pod).await;
            if removed.is_ok() {
                held.remote.closed().await;
            } else if !held.remote.is_closed() {
                *shim = watch(&known, &self.events, held.remote).await.ok();
                return removed;
            }
        }
        if let Ok(Some(mut record)) = Record::load(&known.directory) {
            record.lose();
            record.free_pod(&known.directory).map_err(error::runtime(format!("remove pod {}", pod.name)))?;
        }
        crate::record::remove_all(&known.directory).map_err(error::runtime(format!("remove pod {}", pod.name)))?;
        self.pods().remove(&pod.uid);
        Ok(())
    }

    async fn exec(&self, id: &ContainerId, command: &[String], timeout_seconds: u64) -> Result<ExecOutcome, Error> {
        let remote = self.remote(id).await.ok_or_else(|| not_found(id))?;
        remote.exec(id, command, timeout_seconds).await
    }

    async fn list(&self) -> Result<Vec<ContainerState>, Error> {
        self.adopt().await;
        let pods: Vec<Arc<Pod>> = self.pods().values().cloned().collect();
        let states = pods.iter().map(|pod| async {
            let shim = pod.shim.lock().await;
            if let Some(shim) = &*shim
                && let Ok(states) = shim.remote.list().await
            {
                return states;
            }
            // A lost shim whose loss is not yet written down will be told as an event.
            let record = Record::load(&pod.directory).ok().flatten().unwrap_or_default();
            record.containers.into_iter().filter(|state| state.phase == Phase::Exited).collect()
        });
        Ok(futures::future::join_all(states).await.into_iter().flatten().collect())
    }

    async fn usage(&self) -> Result<Vec<Usage>, Error> {
        self.adopt().await;
        let pods: Vec<Arc<Pod>> = self.pods().values().cloned().collect();
        let usages = pods.iter().map(|pod| async {
            let remote = pod.shim.lock().await.as_ref().map(|shim| shim.remote.clone());
            match remote {
                // One that ends meanwhile uses nothing.
                Some(remote) => remote.usage().await.unwrap_or_default(),
                None => Vec::new(),
            }
        });
        Ok(futures::future::join_all(usages).await.into_iter().flatten().collect())
    }

    async fn events(&self) -> Result<BoxStream<'static, ContainerState>, Error> {
        let events = self.events.subscribe();
        self.adopt().await;
        Ok(events)
    }
}
