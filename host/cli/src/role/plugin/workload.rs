//! A workload that is tried: its component runs as a container does, by the node's own runtime, with the network of this process and
//! an address of its own. A case gives
//!
//! - `args`, `env` and `files` (texts by their path in the container), over what the Pod has;
//! - for `wasi:http` a `request` (`method`, `path`, `headers`, `body`); it answers `status`, `headers`, `body`;
//! - for a command `timeoutSeconds` (10); it answers `exitCode`, and `files` that are new or changed.
//!
//! Both answer `stdout` and `stderr`, line by line.

mod container;
mod output;

use super::asks::headers;
use super::cases::Case;
use anyhow::{Context, Result, anyhow, bail};
use author::component;
use author::contract::base;
use bytes::Bytes;
use container::{container, files, pod_spec};
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, Mount, Phase, Runtime, Sandbox};
use object::{Object, Value, json};
use output::written;
use serde_json::Map;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wasm::host::WasmRuntime;

/// Threads of the guest: cases come one at a time.
const THREADS: usize = 2;

/// Where the runtime serves a component whose Pod declares no port.
const DEFAULT_PORT: u16 = 8080;

/// A command that does not say otherwise has ended after so many seconds.
const TIMEOUT_SECONDS: u64 = 10;

/// Time for requests under way when a service is stopped.
const GRACE_SECONDS: u64 = 5;

/// A component to try, and the container that its Pod makes of it.
pub struct Subject {
    pub component: PathBuf,
    digest: String,
    /// It is served, not run to its end.
    serves: bool,
    pod: String,
    container: Value,
    grants: Vec<String>,
}

impl Subject {
    /// The first container of the first of `objects` that has a pod's spec.
    ///
    /// # Errors
    /// There is none; the component cannot be read, or is no workload.
    pub fn of(objects: &[Object], component: PathBuf) -> Result<Self> {
        let found = objects.iter().find_map(|object| Some((object, pod_spec(object)?)));
        let (object, spec) = found.context("the manifest has neither a WasmPlugin nor a Pod, or something that makes Pods")?;
        let container = spec.pointer("/containers/0").cloned().unwrap_or_default();
        let bytes = super::read(&component)?;
        let described = component::describe(&bytes, &component.display().to_string())?;
        let exports = |name: &str| described.exports.iter().any(|export| base(export) == name);
        let serves = exports("wasi:http/incoming-handler");
        if !serves && !exports("wasi:cli/run") {
            bail!("{} is no workload: it exports neither wasi:http/incoming-handler nor wasi:cli/run", component.display());
        }
        let grants = object.annotation("coracle.dev/grants").unwrap_or_default();
        let grants = grants.split(',').map(str::trim).filter(|grant| !grant.is_empty()).map(str::to_owned).collect();
        Ok(Self { component, digest: image::digest_of(&bytes), serves, pod: object.name().to_owned(), container, grants })
    }
}

/// A component in the surroundings of one case. A service runs from here to [`Trial::end`].
pub struct Trial<'a> {
    subject: &'a Subject,
    runtime: WasmRuntime,
    folder: TempDir,
    sandbox: Sandbox,
    container: Container,
    /// Directories of the container, with what the case put there.
    mounts: BTreeMap<PathBuf, PathBuf>,
    given: BTreeMap<PathBuf, String>,
    runs: AtomicU32,
    /// How long it took until it could be asked.
    pub prepared_in: Duration,
}

impl<'a> Trial<'a> {
    /// # Errors
    /// The case makes no sense, or the component does not start.
    pub async fn make(subject: &'a Subject, cache: &Path, case: &Case) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let begin = Instant::now();
        let runtime = WasmRuntime::new(&cache.join("code"), THREADS)?;
        let sandbox = Sandbox {
            pod: PodRef { namespace: "default".to_owned(), name: subject.pod.clone(), uid: "uid".to_owned() },
            hostname: subject.pod.clone(),
            addresses: vec![address()],
            state_dir: folder.path().join("state"),
            ..Sandbox::default()
        };
        let given = files(case)?;
        let mut trial = Self {
            subject,
            runtime,
            container: container(subject, case)?,
            mounts: BTreeMap::new(),
            given,
            sandbox,
            folder,
            runs: AtomicU32::new(0),
            prepared_in: Duration::ZERO,
        };
        trial.mount()?;
        if subject.serves {
            let container = trial.numbered(0);
            trial.runtime.start(&trial.sandbox, &container).await.map_err(|error| anyhow!("it does not start: {error}"))?;
        }
        trial.prepared_in = begin.elapsed();
        Ok(trial)
    }

    /// # Errors
    /// The case makes no sense. That the component failed is an answer.
    pub async fn ask(&self, case: &Case) -> Result<Map<String, Value>> {
        if self.subject.serves { self.request(case).await } else { self.run(case).await }
    }

    /// Stops a service, and adds what it wrote to its answer.
    ///
    /// # Errors
    /// It cannot be stopped, or its log cannot be read.
    pub async fn end(&self, answer: &mut Map<String, Value>) -> Result<()> {
        if self.subject.serves {
            let container = self.numbered(0);
            self.runtime.stop(&self.id(0), GRACE_SECONDS).await?;
            written(&container.log_path, answer)?;
        }
        Ok(())
    }

    /// Of the running service, in bytes.
    pub async fn memory_bytes(&self) -> u64 {
        self.runtime.usage().await.unwrap_or_default().iter().map(|usage| usage.memory_bytes).sum()
    }

    fn id(&self, attempt: u32) -> ContainerId {
        ContainerId { pod_uid: self.sandbox.pod.uid.clone(), name: self.container.name.clone(), attempt }
    }

