//! From a container's description to its running process.

use super::console::Console;
use crate::error::{chain, create, os, runtime};
use crate::executor::Exec;
use crate::record::oci_id;
use crate::rootfs::{Bundle, Root};
use crate::seccomp;
use crate::spec::{self, Shared};
use crate::user::{self, Database};
use interfaces::workload::{Container, ContainerId, Error, ImageSource, Sandbox, Seccomp};
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use workload::log::{LogWriter, Rotation, Stream, pump};

/// A container whose process has been told to go.
pub(super) struct Launched {
    pub(super) pid: i32,
    /// Ends when the program is executed; before that comes why it was not.
    pub(super) status: Receiver,
    pub(super) pumps: Vec<JoinHandle<()>>,
    /// Held open so that a container with `stdin: true` does not read an end.
    pub(super) stdin: Option<OwnedFd>,
    /// What installs seccomp for commands executed later.
    pub(super) filters: Arc<Vec<seccompiler::BpfProgram>>,
    pub(super) narrow: Option<Vec<String>>,
}

/// Makes everything of a container and starts it. What was made stays when it fails; the caller frees it.
///
/// # Errors
/// `Create` for what the description makes impossible, `Start` for what fails after that.
pub(super) fn launch(
    directory: &Path,
    sandbox: &Sandbox,
    container: &Container,
    id: &ContainerId,
    bundle: &Bundle,
    shared: &Shared,
) -> Result<Launched, Error> {
    let ImageSource::Layers { layers } = &container.image else {
        return Err(Error::Unsupported { message: format!("container {} is not an OCI container", id.name) });
    };
    if container.args.is_empty() {
        return Err(Error::Create { message: "no command specified".to_owned() });
    }
    spec::check_sources(sandbox, container)?;
    fs::create_dir_all(&bundle.0).map_err(create("failed to make the container's directory"))?;
    // It holds what the container writes, programs with set-user-ID among it: not for other users of the host.
    fs::set_permissions(&bundle.0, fs::Permissions::from_mode(0o700)).map_err(create("failed to make the container's directory"))?;
    bundle.mount(layers).map_err(create("failed to mount the container's root"))?;
    let root = Root::open(&bundle.rootfs()).map_err(create("failed to open the container's root"))?;
    let directory_of_work = spec::working_directory(container);
    root.make_directory(directory_of_work)
        .map_err(create(format!("failed to make the working directory \"{}\"", directory_of_work.display())))?;
    let pod = &sandbox.pod;
    let owner = format!("pod: \"{}_{}({})\", container: {}", pod.name, pod.namespace, pod.uid, id.name);
    let database = Database::read(&root).map_err(create("failed to read the image's users"))?;
    let user = user::resolve(&container.security, &database, &owner)?;
    let spec = spec::build(sandbox, container, bundle, &user, shared)?;
    let profile = if container.security.privileged { &Seccomp::Unconfined } else { &container.security.seccomp };
    let filters = Arc::new(seccomp::compile(profile, &spec.capabilities).map_err(|message| Error::Create { message })?);
    let narrow = spec.narrow.then_some(spec.capabilities);
    let write = || {
        let text = serde_json::to_vec(&spec.config)?;
        fs::write(bundle.0.join("config.json"), text)?;
        File::create(bundle.termination_log())?.set_permissions(fs::Permissions::from_mode(0o666))
    };
    write().map_err(create("failed to write the container's configuration"))?;
    let log = LogWriter::open(&container.log_path, Rotation::default())
        .map_err(create(format!("failed to open the log \"{}\"", container.log_path.display())))?;

    let (status, told) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(|e| runtime("make a pipe")(e.into()))?;
    let exec = Exec { filters: filters.clone(), narrow: narrow.clone(), status: Arc::new(told) };
    let errors = Errors::mark(directory);
    let failed = |error: &dyn std::error::Error, status: &OwnedFd| Error::Start { message: reason(error, status, &errors) };
    let mut builder = ContainerBuilder::new(oci_id(id), SyscallType::default())
        .with_root_path(directory.join("oci"))
        .map_err(|e| failed(&e, &status))?
        .with_executor(exec);
    let mut pumps: Vec<(OwnedFd, Stream)> = Vec::new();
    let mut console = None;
    let mut stdin = None;
    if container.tty {
        let listening = Console::listen(&bundle.0).map_err(create("failed to prepare the terminal"))?;
        builder = builder.with_console_socket(Some(listening.path()));
        console = Some(listening);
    } else {
        let pipe = || -> io::Result<(OwnedFd, OwnedFd)> {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            // `/dev/stdout` can be opened only by its owner.
            rustix::fs::fchown(&write, Some(rustix::fs::Uid::from_raw(user.uid)), None)?;
            rustix::io::ioctl_fionbio(&read, true)?;
            Ok((read, write))
        };
        let (out, write_out) = pipe().map_err(runtime("make a pipe"))?;
        let (err, write_err) = pipe().map_err(runtime("make a pipe"))?;
        builder = builder.with_stdout(write_out).with_stderr(write_err);
        pumps.extend([(out, Stream::Stdout), (err, Stream::Stderr)]);
        if container.stdin {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| runtime("make a pipe")(e.into()))?;
            builder = builder.with_stdin(read);
            stdin = Some(write);
        }
    }
    let mut made = builder.as_init(&bundle.0).with_systemd(false).with_detach(true).build().map_err(|e| failed(&e, &status))?;
    let pid = made.pid().map(|pid| pid.as_raw()).unwrap_or_default();
    if let Some(console) = console {
        let terminal = console.receive().map_err(|e| failed(&e, &status))?;
        pumps.push((terminal, Stream::Stdout));
    }
    // Before the program runs, and from outside: lowering it takes a privilege that the container does not have.
    if let Err(error) = fs::write(format!("/proc/{pid}/oom_score_adj"), container.resources.oom_score_adj.to_string()) {
        tracing::error!(%error, "the OOM score of container {} is not set", id.name);
    }
    made.start().map_err(|e| failed(&e, &status))?;
    let pumps = pumps
        .into_iter()
        .map(|(pipe, stream)| {
            let writer = log.stream(stream);
            let pipe = Receiver::from_owned_fd_unchecked(pipe)?;
            Ok(tokio::spawn(async move {
                // A terminal ends with an error when its last user closes it.
                drop(pump(pipe, writer).await);
            }))
        })
        .collect::<io::Result<Vec<_>>>()
        .map_err(runtime("read the container's output"))?;
    let status = Receiver::from_owned_fd(status).map_err(runtime("read the container's status"))?;
    Ok(Launched { pid, status, pumps, stdin, filters, narrow })
}

