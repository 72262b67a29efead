//! Both ends of the socket, around a runtime that only remembers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, ContainerState, Error, ExecOutcome, Phase, Runtime, Sandbox, Usage};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_util::sync::CancellationToken;
use workload::events::Events;
use workload::remote::Remote;
use workload::server;

#[derive(Default)]
struct Memory {
    events: Events<ContainerState>,
    /// `stop` waits for it.
    release: tokio::sync::Notify,
    stopped: AtomicU32,
}

#[async_trait]
impl Runtime for Memory {
    fn name(&self) -> &'static str {
        "oci"
    }
    fn unavailable(&self) -> Option<String> {
        Some("of paper".to_owned())
    }
    async fn start(&self, _: &Sandbox, container: &Container) -> Result<ContainerState, Error> {
        if container.args.is_empty() {
            return Err(Error::Create { message: "no command specified".to_owned() });
        }
        let id = ContainerId { name: container.name.clone(), ..Default::default() };
        let state = ContainerState { id, phase: Phase::Running, ..Default::default() };
        self.events.send(&state);
        Ok(state)
    }
    async fn stop(&self, id: &ContainerId, _: u64) -> Result<ContainerState, Error> {
        self.release.notified().await;
        self.stopped.fetch_add(1, Ordering::SeqCst);
        Ok(ContainerState { id: id.clone(), phase: Phase::Exited, ..Default::default() })
    }
    async fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        Err(Error::NotFound { name: id.name.clone() })
    }
    async fn remove_pod(&self, _: &PodRef) -> Result<(), Error> {
        Ok(())
    }
    async fn exec(&self, _: &ContainerId, command: &[String], _: u64) -> Result<ExecOutcome, Error> {
        Ok(ExecOutcome { exit_code: 1, output: command.join(" ") })
    }
    async fn list(&self) -> Result<Vec<ContainerState>, Error> {
        Ok(vec![ContainerState::default(); 1000])
    }
    async fn usage(&self) -> Result<Vec<Usage>, Error> {
        Ok(vec![Usage::default()])
    }
    async fn events(&self) -> Result<BoxStream<'static, ContainerState>, Error> {
        Ok(self.events.subscribe())
    }
}

struct Holder {
    memory: Arc<Memory>,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn serve(path: &Path) -> Holder {
    let (memory, shutdown) = (Arc::new(Memory::default()), CancellationToken::new());
    let served = tokio::spawn(server::serve(server::bind(path).unwrap(), memory.clone(), shutdown.clone()));
    Holder { memory, shutdown, served }
}

fn container(args: &[&str]) -> Container {
    Container { name: "c".to_owned(), args: args.iter().map(|a| (*a).to_owned()).collect(), ..Default::default() }
}

#[tokio::test]
async fn calls_go_there_and_back() {
    let directory = tempfile::tempdir().unwrap();
    // Longer than an address holds.
    let directory = directory.path().join("d".repeat(120));
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("s.sock");
    let holder = serve(&path);
    let remote = Remote::connect(&path).await.unwrap();
    assert_eq!((remote.name(), remote.unavailable().as_deref()), ("oci", Some("of paper")));
    let mut events = remote.events().await.unwrap();
    let state = remote.start(&Sandbox::default(), &container(&["a"])).await.unwrap();
    assert_eq!(state.phase, Phase::Running);
    assert_eq!(events.next().await.unwrap(), state);
    let error = remote.start(&Sandbox::default(), &container(&[])).await.unwrap_err();
    assert_eq!(error, Error::Create { message: "no command specified".to_owned() });
    assert_eq!(remote.remove(&state.id).await.unwrap_err(), Error::NotFound { name: "c".to_owned() });
    assert_eq!(remote.exec(&state.id, &["x".to_owned(), "y".to_owned()], 1).await.unwrap().output, "x y");
    assert_eq!(remote.list().await.unwrap().len(), 1000);
    assert_eq!(remote.usage().await.unwrap().len(), 1);
    remote.remove_pod(&PodRef::default()).await.unwrap();
    // A call that takes long holds up no other, and one that is given up goes on.
    let slow = {
        tokio::spawn({
            let (remote, id) = (remote.clone(), state.id.clone());
            async move { remote.stop(&id, 0).await }
        })
    };
    assert_eq!(remote.usage().await.unwrap().len(), 1);
    slow.abort();
    assert!(slow.await.unwrap_err().is_cancelled());
    holder.memory.release.notify_one();
    while holder.memory.stopped.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    drop(events);
    assert_eq!(remote.list().await.unwrap().len(), 1000);
    holder.shutdown.cancel();
    holder.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_of_the_holder_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.sock");
    let holder = serve(&path);
    let remote = Remote::connect(&path).await.unwrap();
    let mut events = remote.events().await.unwrap();
    let waiting = tokio::spawn({
        let remote = remote.clone();
        async move { remote.stop(&ContainerId::default(), 0).await }
    });
    assert_eq!(remote.usage().await.unwrap().len(), 1);
    holder.shutdown.cancel();
    holder.served.await.unwrap().unwrap();
    remote.closed().await;
    assert!(events.next().await.is_none());
    assert!(matches!(waiting.await.unwrap(), Err(Error::Runtime { operation, .. }) if operation == "stop"));
    assert!(matches!(remote.list().await, Err(Error::Runtime { .. })));
    assert!(remote.events().await.is_err());
    // A new holder takes the place of the socket that is left.
    let holder = serve(&path);
    assert!(Remote::connect(&path).await.unwrap().list().await.is_ok());
    holder.shutdown.cancel();
}

#[tokio::test]
async fn another_protocol_is_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let peer = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let hello = br#"{"hello":{"protocol":99,"runtime":"oci","unavailable":null}}"#;
            // The first one only looks whether somebody listens.
            stream.write_all(&u32::try_from(hello.len()).unwrap().to_be_bytes()).await.ok();
            stream.write_all(hello).await.ok();
            stream.read_to_end(&mut Vec::new()).await.ok();
        }
    });
    assert!(workload::remote::is_listening(&path));
    let error = Remote::connect(&path).await.err().unwrap().to_string();
    assert!(error.ends_with("the peer speaks protocol 99, not 1"), "{error}");
    peer.abort();
    assert!(peer.await.is_err_and(|e| e.is_cancelled()));
    assert!(!workload::remote::is_listening(&path));
    assert!(Remote::connect(directory.path().join("none")).await.is_err());
}