    fn numbered(&self, attempt: u32) -> Container {
        let log_path = self.folder.path().join(format!("{attempt}.log"));
        Container { attempt, log_path, ..self.container.clone() }
    }

    /// Makes the directories that the Pod or the case's files need.
    fn mount(&mut self) -> Result<()> {
        let mounts = self.subject.container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
        let mut targets: Vec<PathBuf> = mounts.filter_map(|mount| mount.get("mountPath")?.as_str().map(PathBuf::from)).collect();
        for path in self.given.keys() {
            let parent = path.parent().filter(|parent| parent.parent().is_some());
            let parent = parent.with_context(|| format!("file {}: its path is not below a directory of the container", path.display()))?;
            if !targets.iter().any(|target| path.starts_with(target)) {
                targets.push(parent.to_owned());
            }
        }
        for (number, target) in targets.into_iter().enumerate() {
            let source = self.folder.path().join(format!("mount-{number}"));
            std::fs::create_dir_all(&source)?;
            self.container.mounts.push(Mount { source: source.clone(), target: target.clone(), ..Mount::default() });
            self.mounts.insert(target, source);
        }
        for (path, text) in &self.given {
            let Some(place) = self.mounts.iter().find_map(|(target, source)| Some(source.join(path.strip_prefix(target).ok()?))) else {
                continue;
            };
            place.parent().map(std::fs::create_dir_all).transpose()?;
            std::fs::write(&place, text).with_context(|| format!("cannot write {}", place.display()))?;
        }
        Ok(())
    }

    async fn run(&self, case: &Case) -> Result<Map<String, Value>> {
        let attempt = self.runs.fetch_add(1, Ordering::Relaxed);
        let (id, container) = (self.id(attempt), self.numbered(attempt));
        let seconds = case.given.get("timeoutSeconds").and_then(Value::as_u64).unwrap_or(TIMEOUT_SECONDS);
        let mut events = self.runtime.events().await?;
        let mut answer = Map::new();
        if let Err(error) = self.runtime.start(&self.sandbox, &container).await {
            answer.insert("error".to_owned(), json!(error.to_string()));
            return Ok(answer);
        }
        let ended = async { while events.next().await.is_some_and(|state| state.id != id || state.phase != Phase::Exited) {} };
        if tokio::time::timeout(Duration::from_secs(seconds), ended).await.is_err() {
            answer.insert("error".to_owned(), json!(format!("it still ran after {seconds} s")));
        }
        // Of a command that has ended: its last state.
        let state = self.runtime.stop(&id, 0).await?;
        written(&container.log_path, &mut answer)?;
        self.runtime.remove(&id).await?;
        answer.insert("exitCode".to_owned(), json!(state.exit_code));
        if !["Completed", "Error"].contains(&state.reason.as_str()) {
            answer.insert("reason".to_owned(), json!(state.reason));
        }
        let mut changed = Map::new();
        for (target, source) in &self.mounts {
            self.changed(target, source, &mut changed)?;
        }
        if !changed.is_empty() {
            answer.insert("files".to_owned(), Value::Object(changed));
        }
        Ok(answer)
    }

    /// Files below `source` that are not as the case put them there.
    fn changed(&self, target: &Path, source: &Path, changed: &mut Map<String, Value>) -> Result<()> {
        for entry in std::fs::read_dir(source)?.flatten() {
            let (path, place) = (target.join(entry.file_name()), entry.path());
            if place.is_dir() {
                self.changed(&path, &place, changed)?;
                continue;
            }
            let text = String::from_utf8_lossy(&super::read(&place)?).into_owned();
            if self.given.get(&path) != Some(&text) {
                changed.insert(path.display().to_string(), json!(text));
            }
        }
        Ok(())
    }

    async fn request(&self, case: &Case) -> Result<Map<String, Value>> {
        let given = case.given.get("request").with_context(|| format!("{}: it has no `request`", case.name))?;
        let text = |key: &str, default: &str| given.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
        let mut request = hyper::Request::builder().method(text("method", "GET").as_str()).uri(text("path", "/"));
        request = request.header("host", text("authority", &self.subject.pod));
        for (name, value) in given.get("headers").and_then(Value::as_object).into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        let body = Full::new(Bytes::from(text("body", "")));
        let request = request.body(body).with_context(|| format!("{}: `request`", case.name))?;
        match self.response(request).await {
            Ok(answer) => Ok(answer),
            Err(error) => Ok(Map::from_iter([("error".to_owned(), json!(format!("{error:#}")))])),
        }
    }

    async fn response(&self, request: hyper::Request<Full<Bytes>>) -> Result<Map<String, Value>> {
        /// Of the connection, and of the moment.
        const LEFT_OUT: [&str; 4] = ["connection", "content-length", "date", "transfer-encoding"];
        let address = self.sandbox.addresses.first().copied().unwrap_or(Ipv4Addr::LOCALHOST.into());
        let port = self.container.ports.first().copied().unwrap_or(DEFAULT_PORT);
        let stream = tokio::net::TcpStream::connect((address, port)).await.context("cannot connect to the component")?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with its sender.
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.context("it gave no response")?.into_parts();
        let body = body.collect().await.context("its response broke off")?.to_bytes();
        drop(sender);
        connection.await.context("the connection")??;
        let kept = head.headers.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
        let headers = headers(kept.map(|(name, value)| (name.as_str(), value.as_bytes())));
        let answer = json!({"status": head.status.as_u16(), "headers": headers, "body": String::from_utf8_lossy(&body)});
        Ok(answer.as_object().cloned().unwrap_or_default())
    }
}

/// A loopback address for this process: two that run at once have ports of their own. As of pods of an unprivileged node.
fn address() -> IpAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (a & 63), b, c.clamp(2, 254)).into()
}
