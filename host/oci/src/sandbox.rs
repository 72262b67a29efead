//! What the containers of a pod share. The shim is the pod's sandbox: it enters the pod's network namespace and makes its IPC
//! and UTS namespaces for itself, and containers inherit them; no pause process and no pinned files are needed. Only a process
//! namespace shared by the containers needs a process of its own as its first.

use crate::error::{create, os};
use crate::rootfs;
use crate::spec::Shared;
use interfaces::workload::{Error, Sandbox};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal};
use rustix::mount::MountFlags;
use rustix::thread::LinkNameSpaceType;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The pod's sandbox as entered by this process.
pub(crate) struct Entered {
    pub(crate) shared: Shared,
    /// First process of the shared process namespace.
    pause: Option<Child>,
}

/// Enters the pod's namespaces; once per process. `pause` is the command line of [`run_pause`].
///
/// # Errors
/// `Create`, with a sentence for the container's status.
pub(crate) fn enter(sandbox: &Sandbox, pause: &[OsString]) -> Result<Entered, Error> {
    // Counted with the pod; where that is not possible, with whoever started it.
    if let Err(error) = crate::cgroup::join(&format!("{}/shim", sandbox.cgroup_parent.trim_matches('/'))) {
        tracing::warn!(%error, "the shim is not counted with its pod");
    }
    let mut own = CloneFlags::empty();
    if let Some(netns) = &sandbox.netns {
        let name = || format!("failed to enter network namespace \"{}\"", netns.display());
        let file = File::open(netns).map_err(create(name()))?;
        rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|e| create(name())(e.into()))?;
        // A pod on the host's network has the host's name too.
        own |= CloneFlags::CLONE_NEWUTS;
    }
    if !sandbox.host_ipc {
        own |= CloneFlags::CLONE_NEWIPC;
    }
    nix::sched::unshare(own).map_err(|e| create("failed to make the pod's namespaces")(e.into()))?;
    if own.contains(CloneFlags::CLONE_NEWUTS) && !sandbox.hostname.is_empty() {
        nix::unistd::sethostname(&sandbox.hostname).map_err(|e| create("failed to set the host name")(e.into()))?;
    }
    for (name, value) in &sandbox.sysctls {
        sysctl(sandbox, name, value)?;
    }
    let shm = if sandbox.host_ipc { None } else { Some(mount_shm(&shm(&sandbox.state_dir))?) };
    let (pause, pid) = if sandbox.share_process_namespace && !sandbox.host_pid {
        let child = start_pause(pause).map_err(create("failed to make the pod's process namespace"))?;
        let pid = PathBuf::from(format!("/proc/{}/ns/pid", child.id()));
        (Some(child), Some(pid))
    } else {
        (None, None)
    };
    Ok(Entered { shared: Shared { shm, pid }, pause })
}

impl Entered {
    pub(crate) fn end(&mut self) {
        if let Some(pause) = &mut self.pause {
            // Gone already is fine; the shim's reaper may have been faster.
            drop(pause.kill());
            drop(pause.wait());
        }
    }
}

pub(crate) fn shm(state_dir: &Path) -> PathBuf {
    state_dir.join("shm")
}

fn mount_shm(path: &Path) -> Result<PathBuf, Error> {
    let mount = || {
        rootfs::unmount(path)?;
        fs::create_dir_all(path)?;
        // The size is Docker's and containerd's.
        rustix::mount::mount("shm", path, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, c"mode=1777,size=65536k")
            .map_err(std::io::Error::from)
    };
    mount().map_err(create("failed to mount the pod's shared memory"))?;
    Ok(path.to_owned())
}

/// Kernel parameters are set through the namespaces entered before; one that is not the pod's own would be the host's.
fn sysctl(sandbox: &Sandbox, name: &str, value: &str) -> Result<(), Error> {
    let dotted = name.replace('/', ".");
    let ipc =
        dotted.starts_with("fs.mqueue.") || dotted.starts_with("kernel.shm") || dotted.starts_with("kernel.msg") || dotted == "kernel.sem";
    let own = if dotted.starts_with("net.") { sandbox.netns.is_some() } else { ipc && !sandbox.host_ipc };
    let plain = dotted.split('.').all(|part| !part.is_empty());
    if !own || !plain {
        return Err(Error::Create { message: format!("sysctl \"{name}\" is not allowed: it is not the pod's own") });
    }
    let path = Path::new("/proc/sys").join(dotted.replace('.', "/"));
    fs::write(&path, value).map_err(|e| Error::Create { message: format!("failed to set sysctl \"{name}\": {}", os(&e)) })
}

fn start_pause(command: &[OsString]) -> std::io::Result<Child> {
    let own = File::open("/proc/self/ns/pid")?;
    nix::sched::unshare(CloneFlags::CLONE_NEWPID)?;
    let child = Command::new("/proc/self/exe").args(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    // Later children are in the shim's own process namespace again.
    rustix::thread::move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::ProcessID))?;
    child
}

/// Is the first process of a shared process namespace: reaps what others leave, until it is told to end.
pub(crate) fn run_pause() -> std::io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    loop {
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        if signals.wait()? == Signal::SIGTERM {
            return Ok(());
        }
    }
}
