//! Guests, sandboxes and network namespaces for the tests.
#![allow(dead_code)] // Each test file uses its part.
#![allow(clippy::unwrap_used)] // A test helper fails the test.

use interfaces::network::{DnsConfig, PodRef};
use interfaces::workload::{Container, ContainerId, ContainerState, ImageSource, Phase, Runtime, Sandbox};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use wasm::host::WasmRuntime;

/// A command whose `run` is `body`, which leaves 0 (ok) or 1 (error).
pub fn command(body: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $e (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $e)))"#
    )
}

/// A component built from `tests/guests`, if it was built: in the workspace's target directory.
pub fn built(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../guests").join(format!("{name}.wasm"));
    if !path.exists() {
        eprintln!("skipped: {} is not built (cargo xtask guests)", path.display());
        return None;
    }
    Some(path)
}

pub struct Node {
    pub directory: tempfile::TempDir,
    pub runtime: WasmRuntime,
}

impl Node {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = WasmRuntime::new(&directory.path().join("cache"), 2).unwrap();
        Self { directory, runtime }
    }

    pub fn sandbox(&self, uid: &str) -> Sandbox {
        Sandbox {
            pod: PodRef { namespace: "shop".to_owned(), name: uid.to_owned(), uid: uid.to_owned() },
            hostname: uid.to_owned(),
            state_dir: self.directory.path().join("pods").join(uid),
            ..Sandbox::default()
        }
    }

    /// A component from text.
    pub fn text(&self, text: &str) -> ImageSource {
        let bytes = wat::parse_str(text).unwrap();
        self.file(&bytes)
    }

    pub fn file(&self, bytes: &[u8]) -> ImageSource {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hash = DefaultHasher::new();
        bytes.hash(&mut hash);
        let path = self.directory.path().join(format!("{:x}.wasm", hash.finish()));
        std::fs::write(&path, bytes).unwrap();
        ImageSource::Component { path, digest: String::new() }
    }

    pub fn container(&self, image: ImageSource, args: &[&str]) -> Container {
        Container {
            name: "main".to_owned(),
            image,
            args: std::iter::once("guest").chain(args.iter().copied()).map(str::to_owned).collect(),
            log_path: self.directory.path().join("log"),
            termination_message_path: "/dev/termination-log".to_owned(),
            ..Container::default()
        }
    }

    /// Starts the container and waits for its end.
    pub async fn run(&self, sandbox: &Sandbox, container: &Container) -> ContainerState {
        let state = self.runtime.start(sandbox, container).await.unwrap();
        self.ended(&state.id).await
    }

    pub async fn ended(&self, id: &ContainerId) -> ContainerState {
        self.until(id, |state| state.phase == Phase::Exited).await
    }

    pub async fn until(&self, id: &ContainerId, wanted: impl Fn(&ContainerState) -> bool) -> ContainerState {
        use futures::StreamExt;
        let mut events = self.runtime.events().await.unwrap();
        let known = self.runtime.list().await.unwrap().into_iter().find(|state| state.id == *id);
        if let Some(state) = known.filter(&wanted) {
            return state;
        }
        let next = async {
            loop {
                let state = events.next().await.unwrap();
                if state.id == *id && wanted(&state) {
                    return state;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), next).await.unwrap()
    }

    /// The log without times: `stdout F text`.
    pub fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }
}

/// A network namespace with a loopback device, held by a thread. `None`, with a message, when this process may not make one.
pub struct Netns {
    pub path: PathBuf,
    _end: mpsc::Sender<()>,
}

impl Netns {
    pub fn new() -> Option<Self> {
        let (end, ended) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let made = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_ok()
                && std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().is_ok_and(|status| status.success());
            let path = std::fs::read_link("/proc/thread-self").map(|thread| Path::new("/proc").join(thread).join("ns/net"));
            sender.send(path.ok().filter(|_| made)).unwrap();
            let _ended = ended.recv();
        });
        let Some(path) = receiver.recv().unwrap() else {
            eprintln!("skipped: this process may not make network namespaces");
            return None;
        };
        Some(Self { path, _end: end })
    }

    pub fn inside<T>(&self, f: impl FnOnce() -> T) -> T {
        workload::netns::inside_path(Some(&self.path), f).unwrap()
    }

    /// Puts `sandbox` here, with a name server at `127.0.0.1`.
    pub fn hold(&self, sandbox: &mut Sandbox) {
        sandbox.netns = Some(self.path.clone());
        let server: IpAddr = [127, 0, 0, 1].into();
        sandbox.addresses = vec![server];
        sandbox.dns = DnsConfig {
            servers: vec![server],
            search: vec!["shop.svc.cluster.local".to_owned()],
            options: vec!["ndots:5".to_owned(), "timeout:2".to_owned()],
        };
    }

    /// A name server that knows `web.shop.svc.cluster.local.` and nothing else; it lives as long as the test.
    pub fn name_server(&self, address: [u8; 4]) {
        use hickory_proto::op::{Message, ResponseCode};
        use hickory_proto::rr::{RData, Record, RecordType, rdata::A};
        let socket = self.inside(|| std::net::UdpSocket::bind("127.0.0.1:53")).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let mut message = Message::from_vec(&buffer[..length]).unwrap().into_response();
                let query = message.queries[0].clone();
                if query.name().to_string() != "web.shop.svc.cluster.local." {
                    message.metadata.response_code = ResponseCode::NXDomain;
                } else if query.query_type() == RecordType::A {
                    message.add_answer(Record::from_rdata(query.name().clone(), 5, RData::A(A(address.into()))));
                }
                socket.send_to(&message.to_vec().unwrap(), peer).unwrap();
            }
        });
    }

    /// One HTTP/1.1 request: status and body.
    pub fn request(&self, port: u16, method: &str, path: &str, body: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let mut stream = self.inside(|| std::net::TcpStream::connect(("127.0.0.1", port))).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: web\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text)
    }
}
