//! What a balancer asks of a node about a Service with `externalTrafficPolicy: Local`: does it have endpoints? Upstream
//! `pkg/proxy/healthcheck/service_health.go`. One HTTP server per Service, on its `healthCheckNodePort`.

use super::ipv4;
use super::view::SERVICE_NAME;
use client::{Recorder, Type};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use object::{Object, ObjectRef, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Time for a client to send a head: hyper's own, which needs a timer to be in force.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Rest after an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Namespace and name of a Service.
type Name = (String, String);

/// A Service whose health is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub service: ObjectRef,
    pub port: u16,
    /// Ready ones on this node.
    pub endpoints: usize,
}

/// The Services that need a health check (`NeedsHealthCheck`), as this node is to answer.
pub(super) fn wanted(services: &[Arc<Object>], slices: &[Arc<Object>], node: &str) -> BTreeMap<Name, Wanted> {
    let asked = |service: &Arc<Object>| {
        let local = service.str_at(&["spec", "type"]) == "LoadBalancer" && service.str_at(&["spec", "externalTrafficPolicy"]) == "Local";
        let port = service.at(&["spec", "healthCheckNodePort"]).and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok());
        let port = port.filter(|port| local && *port != 0)?;
        let name = (service.namespace().to_owned(), service.name().to_owned());
        let endpoints = endpoints(slices, &name, node);
        Some((name, Wanted { service: service.reference(), port, endpoints }))
    };
    services.iter().filter_map(asked).collect()
}

/// How many addresses on the node are ready, whatever ports they have.
fn endpoints(slices: &[Arc<Object>], (namespace, service): &Name, node: &str) -> usize {
    let own = slices.iter().filter(|s| s.namespace() == namespace && s.label(SERVICE_NAME) == Some(service));
    let all = own.filter_map(|s| s.at(&["endpoints"])?.as_array()).flatten();
    let here = all.filter(|e| {
        let ready = e.get("conditions").and_then(|c| c.get("ready")).and_then(Value::as_bool).unwrap_or(true);
        ready && e.get("nodeName").and_then(Value::as_str) == Some(node)
    });
    let addresses: BTreeSet<Ipv4Addr> =
        here.filter_map(|e| e.get("addresses")?.as_array()).flatten().filter_map(|a| ipv4(a.as_str()?)).collect();
    addresses.len()
}

/// The servers that are open.
pub(super) struct Health {
    node: String,
    events: Recorder,
    /// Whether the node's rules are as they should be.
    proxy: Arc<AtomicBool>,
    open: BTreeMap<Name, Open>,
    /// Ports that could not be had, so that it is told once.
    failed: BTreeSet<(Name, u16)>,
}

struct Open {
    port: u16,
    endpoints: Arc<AtomicUsize>,
    // Ends the server when it is dropped.
    _stop: DropGuard,
}

impl Health {
    pub(super) fn new(node: &str, events: Recorder) -> Self {
        Self { node: node.to_owned(), events, proxy: Arc::default(), open: BTreeMap::new(), failed: BTreeSet::new() }
    }

    /// Opens and closes servers so that they are the wanted ones. Answers whether all of them are open.
    pub(super) async fn sync(&mut self, wanted: &BTreeMap<Name, Wanted>, proxy: bool) -> bool {
        self.proxy.store(proxy, Ordering::Relaxed);
        self.open.retain(|name, open| wanted.get(name).is_some_and(|w| w.port == open.port));
        self.failed.retain(|(name, port)| wanted.get(name).is_some_and(|w| w.port == *port));
        for (name, wanted) in wanted {
            if let Some(open) = self.open.get(name) {
                open.endpoints.store(wanted.endpoints, Ordering::Relaxed);
                continue;
            }
            match self.listen(name, wanted).await {
                Ok(open) => {
                    tracing::debug!(namespace = name.0, service = name.1, port = wanted.port, "health check is served");
                    self.open.insert(name.clone(), open);
                    self.failed.remove(&(name.clone(), wanted.port));
                }
                Err(error) => {
                    let service = format!("{}/{}", name.0, name.1);
                    let words = format!("node {} failed to start healthcheck {service:?} on port {}: {error}", self.node, wanted.port);
                    if self.failed.insert((name.clone(), wanted.port)) {
                        tracing::warn!("{words}");
                        self.events.event(&wanted.service, Type::Warning, "FailedToStartServiceHealthcheck", &words);
                    }
                }
            }
        }
        self.failed.is_empty()
    }

    async fn listen(&self, name: &Name, wanted: &Wanted) -> io::Result<Open> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, wanted.port)).await?;
        let endpoints = Arc::new(AtomicUsize::new(wanted.endpoints));
        let stop = CancellationToken::new();
        let answerer = Arc::new(Answerer { name: name.clone(), endpoints: endpoints.clone(), proxy: self.proxy.clone() });
        tokio::spawn(serve(listener, answerer, stop.clone()));
        Ok(Open { port: wanted.port, endpoints, _stop: stop.drop_guard() })
    }
}

struct Answerer {
    name: Name,
    endpoints: Arc<AtomicUsize>,
    proxy: Arc<AtomicBool>,
}

/// Whatever the path and the method are, the answer is the same.
async fn serve(listener: TcpListener, answerer: Arc<Answerer>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(converse(stream, answerer.clone())));
    }
}

