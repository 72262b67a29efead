//! The agent's end of the socket: a [`Runtime`] whose containers live in another process.

use crate::wire::{self, PROTOCOL, Reply, Request, ToClient, ToServer};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{SinkExt, StreamExt};
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, ContainerState, Error, ExecOutcome, Runtime, Sandbox, Usage};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A holder answers `Hello` at once; one that does not within this time hangs.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// One connection to a holder. It does not reconnect: [`Remote::closed`] tells when it is over, and calls then fail.
/// Dropping the future of a call is safe: the holder finishes the call, the reply is ignored.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
    _tasks: Arc<DropGuard>,
}

struct Inner {
    path: PathBuf,
    name: &'static str,
    unavailable: Option<String>,
    next: AtomicU64,
    out: mpsc::UnboundedSender<Bytes>,
    waiting: Mutex<Waiting>,
    closed: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    calls: HashMap<u64, oneshot::Sender<Result<Reply, Error>>>,
    events: HashMap<u64, mpsc::UnboundedSender<ContainerState>>,
}

/// Whether a process listens at `path`. A holder that is there and cannot be spoken to is not one that is gone.
pub fn is_listening(path: &Path) -> bool {
    crate::socket::connect(path).is_ok()
}

impl Remote {
    /// Connects to the holder listening at `path`.
    ///
    /// # Errors
    /// `Runtime` when nobody listens, or what listens speaks another protocol.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |e: io::Error| Error::Runtime { operation: format!("connect to {}", path.display()), cause: e.to_string() };
        let (read, write) = crate::socket::connect(path).map_err(failed)?.into_split();
        let mut read = FramedRead::new(read, wire::codec());
        let mut write = FramedWrite::new(write, wire::codec());
        let hello = async {
            write.send(wire::encode(&ToServer::Hello { protocol: PROTOCOL })?).await?;
            let frame = read.next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
            match wire::decode(&frame)? {
                ToClient::Hello { protocol: PROTOCOL, runtime, unavailable } => Ok((runtime, unavailable)),
                ToClient::Hello { protocol, .. } => Err(io::Error::other(format!("the peer speaks protocol {protocol}, not {PROTOCOL}"))),
                _ => Err(io::Error::other("the peer did not say hello")),
            }
        };
        let (runtime, unavailable) =
            tokio::time::timeout(HANDSHAKE, hello).await.map_err(|_| failed(io::ErrorKind::TimedOut.into()))?.map_err(failed)?;

        let (out, mut queue) = mpsc::unbounded_channel::<Bytes>();
        let dropped = CancellationToken::new();
        let closed = CancellationToken::new();
        let name = match runtime.as_str() {
            "wasm" => "wasm",
            "oci" => "oci",
            _ => "remote",
        };
        let inner = Arc::new(Inner {
            path: path.to_owned(),
            name,
            unavailable,
            next: AtomicU64::new(1),
            out,
            waiting: Mutex::default(),
            closed: closed.clone(),
        });
        let end = dropped.clone();
        tokio::spawn(async move {
            while let Some(Some(frame)) = end.run_until_cancelled(queue.recv()).await {
                if write.send(frame).await.is_err() {
                    return;
                }
            }
        });
        let reader = inner.clone();
        let end = dropped.clone();
        tokio::spawn(async move {
            end.run_until_cancelled(reader.receive(read)).await;
            reader.close();
        });
        Ok(Self { inner, _tasks: Arc::new(dropped.drop_guard()) })
    }

    /// Resolves once the holder is gone (its process ended, or the connection broke).
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        self.inner.closed.clone().cancelled_owned()
    }

    pub fn is_closed(&self) -> bool {
        self.inner.closed.is_cancelled()
    }

    async fn call(&self, request: Request) -> Result<Reply, Error> {
        let operation = request.operation();
        let (sender, receiver) = oneshot::channel();
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let _entry = Entry { inner: &self.inner, id };
        self.inner.waiting().calls.insert(id, sender);
        self.inner.send(&ToServer::Call { id, request: Box::new(request) }, operation)?;
        // Closed in between: `close` has emptied the map before this entry was made.
        if self.is_closed() {
            self.inner.waiting().calls.remove(&id);
        }
        receiver.await.unwrap_or_else(|_| Err(self.inner.gone(operation)))
    }
}

/// Takes the entry of a call away when its future is dropped.
struct Entry<'a> {
    inner: &'a Inner,
    id: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.inner.waiting().calls.remove(&self.id);
    }
}

