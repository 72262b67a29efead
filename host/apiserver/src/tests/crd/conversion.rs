//! Conversion by a webhook: a real HTTPS server in this process.

use super::*;
use axum::Router;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_rustls::TlsAcceptor;

/// Answers a review: `(request) -> response`.
type Convert = fn(&Value) -> Value;

struct Hook {
    url: String,
    bundle: String,
    calls: Arc<AtomicUsize>,
}

async fn serve(convert: Convert) -> Hook {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let private = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let handler = move |body: bytes::Bytes| async move {
        count.fetch_add(1, Ordering::Relaxed);
        let review: Value = serde_json::from_slice(&body).unwrap();
        let mut response = convert(&review["request"]);
        response["uid"] = review["request"]["uid"].clone();
        json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}).to_string()
    };
    let router = Router::new().route("/convert", post(handler));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = TowerToHyperService::new(router);
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Hook { url: format!("https://localhost:{port}/convert"), bundle: STANDARD.encode(certificate.pem()), calls }
}

/// v1 has `spec.size`, v2 `spec.length`.
fn converted(request: &Value) -> Value {
    let to = request["desiredAPIVersion"].as_str().unwrap();
    let (from, into) = if to.ends_with("v2") { ("size", "length") } else { ("length", "size") };
    let objects: Vec<Value> = request["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| {
            let mut object = object.clone();
            object["apiVersion"] = json!(to);
            if let Some(value) = object["spec"].as_object_mut().and_then(|s| s.remove(from)) {
                object["spec"][into] = value;
            }
            object
        })
        .collect();
    json!({"convertedObjects": objects, "result": {"status": "Success"}})
}

async fn api(hook: &Hook) -> Fixture {
    let api = Fixture::new().await;
    let schema = |field: &str| json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {field: {"type": "integer"}}}}}});
    let mut crd = widgets(any());
    crd["spec"]["versions"] = json!([
        {"name": "v1", "served": true, "storage": true, "schema": schema("size")},
        {"name": "v2", "served": true, "storage": false, "schema": schema("length")},
    ]);
    crd["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": hook.url, "caBundle": hook.bundle}}});
    api.post(CRDS, &crd).await.expect(201);
    api
}

fn v2() -> String {
    WIDGETS.replace("v1", "v2")
}

fn long(name: &str, length: i64) -> Value {
    json!({"apiVersion": "example.com/v2", "kind": "Widget", "metadata": {"name": name}, "spec": {"length": length}})
}