async fn converse(stream: TcpStream, answerer: Arc<Answerer>) {
    let answer = hyper::service::service_fn(move |_| {
        let answer = answerer.answer();
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    // A client that went away is nobody's concern.
    let _ended = builder.serve_connection(TokioIo::new(stream), answer).await;
}

impl Answerer {
    fn answer(&self) -> Response<Full<bytes::Bytes>> {
        answer(&self.name, self.endpoints.load(Ordering::Relaxed), self.proxy.load(Ordering::Relaxed))
    }
}

/// 200 with endpoints, 503 without: a balancer goes by the status alone; the body is for people.
fn answer((namespace, name): &Name, endpoints: usize, proxy: bool) -> Response<Full<bytes::Bytes>> {
    let body = format!(
        "{{\n\t\"service\": {{\n\t\t\"namespace\": {namespace:?},\n\t\t\"name\": {name:?}\n\t}},\n\t\"localEndpoints\": {endpoints},\n\t\
         \"serviceProxyHealthy\": {proxy}\n}}"
    );
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = if endpoints > 0 && proxy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("x-load-balancing-endpoint-weight", HeaderValue::from(endpoints));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::{Client, Router, UserInfo};
    use http_body_util::BodyExt;
    use object::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn object(root: Value) -> Arc<Object> {
        Arc::new(Object::from_value(root).unwrap())
    }

    fn service(name: &str, spec: Value) -> Arc<Object> {
        let mut root = json!({"metadata": {"name": name, "namespace": "d"},
            "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30100}});
        object::patch::merge::apply(&mut root["spec"], &spec);
        object(root)
    }

    #[test]
    fn ready_endpoints_of_the_node_are_counted() {
        let endpoint =
            |address: &str, node: &str, ready: Value| json!({"addresses": [address], "nodeName": node, "conditions": {"ready": ready}});
        let slice = |name: &str, endpoints: Value| {
            object(json!({"metadata": {"name": format!("{name}-1"), "namespace": "d", "labels": {SERVICE_NAME: name}},
                "addressType": "IPv4", "endpoints": endpoints}))
        };
        let check = |spec: Value, endpoints: Value, expect: Option<usize>| {
            let services = [service("s", spec.clone())];
            let slices = [slice("s", endpoints.clone()), slice("other", json!([endpoint("10.42.0.9", "n", json!(true))]))];
            let found = wanted(&services, &slices, "n");
            let found = found.get(&("d".to_owned(), "s".to_owned()));
            assert_eq!(found.map(|w| (w.port, w.endpoints)), expect.map(|count| (30100, count)), "{spec} {endpoints}");
        };
        check(json!({}), json!([]), Some(0));
        let (a, b, gone, far) = (
            endpoint("10.42.0.1", "n", json!(true)),
            endpoint("10.42.0.2", "n", Value::Null),
            endpoint("10.42.0.3", "n", json!(false)),
            endpoint("10.42.0.4", "m", json!(true)),
        );
        check(json!({}), json!([a, b, gone, far, a]), Some(2));
        check(json!({"externalTrafficPolicy": "Cluster"}), json!([a]), None);
        check(json!({"type": "NodePort"}), json!([a]), None);
        check(json!({"healthCheckNodePort": 0}), json!([a]), None);
    }

    #[tokio::test]
    async fn the_status_tells_whether_to_come_here() {
        for (endpoints, proxy, status) in [(2, true, 200), (0, true, 503), (1, false, 503)] {
            let response = answer(&("d".to_owned(), "web".to_owned()), endpoints, proxy);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["x-load-balancing-endpoint-weight"], endpoints.to_string().as_str());
            assert_eq!(response.headers()["content-type"], "application/json");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let expect = json!({"service": {"namespace": "d", "name": "web"}, "localEndpoints": endpoints, "serviceProxyHealthy": proxy});
            assert_eq!(body, expect);
        }
    }

    async fn get(port: u16) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok(said.lines().next().unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn servers_open_and_close_with_their_services() {
        let nobody =
            tower::service_fn(|_: http::Request<bytes::Bytes>| std::future::pending::<Result<Response<Full<bytes::Bytes>>, io::Error>>());
        let client = Client::in_process(Router::new(nobody), registry::Registry::builtin(), UserInfo::component("system:test", &[]));
        let mut health = Health::new("n", client.recorder("test", "n"));
        // A port of this machine that somebody has, and then nobody.
        let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let services = [service("web", json!({ "healthCheckNodePort": port }))];
        let mut all = wanted(&services, &[], "n");
        assert!(!health.sync(&all, true).await, "the port is taken");
        drop(taken);
        assert!(health.sync(&all, true).await);
        assert_eq!(get(port).await.unwrap(), "HTTP/1.0 503 Service Unavailable");
        all.values_mut().for_each(|wanted| wanted.endpoints = 1);
        health.sync(&all, true).await;
        assert_eq!(get(port).await.unwrap(), "HTTP/1.0 200 OK");
        health.sync(&all, false).await;
        assert_eq!(get(port).await.unwrap(), "HTTP/1.0 503 Service Unavailable");
        health.sync(&BTreeMap::new(), true).await;
        while get(port).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