/// Why a container did not start: what the process inside said, else libcontainer's error with what it logged.
pub(super) fn reason(error: &dyn std::error::Error, status: &OwnedFd, errors: &Errors) -> String {
    let mut told = [0; 4096];
    match rustix::io::read(status.as_fd(), &mut told) {
        Ok(n) if n > 0 => String::from_utf8_lossy(told.get(..n).unwrap_or_default()).into_owned(),
        _ => {
            let text = chain(error);
            match errors.first() {
                Some(first) => format!("{text}: {first}"),
                None => text,
            }
        }
    }
}

/// Where the shim's log ended before a try.
pub(super) struct Errors(Option<(File, u64)>);

/// The log holds reasons of failures, the last of which matter.
const LARGEST_LOG: u64 = 1 << 20;

impl Errors {
    pub(super) fn mark(directory: &Path) -> Self {
        let open = || -> io::Result<(File, u64)> {
            let file = File::options().read(true).append(true).open(directory.join("shim.log"))?;
            let mut end = file.metadata()?.len();
            if end > LARGEST_LOG {
                file.set_len(0)?;
                end = 0;
            }
            Ok((file, end))
        };
        Self(open().ok())
    }

    /// The first line since: the innermost cause.
    fn first(&self) -> Option<String> {
        let (file, end) = self.0.as_ref()?;
        let mut file = file;
        file.seek(SeekFrom::Start(*end)).ok()?;
        let mut text = Vec::new();
        file.take(4096).read_to_end(&mut text).ok()?;
        String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
    }
}

/// The text of `path`, at most `limit` bytes of it from its start.
pub(super) fn read_limited(path: &Path, limit: u64) -> String {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            tracing::error!(cause = os(&error), "the termination message is not read");
            String::new()
        }
    }
}
