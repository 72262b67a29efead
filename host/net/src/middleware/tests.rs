//! The proxy between a real client and real endpoints on loopback, with middleware that is written here.

use super::*;
use async_trait::async_trait;
use interfaces::middleware::{Decision, Middleware, MiddlewareRow, Request, RequestChanges, Response, ResponseChanges};
use interfaces::schedule::{FailurePolicy, PluginError};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Behaves as the request's `x-want` says.
struct Told;

#[async_trait]
impl Middleware for Told {
    fn name(&self) -> &str {
        "told"
    }

    async fn on_request(&self, request: &Request, body: Option<&[u8]>) -> Result<Decision, PluginError> {
        let want = request.headers.iter().find(|(name, _)| name == "x-want").map(|(_, v)| String::from_utf8_lossy(v).into_owned());
        let text = |t: &str| t.as_bytes().to_vec();
        Ok(match (want.as_deref(), body) {
            (Some("respond"), _) => Decision::Respond(Response { status: 401, headers: vec![("x-by".into(), text("told"))] }, text("no\n")),
            (Some("fail"), _) => return Err(PluginError::Trap { plugin: "told".into(), cause: "unreachable".into() }),
            (Some("body"), None) => Decision::NeedBody(8),
            (Some("body"), Some(body)) => {
                Decision::Next(RequestChanges { set: vec![("x-body".into(), body.to_vec())], ..Default::default() })
            }
            _ => Decision::Next(RequestChanges {
                path: Some(format!("/changed{}", request.path)),
                remove: vec!["x-secret".into()],
                set: vec![("x-service".into(), format!("{}/{}:{}", request.namespace, request.service, request.port).into_bytes())],
                context: text("kept"),
                ..Default::default()
            }),
        })
    }

    fn sees_responses(&self) -> bool {
        true
    }

    async fn on_response(&self, _: &Request, response: &Response, context: &[u8]) -> Result<ResponseChanges, PluginError> {
        let set = vec![("x-context".into(), context.to_vec()), ("x-was".into(), response.status.to_string().into_bytes())];
        Ok(ResponseChanges { status: None, remove: vec!["x-leak".into()], set })
    }
}

/// Answers each request with its own head as the body; `/websocket` becomes an echo.
async fn endpoint(name: &'static str) -> Backend {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                loop {
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                            return;
                        }
                        head.push(byte[0]);
                    }
                    let text = String::from_utf8(head).unwrap().to_lowercase();
                    if text.contains("upgrade: echo") {
                        stream
                            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
                            .await
                            .unwrap();
                        let (mut read, mut write) = stream.split();
                        tokio::io::copy(&mut read, &mut write).await.ok();
                        return;
                    }
                    let length = text.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|l| l.parse().ok()).unwrap_or(0);
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                    let body = format!("{name}\n{text}{}", String::from_utf8(body).unwrap());
                    let answer = format!("HTTP/1.1 200 OK\r\nx-leak: 1\r\nx-kept: 1\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    Backend { address: Ipv4Addr::LOCALHOST, port }
}

fn gate(policy: FailurePolicy) -> (Gate, watch::Sender<MiddlewareSet>) {
    let row = MiddlewareRow { middleware: Arc::new(Told), failure_policy: policy };
    let (sender, set) = watch::channel(Some(Arc::new(BTreeMap::from([("told".to_owned(), row)]))));
    (Gate::new(Ipv4Addr::LOCALHOST, set), sender)
}

fn port(middleware: &[&str], backends: &[Backend]) -> ServicePort {
    ServicePort {
        name: "shop/web:http".into(),
        protocol: "tcp".into(),
        port: 80,
        middleware: middleware.iter().map(|m| (*m).to_owned()).collect(),
        backends: backends.to_vec(),
        ..ServicePort::default()
    }
}