#[tokio::test]
async fn a_webhook_converts() {
    let hook = serve(converted).await;
    let api = api(&hook).await;
    assert_eq!(api.post(&v2(), &long("a", 3)).await.expect(201)["spec"], json!({"length": 3}));
    api.post(WIDGETS, &widget("b", json!({"size": 4}))).await.expect(201);
    let first = api.get(&format!("{WIDGETS}/a")).await.expect(200);
    assert_eq!((&first["apiVersion"], &first["spec"]), (&json!("example.com/v1"), &json!({"size": 3})));
    let before = hook.calls.load(Ordering::Relaxed);
    let list = api.get(&v2()).await.expect(200);
    let lengths: Vec<i64> = list["items"].as_array().unwrap().iter().map(|i| i["spec"]["length"].as_i64().unwrap()).collect();
    assert_eq!((lengths, hook.calls.load(Ordering::Relaxed)), (vec![3, 4], before + 1), "one call for the whole list");
    let mut events = api.watch(&format!("{}?watch=1", v2())).await;
    assert_eq!(events.next().await.unwrap()["object"]["spec"], json!({"length": 3}));
    assert_eq!(events.told().await, "ADDED b");
    api.patch(&format!("{WIDGETS}/a"), "merge", &json!({"spec": {"size": 7}})).await.expect(200);
    assert_eq!(events.next().await.unwrap()["object"]["spec"], json!({"length": 7}));
    let patched = api.patch(&format!("{}/a", v2()), "merge", &json!({"spec": {"length": 8}})).await.expect(200);
    assert_eq!((&patched["spec"], &patched["metadata"]["generation"]), (&json!({"length": 8}), &json!(3)));
    let applied = api.patch(&format!("{}/c?fieldManager=m", v2()), "apply", &long("c", 1)).await.expect(201);
    assert_eq!(applied["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"], json!({"f:length": {}}));
    assert_eq!(api.get(&format!("{WIDGETS}/c")).await.expect(200)["spec"], json!({"size": 1}));
    api.delete(&v2()).await.expect(200);
    assert_eq!(api.get(WIDGETS).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_webhook_that_fails_is_told() {
    let table: [(Convert, &str); 5] = [
        (|_| json!({"result": {"status": "Failed", "message": "not today"}}), "failed: not today"),
        (|_| json!({"convertedObjects": [], "result": {"status": "Success"}}), "returned 0 objects, expected 1"),
        (
            |r| {
                let mut answer = converted(r);
                answer["convertedObjects"][0]["metadata"]["name"] = json!("other");
                answer
            },
            "returned invalid converted object at index 0: must have the same name: a != other",
        ),
        (
            |r| {
                let mut answer = converted(r);
                answer["convertedObjects"][0]["apiVersion"] = json!("example.com/v3");
                answer
            },
            "returned invalid converted object at index 0: invalid groupVersion (expected example.com/v1, received example.com/v3)",
        ),
        (
            |r| {
                let mut answer = converted(r);
                answer["convertedObjects"][0]["metadata"]["labels"] = json!({"a b": "c"});
                answer
            },
            "returned invalid metadata in object at index 0: metadata.labels: ",
        ),
    ];
    for (convert, expect) in table {
        let hook = serve(convert).await;
        let api = api(&hook).await;
        let refused = api.post(&v2(), &long("a", 3)).await;
        assert_eq!(refused.code, 500);
        let expect = format!("conversion webhook for example.com/v2, Kind=Widget {expect}");
        assert!(refused.message().starts_with(&expect), "{} instead of {expect}", refused.message());
    }
    // Metadata but labels and annotations is the server's.
    let hook = serve(|r| {
        let mut answer = converted(r);
        answer["convertedObjects"][0]["metadata"]["labels"] = json!({"by": "hook"});
        answer["convertedObjects"][0]["metadata"]["generation"] = json!(99);
        answer
    })
    .await;
    let api = api(&hook).await;
    api.post(&v2(), &long("a", 3)).await.expect(201);
    let got = api.get(&format!("{WIDGETS}/a")).await.expect(200);
    assert_eq!((&got["metadata"]["labels"], &got["metadata"]["generation"]), (&json!({"by": "hook"}), &json!(1)));
}

#[tokio::test]
async fn an_untrusted_webhook_is_not_asked() {
    let (mut hook, other) = (serve(converted).await, serve(converted).await);
    hook.bundle = other.bundle;
    let api = api(&hook).await;
    let refused = api.post(&v2(), &long("a", 3)).await;
    assert!(refused.code == 500 && refused.message().contains("tls: failed to verify certificate"), "{}", refused.message());
    assert_eq!(hook.calls.load(Ordering::Relaxed), 0);
}

/// v1 has `hostPort`, v2 `host` and `port`: the example of upstream's tests.
fn host_port(request: &Value) -> Value {
    let to = request["desiredAPIVersion"].as_str().unwrap();
    let convert = |object: &Value| {
        let mut object = object.clone();
        object["apiVersion"] = json!(to);
        let map = object.as_object_mut().unwrap();
        if to.ends_with("v2") {
            if let Some(joined) = map.remove("hostPort") {
                let (host, port) = joined.as_str().unwrap().split_once(':').unwrap_or_default();
                map.insert("host".to_owned(), json!(host));
                map.insert("port".to_owned(), json!(port));
            }
        } else {
            let (host, port) = (map.remove("host").unwrap_or_default(), map.remove("port").unwrap_or_default());
            map.insert("hostPort".to_owned(), json!(format!("{}:{}", host.as_str().unwrap_or(""), port.as_str().unwrap_or(""))));
        }
        object
    };
    let objects: Vec<Value> = request["objects"].as_array().unwrap().iter().map(convert).collect();
    json!({"convertedObjects": objects, "result": {"status": "Success"}})
}

#[tokio::test]
async fn fields_are_selected_in_the_version_that_is_asked() {
    let hook = serve(host_port).await;
    let api = Fixture::new().await;
    let version = |name: &str, storage: bool, fields: &[&str]| {
        let properties: serde_json::Map<String, Value> = fields.iter().map(|f| ((*f).to_owned(), json!({"type": "string"}))).collect();
        let selectable: Vec<Value> = fields.iter().map(|f| json!({"jsonPath": format!(".{f}")})).collect();
        json!({"name": name, "served": true, "storage": storage, "selectableFields": selectable,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}})
    };
    let mut crd = widgets(any());
    crd["spec"]["versions"] = json!([version("v1", true, &["hostPort"]), version("v2", false, &["host", "port"])]);
    crd["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1", "v1beta1"], "clientConfig": {"url": hook.url, "caBundle": hook.bundle}}});
    api.post(CRDS, &crd).await.expect(201);
    let (host, both, joined) = ("fieldSelector=host%3Dhost1", "fieldSelector=host%3Dhost1,port%3D80", "fieldSelector=hostPort%3Dhost1:80");
    let mut of_host = api.watch(&format!("{}?watch=1&{host}", v2())).await;
    let mut of_both = api.watch(&format!("{}?watch=1&{both}", v2())).await;
    let mut of_joined = api.watch(&format!("{WIDGETS}?watch=1&{joined}")).await;
    for (name, fields) in
        [("a", json!({"host": "host1", "port": "80"})), ("b", json!({"host": "host1", "port": "8080"})), ("c", json!({"host": "host2"}))]
    {
        let mut object = json!({"apiVersion": "example.com/v2", "kind": "Widget", "metadata": {"name": name}});
        object::patch::merge::apply(&mut object, &fields);
        api.post(&v2(), &object).await.expect(201);
    }
    let listed = async |path: String| {
        let list = api.get(&path).await.expect(200);
        list["items"].as_array().unwrap().iter().map(|i| i["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(format!("{}?{host}", v2())).await, ["a", "b"]);
    assert_eq!(listed(format!("{}?{both}", v2())).await, ["a"]);
    assert_eq!(listed(format!("{WIDGETS}?{joined}")).await, ["a"]);
    assert_eq!(listed(format!("{WIDGETS}?{joined}81")).await, [""; 0]);
    assert_eq!(listed(format!("{WIDGETS}?fieldSelector=hostPort%3Dhost1:8080")).await, ["b"]);
    api.get(&format!("{WIDGETS}?{host}")).await.expect(400);
    assert_eq!((of_host.told().await, of_host.told().await), ("ADDED a".to_owned(), "ADDED b".to_owned()));
    assert_eq!(of_both.told().await, "ADDED a");
    assert_eq!(of_joined.told().await, "ADDED a");
    api.send("DELETE", &format!("{}?{both}", v2()), "application/json", "", json!({"gracePeriodSeconds": 0}).to_string()).await.expect(200);
    let mut b = api.get(&format!("{}/b", v2())).await.expect(200);
    b["host"] = json!("host2");
    api.put(&format!("{}/b", v2()), &b).await.expect(200);
    assert_eq!(listed(format!("{}?{host}", v2())).await, [""; 0]);
    assert_eq!((of_host.told().await, of_host.told().await), ("DELETED a".to_owned(), "DELETED b".to_owned()));
    assert_eq!(of_both.told().await, "DELETED a");
    assert_eq!(of_joined.told().await, "DELETED a");
}
