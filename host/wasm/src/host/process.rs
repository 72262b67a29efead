//! The process: its limits, its socket, and its end.

use super::runtime::{Failed, WasmRuntime};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Memory mappings of the process: an idle guest has about 5 (image, heap and guard of its memory, stack and its guard), and
/// the kernel's 65,530 would end at 13,000 guests with nothing left for requests.
const MAP_COUNT: u64 = 262_144;

/// Open files of the process: an idle guest has 1 or 2, a busy one a hundred.
const OPEN_FILES: u64 = 262_144;

/// How often the host looks whether anybody still needs it.
const LOOK: Duration = Duration::from_secs(10);

/// How long the lock of a host that ends is waited for: 2 s.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The line on standard output that says the socket is ready.
pub const READY: &str = "ready";

#[derive(Clone, Debug)]
pub struct Config {
    /// Where the socket is.
    pub run_dir: PathBuf,
    /// Compiled code.
    pub cache_dir: PathBuf,
    /// Threads for guests.
    pub threads: usize,
}

impl Config {
    pub fn new(run_dir: PathBuf, cache_dir: PathBuf) -> Self {
        Self { run_dir, cache_dir, threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
    }
}

/// Where the host of a node listens.
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("wasm.sock")
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Runtime(#[from] Failed),
    #[error("another wasm host serves {path}")]
    Taken { path: PathBuf },
    #[error("cannot serve {path}")]
    Socket { path: PathBuf, source: io::Error },
}

/// Serves all wasm containers of a node until `shutdown`, or until nobody needs it: it has no containers and no agent, or its
/// socket was removed. Containers end with it. Prints [`READY`] once it listens.
///
/// # Errors
/// The socket cannot be served, another host serves it, or the machine has no wasm engine.
pub async fn serve(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    // A session of its own: signals to the agent's terminal or process group are not for the containers. It fails when this
    // process leads its group, and then it has been detached already.
    let _already = nix::unistd::setsid();
    let path = socket_path(&config.run_dir);
    let failed = |source| Error::Socket { path: path.clone(), source };
    std::fs::create_dir_all(&config.run_dir).map_err(failed)?;
    let _lock = lock(&config.run_dir.join("wasm.lock")).await.map_err(failed)?.ok_or_else(|| Error::Taken { path: path.clone() })?;
    raise_limits();

    let runtime = Arc::new(WasmRuntime::new(&config.cache_dir, config.threads)?);
    let listener = workload::server::bind(&path).map_err(failed)?;
    let mut stdout = io::stdout();
    drop(writeln!(stdout, "{READY}").and_then(|()| stdout.flush()));

    let (watched, token, socket) = (Arc::downgrade(&runtime), shutdown.clone(), path.clone());
    tokio::spawn(async move {
        let mut unused = 0;
        // The first look is after one period: an agent needs time to connect.
        while token.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let Some(runtime) = watched.upgrade() else { return };
            unused = if runtime.is_unused() { unused + 1 } else { 0 };
            if unused >= 2 || !socket.exists() {
                tracing::info!("nobody needs this wasm host");
                token.cancel();
            }
        }
    });
    workload::server::serve(listener, runtime, shutdown).await.map_err(failed)
}

/// The lock on which hosts agree who serves. `None`: another process has it. A host that was just killed may still be on its
/// way out of the system, with its connections closed and its lock not yet.
async fn lock(path: &Path) -> io::Result<Option<Flock<std::fs::File>>> {
    let mut file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    for _ in 0..LOCK_TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err((back, nix::errno::Errno::EWOULDBLOCK)) => file = back,
            Err((_, errno)) => return Err(errno.into()),
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Ok(None)
}

/// Enough descriptors and mappings for 10,000 guests. Without the right to raise them the host works with fewer guests.
pub fn raise_limits() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let wanted = hard.max(OPEN_FILES);
        let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
        if let Err(error) = raised {
            tracing::warn!(%error, hard, "the limit of open files stays");
        }
    }
    let path = "/proc/sys/vm/max_map_count";
    let now = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    if now.is_some_and(|now| now < MAP_COUNT)
        && let Err(error) = std::fs::write(path, MAP_COUNT.to_string())
    {
        tracing::info!(%error, "vm.max_map_count stays: fewer than 10,000 wasm containers fit");
    }
}
