//! Stand-ins for what lies on other layers: an API server that keeps one pod, a runtime and a network that only note
//! what they were asked. The image store is the real one.

use crate::agent::Agent;
use crate::config::Config;
use async_trait::async_trait;
use bytes::Bytes;
use client::{Client, Router, UserInfo};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use interfaces::network::{Error as NetworkError, PodLink, PodNetwork, PodRef};
use interfaces::workload::{Container, ContainerId, ContainerState, Error, ExecOutcome, Phase, Runtime, Sandbox, Usage};
use object::{Object, Value, json};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// One pod, some config maps, and what was asked.
pub struct Api {
    pub pod: Mutex<Value>,
    /// By request path.
    pub objects: Mutex<HashMap<String, Value>>,
    /// `reason` of each event, `DELETE <body>`, statuses' phases: in order.
    pub log: Mutex<Vec<String>>,
    changed: watch::Sender<u64>,
}

impl Api {
    pub fn new(pod: Value) -> Arc<Self> {
        Arc::new(Self { pod: Mutex::new(pod), objects: Mutex::default(), log: Mutex::default(), changed: watch::channel(1).0 })
    }

    pub fn client(self: &Arc<Self>) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Bytes>| {
            let api = api.clone();
            async move { api.answer(&request) }
        });
        Client::in_process(Router::new(service), registry::Registry::builtin(), UserInfo::component("system:node:node1", &[]))
    }

    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Body>, http::Error> {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let whole = |code: u16, value: Value| {
            Response::builder().status(code).body(Full::new(Bytes::from(value.to_string())).map_err(|e| match e {}).boxed_unsync())
        };
        let missing = || whole(404, json!({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}));
        if query.contains("watch=") {
            let never = futures::stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>();
            return Response::builder().status(200).body(StreamBody::new(never).boxed_unsync());
        }
        let answer = match (request.method(), path) {
            (&Method::PATCH, "/api/v1/namespaces/n/pods/p/status") => {
                let mut pod = self.pod.lock();
                let known = pod.get("status").cloned().unwrap_or_default();
                pod["status"] = crate::pod::status::overlay(&known, &body["status"]);
                let revision = pod["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok()).unwrap_or_default();
                pod["metadata"]["resourceVersion"] = json!((revision + 1).to_string());
                whole(200, pod.clone())
            }
            (&Method::DELETE, "/api/v1/namespaces/n/pods/p") => {
                self.log.lock().push(format!("DELETE {body}"));
                whole(200, json!({"kind": "Status", "status": "Success"}))
            }
            (&Method::POST, path) if path.ends_with("/events") => {
                self.log.lock().push(body["reason"].as_str().unwrap_or_default().to_owned());
                whole(201, body)
            }
            (&Method::POST, path) if path.ends_with("/token") => match self.objects.lock().get(path).cloned() {
                Some(answer) => whole(201, answer),
                None => missing(),
            },
            (&Method::GET, path) => match self.objects.lock().get(path).cloned() {
                Some(object) => whole(200, object),
                None if path.contains("/namespaces/") => missing(),
                None => whole(200, json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []})),
            },
            _ => missing(),
        };
        self.changed.send_modify(|n| *n += 1);
        answer
    }

    pub fn object(&self) -> Arc<Object> {
        Arc::new(Object::from_value(self.pod.lock().clone()).unwrap())
    }

    /// Waits until the pod fits; fails with what it is then.
    pub async fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                let pod = self.pod.lock().clone();
                if fits(&pod["status"]) {
                    return pod["status"].clone();
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(Duration::from_secs(10), wait).await {
            Ok(status) => status,
            Err(_) => panic!("never {what}: {:#}\n{:?}", self.pod.lock(), self.log.lock()),
        }
    }

    /// Waits until something is in the log.
    pub async fn until_logged(&self, part: &str) -> String {
        let found = || self.log.lock().iter().find(|l| l.contains(part)).cloned();
        self.until(part, |_| found().is_some()).await;
        found().unwrap()
    }
}

/// What becomes of a run.
#[derive(Clone, Copy)]
pub enum Fate {
    Runs,
    Exits(i32),
    /// The runtime refuses to make it.
    Refused,
}

/// The fate of a container's run by its name and attempt.
type Decide = dyn Fn(&str, u32) -> Fate + Send + Sync;

