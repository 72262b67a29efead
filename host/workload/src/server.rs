//! The holder's end of the socket: any number of agents, calls of each served at the same time.

use crate::wire::{self, PROTOCOL, Reply, Request, ToClient, ToServer};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use interfaces::workload::{Error, Runtime};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A listener at `path`, mode 0600; a stale socket there is replaced. Needs a running tokio runtime.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    UnixListener::from_std(bind_std(path)?)
}

/// [`bind`] for a listener that is passed to another process: whoever connects before that one serves is kept waiting.
pub fn bind_std(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    crate::socket::bind(path)
}

/// Serves `runtime` until `shutdown` is cancelled. Calls outlive the connection they came by, and are cut off by `shutdown`.
pub async fn serve(listener: UnixListener, runtime: Arc<dyn Runtime>, shutdown: CancellationToken) -> io::Result<()> {
    let tasks = TaskTracker::new();
    let outcome = loop {
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let connection = Connection { runtime: runtime.clone(), tasks: tasks.clone(), shutdown: shutdown.clone() };
                    tasks.spawn(async move {
                        if let Err(error) = connection.run(stream).await {
                            tracing::debug!(%error, "workload connection ended");
                        }
                    });
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
                Err(e) => break Err(e),
            },
        }
    };
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    outcome
}

struct Connection {
    runtime: Arc<dyn Runtime>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Connection {
    async fn run(self, stream: UnixStream) -> io::Result<()> {
        let (read, write) = stream.into_split();
        let mut read = FramedRead::new(read, wire::codec());
        let mut write = FramedWrite::new(write, wire::codec());
        let hello =
            ToClient::Hello { protocol: PROTOCOL, runtime: self.runtime.name().to_owned(), unavailable: self.runtime.unavailable() };
        write.send(wire::encode(&hello)?).await?;

        let (out, mut queue) = mpsc::unbounded_channel::<Bytes>();
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            while let Some(Some(frame)) = shutdown.run_until_cancelled(queue.recv()).await {
                if write.send(frame).await.is_err() {
                    return;
                }
            }
            // The reply to the call that led to the shutdown still goes out.
            while let Ok(frame) = queue.try_recv() {
                if write.send(frame).await.is_err() {
                    return;
                }
            }
        });

        let gone = CancellationToken::new();
        let _gone = gone.clone().drop_guard();
        let mut subscriptions = HashMap::new();
        while let Some(Some(frame)) = self.shutdown.run_until_cancelled(read.next()).await {
            match wire::decode(&frame?)? {
                ToServer::Hello { protocol } if protocol == PROTOCOL => {}
                ToServer::Hello { protocol } => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the peer speaks protocol {protocol}, not {PROTOCOL}")));
                }
                ToServer::Cancel { id } => drop(subscriptions.remove(&id)),
                ToServer::Call { id, request } => {
                    let end = if matches!(*request, Request::Events) {
                        let end = gone.child_token();
                        subscriptions.insert(id, end.clone().drop_guard());
                        end
                    } else {
                        CancellationToken::new()
                    };
                    self.spawn(id, *request, end, out.clone());
                }
            }
        }
        Ok(())
    }

    fn spawn(&self, id: u64, request: Request, end: CancellationToken, out: mpsc::UnboundedSender<Bytes>) {
        let runtime = self.runtime.clone();
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            let work = async {
                if matches!(request, Request::Events) {
                    events(id, &*runtime, &out).await;
                } else {
                    let result = call(&*runtime, request).await;
                    send(&out, &ToClient::Reply { id, result });
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = end.cancelled() => {}
                () = work => {}
            }
        });
    }
}

async fn call(runtime: &dyn Runtime, request: Request) -> Result<Reply, Error> {
    Ok(match request {
        Request::Start { sandbox, container } => Reply::State(runtime.start(&sandbox, &container).await?),
        Request::Stop { id, grace_seconds } => Reply::State(runtime.stop(&id, grace_seconds).await?),
        Request::Remove { id } => {
            runtime.remove(&id).await?;
            Reply::Done
        }
        Request::RemovePod { pod } => {
            runtime.remove_pod(&pod).await?;
            Reply::Done
        }
        Request::Exec { id, command, timeout_seconds } => Reply::Outcome(runtime.exec(&id, &command, timeout_seconds).await?),
        Request::List => Reply::States(runtime.list().await?),
        Request::Usage => Reply::Usages(runtime.usage().await?),
        Request::Events => Reply::Subscribed,
    })
}

async fn events(id: u64, runtime: &dyn Runtime, out: &mpsc::UnboundedSender<Bytes>) {
    let mut stream = match runtime.events().await {
        Ok(stream) => stream,
        Err(error) => return send(out, &ToClient::Reply { id, result: Err(error) }),
    };
    send(out, &ToClient::Reply { id, result: Ok(Reply::Subscribed) });
    while let Some(state) = stream.next().await {
        send(out, &ToClient::Event { id, state });
    }
}

/// A peer that is gone needs no answer.
fn send(out: &mpsc::UnboundedSender<Bytes>, message: &ToClient) {
    match wire::encode(message) {
        Ok(frame) => drop(out.send(frame)),
        Err(error) => tracing::error!(%error, "cannot encode a reply"),
    }
}
