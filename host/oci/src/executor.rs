//! The last steps inside the container, between libcontainer's setup and `execve`: find the program, install seccomp, give up
//! what only that needed.
//!
//! Order, with why: without `no_new_privs` the kernel lets only a holder of `CAP_SYS_ADMIN` install a filter, so libcontainer
//! is given the container's capabilities and [`NEEDED`] besides; the filter comes first, then the surplus is dropped (from the
//! bounding set as well), then `execve`. With `no_new_privs` nothing but the filter is left to do.

use crate::{capability, seccomp};
use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};
use nix::sys::signal::{SigHandler, Signal};
use rustix::fs::{Access, AtFlags};
use seccompiler::BpfProgram;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// What installing a filter and narrowing the bounding set take.
pub(crate) const NEEDED: &[&str] = &["SYS_ADMIN", "SETPCAP"];

#[derive(Clone)]
pub(crate) struct Exec {
    /// Filters to install.
    pub(crate) filters: Arc<Vec<BpfProgram>>,
    /// The container's capabilities, when libcontainer was given more.
    pub(crate) narrow: Option<Vec<String>>,
    /// Takes the reason why the program was not executed; closed by a successful `execve`.
    pub(crate) status: Arc<OwnedFd>,
}

impl Exec {
    fn fail(&self, message: &str) {
        // Nobody to tell when the shim is gone.
        let _ = rustix::io::write(&self.status, message.as_bytes());
    }

    fn enter(&self, spec: &Spec) -> Result<(), String> {
        let process = spec.process().as_ref().ok_or("the container has no process")?;
        let args = process.args().as_deref().unwrap_or_default();
        let name = args.first().ok_or("no command specified")?;
        let path = look_up(name, process.env().as_deref().unwrap_or_default())?;
        let path = CString::new(path.into_os_string().into_encoded_bytes()).map_err(|e| e.to_string())?;
        let args = args.iter().map(|arg| CString::new(arg.as_bytes())).collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        restore_signals();
        for filter in self.filters.iter() {
            seccomp::install(filter).map_err(|e| format!("unable to init seccomp: {}", crate::error::os(&e)))?;
        }
        if let Some(keep) = &self.narrow {
            narrow(keep).map_err(|e| format!("unable to apply caps: {}", crate::error::os(&e)))?;
        }
        match nix::unistd::execv(&path, &args) {
            Ok(never) => match never {},
            Err(errno) => Err(format!("exec {}: {}", path.to_string_lossy(), crate::error::os(&errno.into()))),
        }
    }
}

impl Executor for Exec {
    /// Called inside the container as its user, before it is reported as created.
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let Some(process) = spec.process() else { return Ok(()) };
        let Some(name) = process.args().as_ref().and_then(|args| args.first()) else {
            self.fail("no command specified");
            return Err(ExecutorValidationError::ArgValidationError("no command specified".to_owned()));
        };
        look_up(name, process.env().as_deref().unwrap_or_default()).map(drop).map_err(|message| {
            self.fail(&message);
            ExecutorValidationError::ArgValidationError(message)
        })
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        self.enter(spec).map_err(|message| {
            self.fail(&message);
            ExecutorError::Other(message)
        })
    }
}

/// The program `name` stands for, with the words of Go's `os/exec`, which users of Kubernetes know.
fn look_up(name: &str, env: &[String]) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("exec: no command".to_owned());
    }
    let executable = |path: &PathBuf| -> Result<(), String> {
        let metadata = std::fs::metadata(path).map_err(|e| format!("stat {}: {}", path.display(), crate::error::os(&e)))?;
        if metadata.is_dir() {
            return Err("is a directory".to_owned());
        }
        rustix::fs::accessat(rustix::fs::CWD, path, Access::EXEC_OK, AtFlags::EACCESS).map_err(|e| crate::error::os(&io::Error::from(e)))
    };
    if name.contains('/') {
        let path = PathBuf::from(name);
        return executable(&path).map(|()| path).map_err(|cause| format!("exec: \"{name}\": {cause}"));
    }
    let path = env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or_default();
    path.split(':')
        .map(|directory| PathBuf::from(if directory.is_empty() { "." } else { directory }).join(name))
        .find(|path| executable(path).is_ok())
        .ok_or_else(|| format!("exec: \"{name}\": executable file not found in $PATH"))
}

/// Rust ignores SIGPIPE, and an ignored signal stays so over `execve`.
#[allow(unsafe_code)]
fn restore_signals() {
    for signal in [Signal::SIGPIPE, Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: the default disposition runs no code of ours.
        let _ = unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) };
    }
}

fn narrow(keep: &[String]) -> io::Result<()> {
    let keep = capability::set(keep);
    for name in NEEDED {
        let one = capability::set(&[(*name).to_owned()]);
        if !keep.contains(one) {
            rustix::thread::remove_capability_from_bounding_set(one)?;
        }
    }
    let mut sets = rustix::thread::capabilities(None)?;
    sets.permitted &= keep;
    sets.effective &= keep;
    sets.inheritable &= keep;
    Ok(rustix::thread::set_capabilities(None, sets)?)
}
