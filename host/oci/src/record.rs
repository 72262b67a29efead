//! What a pod's shim writes down, so that its containers' ends are known when it is gone.
//!
//! Under `run_dir`, one directory per pod: `shim.sock`, `pod.json` (this), `shim.log`, `oci/` (libcontainer's state). Everything
//! else of a container is in its bundle, `state_dir/NAME-ATTEMPT`.

use interfaces::network::PodRef;
use interfaces::workload::{ContainerId, ContainerState, Phase, Sandbox};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) pod: PodRef,
    pub(crate) state_dir: PathBuf,
    pub(crate) cgroup_parent: String,
    pub(crate) containers: Vec<ContainerState>,
}

/// The exit code of a process killed by SIGKILL, and of one whose end nobody saw.
pub(crate) const KILLED: i32 = 137;

impl Record {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        Self {
            pod: sandbox.pod.clone(),
            state_dir: sandbox.state_dir.clone(),
            cgroup_parent: sandbox.cgroup_parent.trim_matches('/').to_owned(),
            containers: Vec::new(),
        }
    }

    /// `None` when no container was ever started.
    pub(crate) fn load(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read(directory.join("pod.json")) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Replaces the file at once. Not synced: after a power failure no container runs, whatever it says.
    pub(crate) fn save(&self, directory: &Path) -> io::Result<()> {
        let new = directory.join("pod.json.new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(new, directory.join("pod.json"))
    }

    pub(crate) fn put(&mut self, state: &ContainerState) {
        match self.containers.iter_mut().find(|known| known.id == state.id) {
            Some(known) => known.clone_from(state),
            None => self.containers.push(state.clone()),
        }
    }

    pub(crate) fn bundle(&self, id: &ContainerId) -> crate::rootfs::Bundle {
        crate::rootfs::Bundle(self.state_dir.join(format!("{}-{}", id.name, id.attempt)))
    }

    pub(crate) fn group(&self, id: &ContainerId) -> String {
        format!("{}/{}-{}", self.cgroup_parent, id.name, id.attempt)
    }

    /// Frees what one ended run holds. Absent is fine; the first failure is told after everything was tried.
    pub(crate) fn free(&self, directory: &Path, id: &ContainerId) -> io::Result<()> {
        let group = self.group(id);
        crate::cgroup::kill(&group);
        let mut outcome = self.bundle(id).remove();
        outcome = outcome.and(crate::cgroup::remove(&group));
        outcome.and(remove_all(&directory.join("oci").join(oci_id(id))))
    }

    /// Frees everything of a pod whose processes have ended, the run directory included.
    pub(crate) fn free_pod(&self, directory: &Path) -> io::Result<()> {
        let mut outcome = Ok(());
        for state in &self.containers {
            outcome = outcome.and(self.free(directory, &state.id));
        }
        if !self.state_dir.as_os_str().is_empty() {
            outcome = outcome.and(crate::rootfs::unmount(&crate::sandbox::shm(&self.state_dir)));
        }
        if !self.cgroup_parent.is_empty() {
            outcome = outcome.and(crate::cgroup::remove(&self.cgroup_parent));
        }
        // Nothing mounted is left below: deleting cannot reach what was mounted.
        outcome?;
        if !self.state_dir.as_os_str().is_empty() {
            remove_all(&self.state_dir)?;
        }
        remove_all(directory)
    }

    /// Marks what ran under a shim that is gone as ended, and ends what is left of it. Returns what changed.
    pub(crate) fn lose(&mut self) -> Vec<ContainerState> {
        crate::cgroup::kill(&self.cgroup_parent);
        let mut changed = Vec::new();
        for state in self.containers.iter_mut().filter(|state| state.phase != Phase::Exited) {
            state.phase = Phase::Exited;
            state.pid = 0;
            state.exit_code = KILLED;
            state.finished_at = now();
            "Error".clone_into(&mut state.reason);
            "The container's shim ended unexpectedly; how the container ended is not known.".clone_into(&mut state.message);
            changed.push(state.clone());
        }
        changed
    }
}

/// libcontainer's name for one run.
pub(crate) fn oci_id(id: &ContainerId) -> String {
    format!("{}-{}", id.name, id.attempt)
}

pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Nanoseconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
