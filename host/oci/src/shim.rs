//! `coracle shim`: the process that holds a pod's containers. One thread, because libcontainer forks; detached from the agent,
//! because containers outlive it. It gets its listening socket as standard input and its pod with the first call.

mod console;
mod launch;
mod log;
mod pod;
mod reap;

use crate::sandbox;
use pod::{Holder, Pod};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// Runs a shim until its pod is removed. `args` follow `shim` on the command line: the pod's run directory, or `pause`.
/// To be called first thing in `main`: before threads are started and before anything large is set up.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let outcome = match args.as_slice() {
        [pause] if pause == "pause" => sandbox::run_pause(),
        [directory] => run(PathBuf::from(directory), pause_command(args.len())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: shim RUN_DIRECTORY (started by the agent only)")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// This process' own arguments with `pause` for what follows `shim`.
fn pause_command(own: usize) -> Vec<OsString> {
    let all: Vec<OsString> = std::env::args_os().skip(1).collect();
    let keep = all.len().saturating_sub(own);
    all.into_iter().take(keep).chain([OsString::from("pause")]).collect()
}

fn run(directory: PathBuf, pause: Vec<OsString>) -> io::Result<()> {
    log::install();
    // A signal to the agent's group or terminal is not for the containers.
    rustix::process::setsid()?;
    // What the containers leave behind comes to the shim to be reaped.
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
    // What is made for a container is made for its users, whatever the agent's mask is.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Killed for memory after anything else; containers get their own value.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "-998") {
        tracing::warn!(%error, "the shim's OOM score is not set");
    }
    let listener = std::os::unix::net::UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    std::env::set_current_dir("/")?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let shutdown = CancellationToken::new();
        let pod = Arc::new(Pod::new(directory, pause, shutdown.clone())?);
        let reaper = tokio::spawn(reap::run(pod.clone()));
        let served = workload::server::serve(listener, Arc::new(Holder(pod)), shutdown).await;
        reaper.abort();
        served
    })
}