impl Inner {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self, operation: &str) -> Error {
        Error::Runtime { operation: operation.to_owned(), cause: format!("the process behind {} is gone", self.path.display()) }
    }

    fn send(&self, message: &ToServer, operation: &str) -> Result<(), Error> {
        let frame = wire::encode(message).map_err(|e| Error::Runtime { operation: operation.to_owned(), cause: e.to_string() })?;
        self.out.send(frame).map_err(|_| self.gone(operation))
    }

    async fn receive(&self, mut read: FramedRead<OwnedReadHalf, LengthDelimitedCodec>) {
        while let Some(Ok(frame)) = read.next().await {
            match wire::decode(&frame) {
                Ok(ToClient::Reply { id, result }) => {
                    let waiting = self.waiting().calls.remove(&id);
                    if let Some(sender) = waiting {
                        // The caller may have given up; the entry of an event stream stays.
                        drop(sender.send(result));
                    }
                }
                Ok(ToClient::Event { id, state }) => {
                    let mut waiting = self.waiting();
                    if waiting.events.get(&id).is_some_and(|sender| sender.send(state).is_err()) {
                        waiting.events.remove(&id);
                    }
                }
                Ok(ToClient::Hello { .. }) => {}
                Err(error) => {
                    tracing::error!(%error, socket = %self.path.display(), "message that cannot be read");
                    return;
                }
            }
        }
    }

    fn close(&self) {
        self.closed.cancel();
        let mut waiting = self.waiting();
        waiting.calls.clear();
        waiting.events.clear();
    }
}

/// Ends the subscription at the holder when the stream is dropped.
struct Subscription {
    remote: Remote,
    id: u64,
    items: mpsc::UnboundedReceiver<ContainerState>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.remote.inner.waiting().events.remove(&self.id);
        if !self.remote.is_closed() {
            drop(self.remote.inner.send(&ToServer::Cancel { id: self.id }, "cancel"));
        }
    }
}

fn unexpected(operation: &str) -> Error {
    Error::Runtime { operation: operation.to_owned(), cause: "the peer's reply is of another kind".to_owned() }
}

#[async_trait]
impl Runtime for Remote {
    fn name(&self) -> &'static str {
        self.inner.name
    }

    fn unavailable(&self) -> Option<String> {
        self.inner.unavailable.clone()
    }

    async fn start(&self, sandbox: &Sandbox, container: &Container) -> Result<ContainerState, Error> {
        match self.call(Request::Start { sandbox: Box::new(sandbox.clone()), container: Box::new(container.clone()) }).await? {
            Reply::State(state) => Ok(state),
            _ => Err(unexpected("start")),
        }
    }

    async fn stop(&self, id: &ContainerId, grace_seconds: u64) -> Result<ContainerState, Error> {
        match self.call(Request::Stop { id: id.clone(), grace_seconds }).await? {
            Reply::State(state) => Ok(state),
            _ => Err(unexpected("stop")),
        }
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        self.call(Request::Remove { id: id.clone() }).await.map(drop)
    }

    async fn remove_pod(&self, pod: &PodRef) -> Result<(), Error> {
        self.call(Request::RemovePod { pod: pod.clone() }).await.map(drop)
    }

    async fn exec(&self, id: &ContainerId, command: &[String], timeout_seconds: u64) -> Result<ExecOutcome, Error> {
        match self.call(Request::Exec { id: id.clone(), command: command.to_vec(), timeout_seconds }).await? {
            Reply::Outcome(outcome) => Ok(outcome),
            _ => Err(unexpected("exec")),
        }
    }

    async fn list(&self) -> Result<Vec<ContainerState>, Error> {
        match self.call(Request::List).await? {
            Reply::States(states) => Ok(states),
            _ => Err(unexpected("list")),
        }
    }

    async fn usage(&self) -> Result<Vec<Usage>, Error> {
        match self.call(Request::Usage).await? {
            Reply::Usages(usages) => Ok(usages),
            _ => Err(unexpected("usage")),
        }
    }

    async fn events(&self) -> Result<BoxStream<'static, ContainerState>, Error> {
        let (sender, items) = mpsc::unbounded_channel();
        let (reply, replied) = oneshot::channel();
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let _entry = Entry { inner: &self.inner, id };
        {
            let mut waiting = self.inner.waiting();
            waiting.events.insert(id, sender);
            waiting.calls.insert(id, reply);
        }
        let subscription = Subscription { remote: self.clone(), id, items };
        self.inner.send(&ToServer::Call { id, request: Box::new(Request::Events) }, "events")?;
        if self.is_closed() {
            return Err(self.inner.gone("events"));
        }
        replied.await.unwrap_or_else(|_| Err(self.inner.gone("events")))?;
        Ok(futures::stream::unfold(subscription, async |mut subscription| {
            subscription.items.recv().await.map(|state| (state, subscription))
        })
        .boxed())
    }
}
