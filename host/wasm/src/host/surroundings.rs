//! What a container's instances have around them, made once and given to each: arguments, environment, directories, log,
//! network. A guest has no root file system: it sees its mounts, and the directory of its termination message.
//!
//! Files are opened when the first instance needs them: an idle service holds one descriptor, its listener, and 10,000 of them
//! fit into the 20,000 that some systems give.

use super::authorities;
use crate::capabilities::workload::Workload;
use crate::dns::Resolver;
use crate::keyvalue::{Access, Directory, Memory};
use crate::network::Network;
use bytes::Bytes;
use interfaces::workload::{Container, Error, Mount, Sandbox};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};
use workload::log::{LineWriter, LogWriter, Rotation, Stream};

/// `MaxContainerTerminationMessageLength`.
const TERMINATION_MESSAGE: usize = 4096;

/// Bytes that a guest may write at once; a CRI line is at most 16 KiB, and the log is the page cache.
const WRITE_PERMIT: usize = 64 << 10;

pub struct Surroundings {
    pub network: Network,
    pub workload: Workload,
    args: Vec<String>,
    env: Vec<(String, String)>,
    working_dir: String,
    directories: Vec<Preopen>,
    filesystem: OnceLock<WasiFilesystemCtx>,
    log: Arc<Log>,
    /// Where the guest's termination message arrives, and a file that the agent mounted for it.
    message: Option<(PathBuf, Option<PathBuf>)>,
    /// Private to this run; removed with it.
    directory: PathBuf,
}

impl Surroundings {
    /// # Errors
    /// `Create`: a mount that does not exist or cannot be made, a log that cannot be opened.
    pub fn new(sandbox: &Sandbox, container: &Container, memory: Arc<Memory>) -> Result<Self, Error> {
        let failed = |what: &str, cause: &dyn std::fmt::Display| Error::Create { message: format!("{what}: {cause}") };
        let hosts = sandbox.etc.iter().find(|mount| mount.target == Path::new("/etc/hosts")).map(|mount| mount.source.clone());
        let network = Network::of_pod(sandbox.netns.as_deref(), Resolver::new(&sandbox.dns, hosts))
            .map_err(|e| failed("cannot open the pod's network namespace", &e))?;
        // Made now, so that it can be read; opened again by the first line.
        drop(LogWriter::open(&container.log_path, Rotation::default()).map_err(|e| failed("cannot open the log", &e))?);
        let directory = sandbox.state_dir.join("wasm").join(format!("{}-{}", container.name, container.attempt));
        let mut env = container.env.clone();
        if !sandbox.hostname.is_empty() && !env.iter().any(|(name, _)| name == "HOSTNAME") {
            env.push(("HOSTNAME".to_owned(), sandbox.hostname.clone()));
        }
        let mut directories = Directories { private: &directory, mounts: BTreeMap::new() };
        let mut mounted_message = None;
        for mount in &container.mounts {
            if mount.target == Path::new(&container.termination_message_path) {
                mounted_message = Some(mount.source.clone());
            } else {
                directories.add(mount).map_err(|e| failed(&format!("cannot mount {}", mount.target.display()), &e))?;
            }
        }
        let authorities = env.iter().find(|(name, _)| name == authorities::VARIABLE).map(|(_, path)| path.clone());
        let trust = |path: &String| {
            let read = authorities::read(Path::new(path), &container.mounts).and_then(|pem| network.clone().trusting(&pem));
            read.map_err(|error| format!("{} {path}: {error}", authorities::VARIABLE))
        };
        let (network, untrusted) = match authorities.as_ref().map(trust) {
            Some(Ok(network)) => (network, None),
            Some(Err(complaint)) => (network, Some(complaint)),
            None => (network, None),
        };
        let message = directories
            .termination_message(Path::new(&container.termination_message_path))
            .map_err(|e| failed("cannot make the termination message's directory", &e))?
            .map(|path| (path, mounted_message));
        let directories = directories.finish();
        let mounted = |d: &Preopen| Directory { source: d.source.clone(), target: d.target.clone(), writable: d.writable };
        let access = Access { memory, directories: directories.iter().map(mounted).collect() };
        let workload = Workload { environment: Arc::new(env.clone()), keyvalue: Arc::new(access) };
        // What cannot be mounted is told now.
        drop(open(&directories)?);
        let surroundings = Self {
            network,
            workload,
            args: container.args.clone(),
            env,
            working_dir: container.working_dir.clone(),
            directories,
            filesystem: OnceLock::new(),
            log: Arc::new(Log { path: container.log_path.clone(), writer: OnceLock::new() }),
            message,
            directory,
        };
        // The public authorities stay: what cannot be trusted fails when it is asked.
        if let Some(complaint) = untrusted {
            surroundings.complain(&complaint);
        }
        Ok(surroundings)
    }

