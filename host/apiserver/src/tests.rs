//! The whole road over a memory store, as a client in this process sees it.

mod admission;
mod causes;
mod conformance;
mod crd;
mod documents;
mod encodings;
mod endpoints;
mod extension;
mod identity;
mod kinds;
mod limits;
mod logs;
mod matrix;
mod networking;
mod over_etcd;
mod pod_changes;
mod pods;
mod reading;
mod scaling;
mod services;
mod serving;
mod several;
mod storage;
mod validation;
mod versions;
mod volumes;
mod workloads;
mod writing;

use crate::{ApiServer, ApiService, Config};
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use interfaces::authorize::UserInfo;
use object::{Value, json};
use registry::Registry;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use store::Store;

/// A server with its first objects, and a client of it.
pub struct Fixture {
    pub server: ApiServer,
    pub service: ApiService,
    pub store: std::sync::Arc<dyn Store>,
    pub user: Option<UserInfo>,
}

pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {:?}", self.bytes))
    }
    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
    #[track_caller]
    pub fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", String::from_utf8_lossy(&self.bytes));
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }
}

/// The events of a watch.
pub struct Events {
    body: axum::body::BodyDataStream,
    rest: Vec<u8>,
}

impl Events {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await.expect("no event came")?;
            self.rest.extend_from_slice(&chunk.unwrap());
        }
    }
    /// `TYPE name` of the next event.
    pub async fn told(&mut self) -> String {
        match self.next().await {
            Some(e) => format!("{} {}", e["type"].as_str().unwrap(), e["object"]["metadata"]["name"].as_str().unwrap_or("-")),
            None => "end".to_owned(),
        }
    }
}

impl Fixture {
    pub async fn new() -> Self {
        Self::with(Config { advertise: Some((IpAddr::V4(Ipv4Addr::LOCALHOST), 6443)), ..Config::default() }).await
    }

    /// Without the roles of every cluster, and with pods of any account: the tester needs none.
    pub async fn with(config: Config) -> Self {
        Self::with_roles(Self::plain(config)).await
    }

    fn plain(config: Config) -> Config {
        Config { default_roles: false, account_admission: false, tokens: Some(tokens()), ..config }
    }

    pub async fn with_roles(config: Config) -> Self {
        Self::on(config, new_store().await).await
    }

    /// As [`Fixture::with`], on a store that others may use, too.
    pub async fn over(config: Config, store: std::sync::Arc<dyn Store>) -> Self {
        Self::on(Self::plain(config), store).await
    }

    async fn on(config: Config, store: std::sync::Arc<dyn Store>) -> Self {
        let server = ApiServer::new(config, store.clone(), Registry::builtin()).unwrap();
        server.bootstrap().await.unwrap();
        let user = Some(UserInfo::master("tester"));
        Self { service: server.service(), server, store, user }
    }

    pub async fn send(&self, method: &str, path: &str, content_type: &str, accept: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("user-agent", "tester/1.0");
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        if !accept.is_empty() {
            request = request.header("accept", accept);
        }
        let mut request = request.body(body.into()).unwrap();
        if let Some(user) = &self.user {
            request.extensions_mut().insert(user.clone());
        }
        let response = self.service.handle(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { code: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    pub fn registry(&self) -> &std::sync::Arc<Registry> {
        self.server.registry()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "", Body::empty()).await
    }
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "application/json", "", body.to_string()).await
    }
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, "application/json", "", body.to_string()).await
    }
    pub async fn patch(&self, path: &str, kind: &str, body: &Value) -> Answer {
        let media = match kind {
            "apply" => "application/apply-patch+yaml".to_owned(),
            "strategic" => "application/strategic-merge-patch+json".to_owned(),
            kind => format!("application/{kind}-patch+json"),
        };
        self.send("PATCH", path, &media, "", body.to_string()).await
    }
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "", "", Body::empty()).await
    }

    pub async fn watch(&self, path: &str) -> Events {
        let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(self.user.clone().unwrap());
        let response = self.service.handle(request).await;
        assert_eq!(response.status(), 200);
        Events { body: response.into_body().into_data_stream(), rest: Vec::new() }
    }
}

/// Of a cluster whose issuer is `https://issuer`.
pub fn tokens() -> std::sync::Arc<crate::Tokens> {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    std::sync::Arc::new(crate::Tokens::new(&key, "https://issuer", &[]).unwrap())
}

/// An empty store: in memory, or in an etcd of this process with `CORACLE_TEST_STORE=etcd` (then one test at a time: compaction
/// is of the whole etcd).
pub async fn new_store() -> std::sync::Arc<dyn Store> {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    match std::env::var("CORACLE_TEST_STORE").as_deref() {
        Ok("etcd") => {
            let namespace = format!("/{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            etcd::EtcdStore::connect(etcd::testing::Etcd::shared().config(&namespace)).await.unwrap()
        }
        _ => store::memory::MemoryStore::new(),
    }
}

pub fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "k": "v" } })
}
