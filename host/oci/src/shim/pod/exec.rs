//! A command inside a running container, for probes and lifecycle hooks.

use super::{Ended, Pod, not_found};
use crate::error::{os, runtime};
use crate::executor::Exec;
use crate::record::oci_id;
use crate::shim::launch::{Errors, reason};
use interfaces::workload::{ContainerId, Error, ExecOutcome, Phase};
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Value;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;

/// What a probe's message may be long at most.
const OUTPUT: u64 = 16 << 10;

/// What the command wrote is in the pipe when it has ended.
const DRAIN: Duration = Duration::from_millis(100);

struct Started {
    pid: i32,
    ended: oneshot::Receiver<Ended>,
    output: Receiver,
}

impl Pod {
    pub(super) async fn execute(&self, id: &ContainerId, command: &[String], timeout_seconds: u64) -> Result<ExecOutcome, Error> {
        let Started { pid, ended, mut output } = self.start_command(id, command)?;
        let work = async {
            let mut bytes = Vec::new();
            let ended = {
                let read = async {
                    // Only the beginning is kept; the rest is read as well, or the command would block.
                    let kept = (&mut output).take(OUTPUT).read_to_end(&mut bytes).await;
                    let rest = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
                    kept.and(rest.map(|_| 0))
                };
                tokio::pin!(read);
                tokio::pin!(ended);
                // The command's end counts, not that of what it left running with its output.
                tokio::select! {
                    ended = &mut ended => {
                        drop(tokio::time::timeout(DRAIN, &mut read).await);
                        ended
                    }
                    _ = &mut read => ended.await,
                }
            };
            (ended, bytes)
        };
        let limit = Duration::from_secs(if timeout_seconds == 0 { u64::from(u32::MAX) } else { timeout_seconds });
        match tokio::time::timeout(limit, work).await {
            Ok((Ok(ended), bytes)) => Ok(ExecOutcome { exit_code: ended.code, output: String::from_utf8_lossy(&bytes).into_owned() }),
            Ok((Err(_), _)) => Err(Error::Runtime { operation: "exec".to_owned(), cause: "the command's end was not seen".to_owned() }),
            Err(_) => {
                super::send_signal(pid, 9);
                Err(Error::Runtime {
                    operation: "exec".to_owned(),
                    cause: format!("command \"{}\" timed out after {timeout_seconds}s", command.join(" ")),
                })
            }
        }
    }

    fn start_command(&self, id: &ContainerId, command: &[String]) -> Result<Started, Error> {
        let mut inner = self.inner();
        let bundle = inner.record.bundle(id);
        let run = inner.runs.get(id).ok_or_else(|| not_found(id))?;
        if run.state.borrow().phase != Phase::Running {
            return Err(Error::Runtime { operation: "exec".to_owned(), cause: format!("container {} is not running", id.name) });
        }
        if command.is_empty() {
            return Err(Error::Start { message: "no command specified".to_owned() });
        }
        let directory = self.directory.join("oci").join(oci_id(id));
        let process = directory.join("process.json");
        write_process(&bundle.0.join("config.json"), &process, command).map_err(runtime("prepare the command"))?;

        let pipe = |flags| pipe_with(PipeFlags::CLOEXEC | flags).map_err(|e| runtime("make a pipe")(e.into()));
        let (status, told) = pipe(PipeFlags::NONBLOCK)?;
        let (output, write): (OwnedFd, OwnedFd) = pipe(PipeFlags::empty())?;
        rustix::io::ioctl_fionbio(&output, true).map_err(|e| runtime("make a pipe")(e.into()))?;
        let write_err = write.try_clone().map_err(runtime("make a pipe"))?;
        let exec = Exec { filters: run.filters.clone(), narrow: run.narrow.clone(), status: Arc::new(told) };
        let errors = Errors::mark(&self.directory);
        let failed = |error: &dyn std::error::Error| Error::Start { message: reason(error, &status, &errors) };
        let pid = ContainerBuilder::new(oci_id(id), SyscallType::default())
            .with_root_path(self.directory.join("oci"))
            .map_err(|e| failed(&e))?
            .with_executor(exec)
            .with_stdout(write)
            .with_stderr(write_err)
            .as_tenant()
            .with_detach(true)
            .with_process(Some(&process))
            .build();
        clean(&directory);
        let pid = pid.map_err(|e| failed(&e))?.as_raw();
        let (sender, ended) = oneshot::channel();
        inner.commands.insert(pid, sender);
        Ok(Started { pid, ended, output: Receiver::from_owned_fd(output).map_err(runtime("read the command's output"))? })
    }
}

/// The container's process with other arguments.
fn write_process(config: &Path, process: &Path, command: &[String]) -> io::Result<()> {
    let mut config: Value = serde_json::from_slice(&fs::read(config)?)?;
    let mut value = config["process"].take();
    value["args"] = command.into();
    value["terminal"] = false.into();
    fs::write(process, serde_json::to_vec(&value)?)
}

/// libcontainer leaves the socket by which it told the command to go.
fn clean(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("tenant-")) {
        if let Err(error) = fs::remove_file(entry.path()) {
            tracing::error!(cause = os(&error), "a socket is left behind");
        }
    }
}
