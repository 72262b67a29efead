//! Logs come from the agent of the pod's node.

use super::Fixture;
use crate::{Config, pki};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use object::json;
use std::convert::Infallible;
use std::sync::Arc;

/// An agent that echoes what it was asked for, and refuses `previous`.
async fn agent(pki: &pki::Pki) -> u16 {
    let tls = pki.kubelet_config("n", &["127.0.0.1".to_owned()]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let user = pki::identity(&stream.get_ref().1.peer_certificates().unwrap()[0]).unwrap();
            let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let told = request.uri().to_string();
                let refused = told.contains("previous");
                let body = if refused {
                    "previous terminated container \"c\" in pod \"p\" not found\n".to_owned()
                } else {
                    format!("{} {told}\n", user.name)
                };
                let status = if refused { 400 } else { 200 };
                async move { Ok::<_, Infallible>(http::Response::builder().status(status).body(Full::new(bytes::Bytes::from(body))).unwrap()) }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        }
    });
    port
}

#[tokio::test]
async fn logs_are_streamed_through() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki::Pki::open(dir.path()).unwrap();
    let port = agent(&pki).await;
    let client = Arc::new(pki.client_config("system:apiserver", &["system:masters"]).unwrap());
    let f = Fixture::with(Config { node_client: Some(client), ..Config::default() }).await;
    let node = json!({
        "metadata": { "name": "n" },
        "status": { "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }], "daemonEndpoints": { "kubeletEndpoint": { "Port": port } } },
    });
    f.post("/api/v1/nodes", &node).await.expect(201);
    let pods = "/api/v1/namespaces/default/pods";
    let pod = |name: &str, node: &str| json!({ "metadata": { "name": name }, "spec": { "nodeName": node, "containers": [{ "name": "c", "image": "i" }] } });
    f.post(pods, &pod("p", "n")).await.expect(201);
    f.post(pods, &pod("lost", "none")).await.expect(201);
    let log = f.get(&format!("{pods}/p/log?tailLines=5&sinceTime=2026-01-01T00:00:00Z&pretty=1")).await;
    assert_eq!(log.code, 200);
    let expect = "system:apiserver /containerLogs/default/p/c?sinceTime=2026-01-01T00%3A00%3A00Z&tailLines=5\n";
    assert_eq!(String::from_utf8_lossy(&log.bytes), expect);
    let refused = f.get(&format!("{pods}/p/log?previous=true")).await;
    assert_eq!((refused.code, refused.message()), (400, "previous terminated container \"c\" in pod \"p\" not found".to_owned()));
    let bad = f.get(&format!("{pods}/p/log?tailLines=-1")).await;
    assert_eq!(bad.code, 422);
    assert!(bad.message().contains("must be greater than or equal to 0"), "{}", bad.message());
    assert_eq!(f.get(&format!("{pods}/lost/log")).await.message(), "nodes \"none\" not found");
}