/// Puts the proxy there and asks by it, on a connection of its own.
async fn ask(gate: &Gate, port: &ServicePort, request: &str) -> String {
    let mut ports = [port.clone()];
    gate.put_before(&mut ports);
    let [Backend { address, port }] = ports[0].backends[..] else { panic!("no proxy: {ports:?}") };
    let mut stream = TcpStream::connect((address, port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.to_lowercase()
}

fn get(headers: &str) -> String {
    format!("GET /a?b HTTP/1.1\r\nHost: web.shop\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn requests_and_responses_are_changed() {
    let (gate, _set) = gate(FailurePolicy::Fail);
    let port = port(&["told"], &[endpoint("one").await]);
    let text = ask(&gate, &port, &get("X-Secret: s\r\nX-Forwarded-For: 10.0.0.9\r\nKeep-Alive: 5\r\n")).await;
    for part in [
        "http/1.1 200",
        "x-context: kept",
        "x-was: 200",
        "x-kept: 1",
        "get /changed/a?b http/1.1",
        "host: web.shop",
        "x-service: shop/web:80",
        "x-forwarded-for: 10.0.0.9, 127.0.0.1",
        "x-forwarded-proto: http",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    for part in ["x-leak", "x-secret", "keep-alive"] {
        assert!(!text.contains(part), "{part} in\n{text}");
    }
}

#[tokio::test]
async fn a_plugin_answers_fails_and_sees_bodies() {
    let backends = [endpoint("one").await];
    let check = async |policy, request: String, expect: &[&str], not: &str| {
        let (gate, _set) = gate(policy);
        let text = ask(&gate, &port(&["told"], &backends), &request).await;
        for part in expect {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains(not), "{not} in\n{text}");
    };
    let post = |length: usize| {
        let body = "x".repeat(length);
        format!("POST / HTTP/1.1\r\nHost: web\r\nConnection: close\r\nX-Want: body\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let (fail, ignore) = (FailurePolicy::Fail, FailurePolicy::Ignore);
    check(fail, get("X-Want: respond\r\n"), &["http/1.1 401", "x-by: told", "\r\n\r\nno\n"], "x-context").await;
    check(fail, get("X-Want: fail\r\n"), &["http/1.1 503", "middleware told of service shop/web failed"], "unreachable").await;
    check(ignore, get("X-Want: fail\r\n"), &["http/1.1 200", "get /a?b "], "x-context").await;
    check(fail, post(8), &["http/1.1 200", "x-body: xxxxxxxx\r\n", "\r\n\r\nxxxxxxxx"], "503").await;
    check(fail, post(9), &["http/1.1 413"], "one\n").await;
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let (gate, set) = gate(FailurePolicy::Fail);
    let backends = [endpoint("one").await];
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Backend { address: Ipv4Addr::LOCALHOST, port: listener.local_addr().unwrap().port() }
    };
    let text = ask(&gate, &port(&["told", "other"], &backends), &get("")).await;
    assert!(text.starts_with("http/1.1 503") && text.contains("middleware other of service shop/web is not loaded"), "{text}");
    // The one before it saw the answer.
    assert!(text.contains("x-was: 503"), "{text}");
    let text = ask(&gate, &port(&["told"], &[]), &get("")).await;
    assert!(text.starts_with("http/1.1 503") && text.contains("service shop/web port 80 has no ready endpoints"), "{text}");
    let text = ask(&gate, &port(&["told"], &[gone]), &get("")).await;
    assert!(text.starts_with("http/1.1 502") && text.contains("no answer from its endpoints"), "{text}");
    for _ in 0..4 {
        let text = ask(&gate, &port(&["told"], &[gone, backends[0]]), &get("")).await;
        assert!(text.starts_with("http/1.1 200"), "the other one is tried: {text}");
    }
    set.send_replace(Some(Arc::default()));
    let text = ask(&gate, &port(&["told"], &backends), &get("")).await;
    assert!(text.contains("middleware told of service shop/web is not loaded"), "{text}");
}

#[tokio::test]
async fn endpoints_take_turns_and_sticky_clients_stay() {
    let (gate, _set) = gate(FailurePolicy::Fail);
    let backends = [endpoint("one").await, endpoint("two").await];
    let mut spread = port(&["told"], &backends);
    let seen = async |port: &ServicePort| {
        let mut names = Vec::new();
        for _ in 0..4 {
            let text = ask(&gate, port, &get("")).await;
            names.push(if text.contains("one\n") { 1 } else { 2 });
        }
        names.sort();
        names
    };
    assert_eq!(seen(&spread).await, [1, 1, 2, 2]);
    spread.sticky = true;
    let names = seen(&spread).await;
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[tokio::test]
async fn connections_are_kept_upgraded_and_ended() {
    let (gate, _set) = gate(FailurePolicy::Fail);
    let mut ports = [port(&["told"], &[endpoint("one").await])];
    let plain = ports.clone();
    gate.put_before(&mut ports);
    let at = (Ipv4Addr::LOCALHOST, ports[0].backends[0].port);
    let mut again = plain.clone();
    gate.put_before(&mut again);
    assert_eq!(again[0].backends, ports[0].backends, "the proxy stays the same");

    // Two requests on one connection.
    let mut kept = TcpStream::connect(at).await.unwrap();
    for _ in 0..2 {
        kept.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nX-Want: respond\r\n\r\n").await.unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\nno\n") {
            text.push(kept.read_u8().await.unwrap());
        }
    }
    let mut socket = TcpStream::connect(at).await.unwrap();
    socket.write_all(b"GET /websocket HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    socket.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    socket.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"ping");

    // Without the annotation the endpoints are back, and the proxy ends.
    let mut without = [ServicePort { middleware: vec![], ..plain[0].clone() }];
    gate.put_before(&mut without);
    assert_eq!(without[0].backends, plain[0].backends);
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}