/// Notes `start NAME/ATTEMPT`, `stop NAME/ATTEMPT GRACE`, `remove_pod`.
pub struct FakeRuntime {
    pub fate: Box<Decide>,
    pub calls: Mutex<Vec<String>>,
    pub containers: Mutex<BTreeMap<String, Container>>,
}

impl FakeRuntime {
    pub fn new(fate: impl Fn(&str, u32) -> Fate + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { fate: Box::new(fate), calls: Mutex::default(), containers: Mutex::default() })
    }

    pub fn state(id: &ContainerId, fate: Fate) -> ContainerState {
        let (phase, exit_code) = match fate {
            Fate::Exits(code) => (Phase::Exited, code),
            Fate::Runs | Fate::Refused => (Phase::Running, 0),
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
        let finished_at = if phase == Phase::Exited { now } else { 0 };
        ContainerState { id: id.clone(), phase, exit_code, started_at: 1_000_000_000, finished_at, ..ContainerState::default() }
    }
}

#[async_trait]
impl Runtime for FakeRuntime {
    fn name(&self) -> &'static str {
        "wasm"
    }
    fn unavailable(&self) -> Option<String> {
        None
    }
    async fn start(&self, sandbox: &Sandbox, container: &Container) -> Result<ContainerState, Error> {
        self.calls.lock().push(format!("start {}/{}", container.name, container.attempt));
        self.containers.lock().insert(container.name.clone(), container.clone());
        let id = ContainerId { pod_uid: sandbox.pod.uid.clone(), name: container.name.clone(), attempt: container.attempt };
        match (self.fate)(&container.name, container.attempt) {
            Fate::Refused => Err(Error::Create { message: "refused".into() }),
            fate => Ok(Self::state(&id, fate)),
        }
    }
    async fn stop(&self, id: &ContainerId, grace_seconds: u64) -> Result<ContainerState, Error> {
        self.calls.lock().push(format!("stop {}/{} {grace_seconds}", id.name, id.attempt));
        Ok(Self::state(id, Fate::Exits(143)))
    }
    async fn remove(&self, _: &ContainerId) -> Result<(), Error> {
        Ok(())
    }
    async fn remove_pod(&self, _: &PodRef) -> Result<(), Error> {
        self.calls.lock().push("remove_pod".into());
        Ok(())
    }
    async fn exec(&self, id: &ContainerId, command: &[String], _: u64) -> Result<ExecOutcome, Error> {
        self.calls.lock().push(format!("exec {} {}", id.name, command.join(" ")));
        Ok(ExecOutcome { exit_code: i32::from(command.first().is_some_and(|c| c == "false")), output: "told".into() })
    }
    async fn list(&self) -> Result<Vec<ContainerState>, Error> {
        Ok(Vec::new())
    }
    async fn usage(&self) -> Result<Vec<Usage>, Error> {
        Ok(Vec::new())
    }
    async fn events(&self) -> Result<BoxStream<'static, ContainerState>, Error> {
        Ok(futures::stream::pending().boxed())
    }
}

struct FakeNetwork;

#[async_trait]
impl PodNetwork for FakeNetwork {
    async fn attach(&self, _: &PodRef) -> Result<PodLink, NetworkError> {
        Ok(PodLink { netns: Some(PathBuf::from("/run/netns/u")), addresses: vec![IpAddr::from([10, 42, 0, 5])] })
    }
    async fn detach(&self, _: &PodRef) -> Result<(), NetworkError> {
        Ok(())
    }
    async fn attached(&self) -> Result<Vec<(PodRef, PodLink)>, NetworkError> {
        Ok(Vec::new())
    }
    fn node_address(&self) -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }
    fn cluster_dns(&self) -> IpAddr {
        IpAddr::from([10, 43, 0, 10])
    }
}

/// An agent whose store holds the image `app`, an empty component.
pub async fn agent(dir: &std::path::Path, api: &Arc<Api>, runtime: Arc<FakeRuntime>) -> Arc<Agent> {
    let component = dir.join("app.wasm");
    std::fs::write(&component, b"\0asm\x0d\0\x01\0").unwrap();
    let store = image::Store::open(dir.join("images")).unwrap();
    store.import(&component, Some("app")).await.unwrap();
    let mut config = Config::new("node1", dir);
    config.privileged = false;
    let agent = Agent::new(&api.client(), config, vec![runtime], Arc::new(FakeNetwork), Arc::new(store));
    agent.imported.cancel();
    Arc::new(agent)
}
