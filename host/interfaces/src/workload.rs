//! What runs a pod's containers. `node` speaks this and does not know whether a workload is wasm or OCI; `wasm` and `oci`
//! implement it. All messages are serialisable: the same protocol runs over a unix socket to the process that holds the
//! containers (a shim per OCI pod, one wasm host per node), which outlives a restart of the agent.

use crate::network::{DnsConfig, PodRef};
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// What all containers of a pod share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    pub pod: PodRef,
    pub hostname: String,
    /// `None`: the host's network namespace.
    pub netns: Option<PathBuf>,
    pub addresses: Vec<IpAddr>,
    pub dns: DnsConfig,
    /// Rendered `/etc/resolv.conf`, `/etc/hosts`, `/etc/hostname`, bind-mounted into OCI containers.
    pub etc: Vec<Mount>,
    /// Relative to each hierarchy's root, e.g. `coracle/pod<uid>`.
    pub cgroup_parent: String,
    /// Private to the runtime; removed with the pod.
    pub state_dir: PathBuf,
    pub host_pid: bool,
    pub host_ipc: bool,
    pub share_process_namespace: bool,
    pub sysctls: Vec<(String, String)>,
}

/// One container as the runtime starts it; everything from the pod's spec is resolved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Container {
    pub name: String,
    /// Starts at 0, raised with every restart.
    pub attempt: u32,
    pub image: ImageSource,
    /// Full argument vector for OCI; for wasm `args[0]` is the program name.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: String,
    pub mounts: Vec<Mount>,
    pub resources: Resources,
    pub security: Security,
    pub tty: bool,
    pub stdin: bool,
    pub stdin_once: bool,
    /// CRI log format, appended.
    pub log_path: PathBuf,
    /// Where the message of the end is read from, as a path in the container (`terminationMessagePath`).
    pub termination_message_path: String,
    /// Declared `ports`: a `wasi:http` component is served on the first TCP one (8080 without any).
    pub ports: Vec<u16>,
    /// Signal number that asks it to stop; 15 unless the image says otherwise.
    pub stop_signal: i32,
    /// What a wasm workload may import beyond `wasi:cli` and `wasi:http`'s incoming side.
    pub grants: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ImageSource {
    /// Unpacked layers, lowest first, for an overlay; `writable`'s place is the runtime's.
    Layers { layers: Vec<PathBuf> },
    /// A wasm component file.
    Component { path: PathBuf, digest: String },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    pub source: PathBuf,
    pub target: PathBuf,
    pub read_only: bool,
    /// `private`, `rslave` (HostToContainer), `rshared` (Bidirectional).
    pub propagation: String,
    /// `bind` when empty; `tmpfs` has no source.
    pub fs_type: String,
    pub options: Vec<String>,
}

/// Limits; 0 = none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    pub cpu_request_milli: i64,
    pub cpu_limit_milli: i64,
    pub memory_request_bytes: i64,
    pub memory_limit_bytes: i64,
    pub pids_limit: i64,
    pub oom_score_adj: i32,
}

/// `securityContext` of pod and container, merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    pub privileged: bool,
    pub read_only_root: bool,
    pub allow_privilege_escalation: bool,
    /// `None`: the image's user (name or id in `image_user`).
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: bool,
    /// `user[:group]` of the image's config.
    pub image_user: String,
    pub supplemental_groups: Vec<u32>,
    /// Names without `CAP_`; `ALL` is allowed.
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    pub seccomp: Seccomp,
    pub masked_paths_off: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    #[default]
    Unconfined,
    RuntimeDefault,
    /// A profile file on the node.
    Localhost(PathBuf),
}

/// Names one run of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerId {
    pub pod_uid: String,
    pub name: String,
    pub attempt: u32,
}

/// Where one run of a container stands. Times are nanoseconds since the epoch; 0 = not yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    pub id: ContainerId,
    pub phase: Phase,
    /// 0 for wasm.
    pub pid: i32,
    pub started_at: i64,
    pub finished_at: i64,
    pub exit_code: i32,
    /// 0, or the signal that ended it.
    pub signal: i32,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`, `StartError`.
    pub reason: String,
    pub message: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    #[default]
    Created,
    Running,
    Exited,
}

/// What one container uses now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub id: ContainerId,
    /// Total since its start.
    pub cpu_nanoseconds: u64,
    pub memory_bytes: u64,
}

/// A command inside a running container (exec probes and lifecycle hooks; streams come later).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOutcome {
    pub exit_code: i32,
    /// stdout and stderr, at most 16 KiB.
    pub output: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Error {
    /// The container cannot be made from this spec; retried with back-off as `CreateContainerError`.
    #[error("{message}")]
    Create { message: String },
    /// It was made and did not start: `StartError` with exit code 128.
    #[error("{message}")]
    Start { message: String },
    #[error("container {name} is not known")]
    NotFound { name: String },
    /// Nothing here runs this kind of workload.
    #[error("{message}")]
    Unsupported { message: String },
    #[error("{operation}: {cause}")]
    Runtime { operation: String, cause: String },
}

/// A runtime. Calls are idempotent by [`ContainerId`]; states survive a restart of the agent.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// `wasm`, `oci`.
    fn name(&self) -> &'static str;

    /// Why this runtime cannot work here, if so (missing privileges).
    fn unavailable(&self) -> Option<String>;

    /// Makes and starts one container. Returns when it runs (or has already ended).
    async fn start(&self, sandbox: &Sandbox, container: &Container) -> Result<ContainerState, Error>;

    /// Asks it to stop, and ends it after `grace_seconds` (0: at once). Returns when it has ended.
    async fn stop(&self, id: &ContainerId, grace_seconds: u64) -> Result<ContainerState, Error>;

    /// Forgets one ended run and frees what it holds.
    async fn remove(&self, id: &ContainerId) -> Result<(), Error>;

    /// Ends and frees everything of a pod.
    async fn remove_pod(&self, pod: &PodRef) -> Result<(), Error>;

    async fn exec(&self, id: &ContainerId, command: &[String], timeout_seconds: u64) -> Result<ExecOutcome, Error>;

    /// Everything known, for adoption after a restart.
    async fn list(&self) -> Result<Vec<ContainerState>, Error>;

    async fn usage(&self) -> Result<Vec<Usage>, Error>;

    /// State changes from now on: one item each time a container's state changes. Never ends while the runtime lives.
    async fn events(&self) -> Result<BoxStream<'static, ContainerState>, Error>;
}

impl Default for ImageSource {
    fn default() -> Self {
        Self::Layers { layers: Vec::new() }
    }
}