    /// A fresh context over the same things.
    pub fn wasi(&self) -> WasiCtx {
        let mut builder = WasiCtxBuilder::new();
        builder.args(&self.args).envs(&self.env).stdout(self.output(Stream::Stdout)).stderr(self.output(Stream::Stderr));
        if !self.working_dir.is_empty() {
            builder.initial_cwd(&self.working_dir);
        }
        builder.inherit_network().allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true);
        let mut wasi = builder.build();
        let opened = || {
            open(&self.directories).unwrap_or_else(|error| {
                self.complain(&error.to_string());
                WasiFilesystemCtx::default()
            })
        };
        *wasi.filesystem() = self.filesystem.get_or_init(opened).clone();
        wasi
    }

    fn output(&self, stream: Stream) -> Output {
        Output { log: self.log.clone(), stream, lines: Arc::default() }
    }

    /// A line of ours in the container's log.
    pub fn complain(&self, text: &str) {
        self.output(Stream::Stderr).put(format!("{}\n", text.trim_end()).as_bytes());
    }

    /// What the guest left as its termination message.
    pub fn termination_message(&self) -> Option<String> {
        let (path, mounted) = self.message.as_ref()?;
        let mut bytes = std::fs::read(path).ok().filter(|bytes| !bytes.is_empty())?;
        bytes.truncate(TERMINATION_MESSAGE);
        if let Some(mounted) = mounted
            && let Err(error) = std::fs::write(mounted, &bytes)
        {
            tracing::warn!(%error, path = %mounted.display(), "termination message is not handed over");
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Removes what was private to the run.
    pub fn clean(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.directory.display(), "a container's directory stays");
        }
    }
}

/// Guest path → (directory of the node, writable).
struct Directories<'a> {
    private: &'a Path,
    mounts: BTreeMap<PathBuf, (PathBuf, bool)>,
}

impl Directories<'_> {
    fn add(&mut self, mount: &Mount) -> io::Result<()> {
        if mount.fs_type == "tmpfs" {
            let directory = self.make(&mount.target)?;
            self.mounts.insert(mount.target.clone(), (directory, !mount.read_only));
            return Ok(());
        }
        if std::fs::metadata(&mount.source)?.is_dir() {
            self.mounts.insert(mount.target.clone(), (mount.source.clone(), !mount.read_only));
            return Ok(());
        }
        // WASI mounts directories only. A single file (`subPath`) is copied: Kubernetes does not update those either.
        let (Some(parent), Some(name)) = (mount.target.parent(), mount.target.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let directory = self.make(parent)?;
        if self.mounts.get(parent).is_some_and(|(mounted, _)| *mounted != directory) {
            return Err(io::Error::other("a single file inside another mount is not possible for wasm"));
        }
        std::fs::copy(&mount.source, directory.join(name))?;
        self.mounts.insert(parent.to_owned(), (directory, !mount.read_only));
        Ok(())
    }

    /// A directory of this run for guest path `target`, the same one each time.
    fn make(&self, target: &Path) -> io::Result<PathBuf> {
        let name: String = target.to_string_lossy().bytes().map(|b| if b.is_ascii_alphanumeric() { b as char } else { '_' }).collect();
        let directory = self.private.join(name);
        std::fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    /// Where the message at guest path `path` arrives on the node: in the mount that covers it, else in a directory made for it.
    fn termination_message(&mut self, path: &Path) -> io::Result<Option<PathBuf>> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let covering = path.ancestors().skip(1).find_map(|above| self.mounts.get(above).map(|(directory, _)| (above, directory)));
        if let Some((above, directory)) = covering {
            return Ok(path.strip_prefix(above).ok().map(|rest| directory.join(rest)));
        }
        let directory = self.make(parent)?;
        self.mounts.insert(parent.to_owned(), (directory.clone(), true));
        Ok(Some(directory.join(name)))
    }

    fn finish(self) -> Vec<Preopen> {
        let preopen = |(target, (source, writable))| Preopen { source, target, writable };
        self.mounts.into_iter().map(preopen).collect()
    }
}

struct Preopen {
    source: PathBuf,
    target: PathBuf,
    writable: bool,
}

fn open(directories: &[Preopen]) -> Result<WasiFilesystemCtx, Error> {
    let mut builder = WasiCtxBuilder::new();
    for Preopen { source, target, writable } in directories {
        let perms = if *writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder
            .preopened_dir(source, target.to_string_lossy(), perms)
            .map_err(|error| Error::Create { message: format!("cannot mount {} at {}: {error:#}", source.display(), target.display()) })?;
    }
    Ok(builder.build().filesystem().clone())
}

/// The log file, opened by the first line.
struct Log {
    path: PathBuf,
    writer: OnceLock<LogWriter>,
}

impl Log {
    fn writer(&self) -> io::Result<&LogWriter> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let writer = LogWriter::open(&self.path, Rotation::default())?;
        Ok(self.writer.get_or_init(|| writer))
    }
}

/// A standard stream into the log. What follows the last newline is written when the guest is gone.
#[derive(Clone)]
struct Output {
    log: Arc<Log>,
    stream: Stream,
    lines: Arc<Mutex<Option<LineWriter>>>,
}

impl Output {
    /// A log that cannot be written loses lines; the guest goes on, as a container behind a pipe would.
    fn put(&self, bytes: &[u8]) {
        let mut lines = self.lines.lock();
        let written = match &mut *lines {
            Some(lines) => lines.write(bytes),
            None => self.log.writer().and_then(|log| lines.insert(log.stream(self.stream)).write(bytes)),
        };
        if let Err(error) = written {
            tracing::debug!(%error, path = %self.log.path.display(), "log lines are lost");
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
