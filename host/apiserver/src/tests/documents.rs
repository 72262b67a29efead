//! What the server tells about itself: discovery, OpenAPI, health, metrics.

use super::{Answer, Fixture, config_map};
use crate::gzip;
use axum::body::Body;
use http_body_util::BodyExt;
use object::{Value, json};
use registry::{Registry, RuntimeConfig};

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2BETA1: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

async fn ask(f: &Fixture, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = http::Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(f.user.clone().unwrap());
    let (parts, body) = f.service.handle(request).await.into_parts();
    Answer { code: parts.status.as_u16(), headers: parts.headers, bytes: body.collect().await.unwrap().to_bytes() }
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |v| v.to_str().unwrap())
}

/// The answer's text, whatever it was sent as.
fn plain(answer: &Answer) -> Value {
    let text = if header(answer, "content-encoding") == "gzip" { gzip::undo(&answer.bytes).unwrap() } else { answer.bytes.to_vec() };
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn discovery_is_negotiated_and_revalidated() {
    let f = Fixture::new().await;
    for (path, accept, kind, version) in [
        ("/api", "application/json", "APIVersions", ""),
        ("/apis", "application/json", "APIGroupList", "v1"),
        ("/apis", &format!("{V2},{V2BETA1},application/json"), "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"),
        ("/apis", &format!("{V2BETA1},application/json"), "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2beta1"),
        ("/api", V2, "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"),
        ("/apis", &format!("application/json,{V2}"), "APIGroupList", "v1"),
        ("/apis/apps", V2, "APIGroup", "v1"),
    ] {
        let answer = ask(&f, path, &[("accept", accept)]).await;
        if path == "/apis/apps" {
            // Only the roots have the aggregated form.
            assert_eq!(answer.code, 406, "{path}");
            continue;
        }
        let told = plain(&answer);
        assert_eq!((&told["kind"], told["apiVersion"].as_str().unwrap_or_default()), (&json!(kind), version), "{path} {accept}");
        if kind == "APIGroupDiscoveryList" {
            assert!(header(&answer, "content-type").ends_with("as=APIGroupDiscoveryList"));
            let tag = header(&answer, "etag").to_owned();
            let again = ask(&f, path, &[("accept", accept), ("if-none-match", &tag)]).await;
            assert_eq!((again.code, again.bytes.len(), header(&again, "etag")), (304, 0, tag.as_str()));
            assert_eq!(ask(&f, path, &[("accept", accept), ("if-none-match", "\"x\"")]).await.code, 200);
        }
    }
    let yaml = ask(&f, "/apis/apps/v1", &[("accept", "application/yaml")]).await;
    assert!(yaml.bytes.starts_with(b"apiVersion: v1\n"), "{:?}", yaml.bytes);
}

#[tokio::test]
async fn openapi_is_named_by_its_hash() {
    let f = Fixture::new().await;
    let index = plain(&ask(&f, "/openapi/v3", &[]).await);
    for (path, entry) in index["paths"].as_object().unwrap() {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        let answer = ask(&f, url, &[]).await;
        assert_eq!(answer.code, 200, "{path}");
        assert_eq!(header(&answer, "cache-control"), "public, immutable");
        assert!(header(&answer, "expires").ends_with(" GMT"));
        let tag = header(&answer, "etag");
        assert!(url.ends_with(&format!("?hash={}", tag.trim_matches('"'))), "{url} {tag}");
    }
    let stale = ask(&f, "/openapi/v3/apis/apps/v1?hash=old", &[]).await;
    assert_eq!((stale.code, header(&stale, "location")), (301, index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap()));
    for path in ["/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1"] {
        let packed = ask(&f, path, &[("accept-encoding", "gzip")]).await;
        let whole = ask(&f, path, &[]).await;
        assert_eq!((header(&packed, "content-encoding"), header(&whole, "content-encoding")), ("gzip", ""));
        assert_eq!(plain(&packed), plain(&whole));
        assert!(packed.bytes.len() < whole.bytes.len());
        let tag = header(&whole, "etag").to_owned();
        assert_eq!(ask(&f, path, &[("if-none-match", &tag)]).await.code, 304, "{path}");
        assert_eq!(ask(&f, path, &[("accept", "text/html")]).await.code, 406);
    }
    assert_eq!(ask(&f, "/openapi/v3/apis/none/v1", &[]).await.code, 404);
    let asked = [("accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")];
    let protobuf = ask(&f, "/openapi/v2", &asked).await;
    assert_eq!(header(&protobuf, "content-type"), "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert!(protobuf.bytes.starts_with(b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.37.0"), "{:?}", protobuf.bytes.slice(..40));
}

#[tokio::test]
async fn documents_follow_the_rows() {
    let f = Fixture::new().await;
    let index = async |f: &Fixture| plain(&ask(f, "/openapi/v3", &[]).await)["paths"]["apis/example.com/v1"].clone();
    assert_eq!(index(&f).await, Value::Null);
    let definition = object::Object::from_value(json!({
        "metadata": { "name": "widgets.example.com", "uid": "u" },
        "spec": { "group": "example.com", "scope": "Namespaced", "names": { "plural": "widgets", "kind": "Widget" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } }] },
        "status": { "acceptedNames": { "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList" } },
    }));
    let definition = definition.unwrap();
    let family = std::sync::Arc::new(registry::custom::rows::family(&definition));
    f.server.registry().replace_custom(registry::custom::rows::of(&definition, &family));
    assert!(index(&f).await.is_object());
    let swagger = plain(&ask(&f, "/openapi/v2", &[]).await);
    assert!(swagger["definitions"]["com.example.v1.Widget"].is_object());
    let aggregated = plain(&ask(&f, "/apis", &[("accept", V2)]).await);
    assert!(aggregated["items"].as_array().unwrap().iter().any(|g| g["metadata"]["name"] == "example.com"));
    f.server.registry().replace_custom(Vec::new());
    assert_eq!(index(&f).await, Value::Null);
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_ask() {
    let f = Fixture::new().await;
    let path = "/api/v1/namespaces/default/configmaps";
    for name in ["a", "b"] {
        let mut map = config_map(name);
        map["data"] = json!({ "k": "v".repeat(100_000) });
        f.post(path, &map).await.expect(201);
    }
    for (path, encoding, expect) in
        [(path.to_owned(), "gzip", "gzip"), (path.to_owned(), "br", ""), (format!("{path}/a"), "gzip", ""), (path.to_owned(), "", "")]
    {
        let headers: &[(&str, &str)] = if encoding.is_empty() { &[] } else { &[("accept-encoding", encoding)] };
        let answer = ask(&f, &path, headers).await;
        assert_eq!((answer.code, header(&answer, "content-encoding")), (200, expect), "{path} {encoding}");
        assert!(plain(&answer)["metadata"].is_object());
        assert_eq!(header(&answer, "vary").contains("Accept-Encoding"), expect == "gzip");
    }
}

#[tokio::test]
async fn health_is_told_check_by_check() {
    let f = Fixture::new().await;
    let told = async |path: &str| {
        let answer = ask(&f, path, &[]).await;
        (answer.code, String::from_utf8(answer.bytes.to_vec()).unwrap())
    };
    for path in ["/livez", "/readyz", "/healthz", "/readyz/etcd", "/livez/ping", "/readyz/poststarthook/bootstrap-controller"] {
        assert_eq!(told(path).await, (200, "ok".to_owned()), "{path}");
    }
    assert_eq!(told("/livez/informer-sync").await.0, 404);
    let (_, text) = told("/livez?verbose").await;
    let hooks = [
        "start-system-namespaces-controller",
        "crd-informer-synced",
        "rbac/bootstrap-roles",
        "scheduling/bootstrap-system-priority-classes",
        "start-kubernetes-service-cidr-controller",
        "bootstrap-controller",
    ];
    let hooks: String = hooks.iter().map(|hook| format!("[+]poststarthook/{hook} ok\n")).collect();
    assert_eq!(text, format!("[+]ping ok\n[+]log ok\n[+]etcd ok\n{hooks}livez check passed\n"));
    assert_eq!(told("/readyz/poststarthook/rbac/bootstrap-roles").await.0, 200);
    let (_, text) = told("/readyz?verbose&exclude=etcd&exclude=none").await;
    assert!(text.contains("[+]etcd excluded: ok\n") && text.contains("[+]informer-sync ok\n"), "{text}");
    assert!(text.ends_with("warn: some health checks cannot be excluded: no matches for \"none\"\nreadyz check passed\n"), "{text}");
    f.store.close().await.unwrap();
    let (code, text) = told("/readyz").await;
    assert_eq!(code, 500);
    assert!(text.contains("[-]etcd failed: reason withheld\n") && text.ends_with("readyz check failed\n"), "{text}");
    assert_eq!(told("/readyz/etcd").await, (500, "internal server error: the store is closed\n".to_owned()));
}

#[tokio::test]
async fn metrics_have_the_names_that_dashboards_use() {
    let f = Fixture::new().await;
    f.post("/api/v1/namespaces/default/configmaps?dryRun=All", &config_map("a")).await.expect(201);
    f.post("/api/v1/namespaces/default/configmaps", &config_map("a")).await.expect(201);
    f.get("/api/v1/namespaces/default/configmaps/none").await.expect(404);
    f.get("/apis/made.up/v1/things").await.expect(404);
    let mut watch = f.watch("/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=0").await;
    while watch.told().await != "ADDED a" {}
    let text = String::from_utf8(ask(&f, "/metrics", &[]).await.bytes.to_vec()).unwrap();
    let maps = "group=\"\",version=\"v1\",resource=\"configmaps\"";
    for line in [
        format!(
            "apiserver_request_total{{verb=\"POST\",dry_run=\"\",{maps},subresource=\"\",scope=\"resource\",component=\"apiserver\",code=\"201\"}} 1"
        ),
        format!(
            "apiserver_request_total{{verb=\"POST\",dry_run=\"All\",{maps},subresource=\"\",scope=\"resource\",component=\"apiserver\",code=\"201\"}} 1"
        ),
        format!(
            "apiserver_request_total{{verb=\"GET\",dry_run=\"\",{maps},subresource=\"\",scope=\"resource\",component=\"apiserver\",code=\"404\"}} 1"
        ),
        format!("apiserver_longrunning_requests{{verb=\"WATCH\",{maps},subresource=\"\",scope=\"namespace\",component=\"apiserver\"}} 1"),
        "etcd_requests_total{operation=\"create\",group=\"\",resource=\"configmaps\"} 1".to_owned(),
        "apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(text.contains(&format!("apiserver_watch_events_total{{{maps}}} ")));
    assert!(!text.contains("made.up"));
    drop(watch);
    let text = String::from_utf8(ask(&f, "/metrics", &[]).await.bytes.to_vec()).unwrap();
    assert!(text.contains(&format!(
        "apiserver_longrunning_requests{{verb=\"WATCH\",{maps},subresource=\"\",scope=\"namespace\",component=\"apiserver\"}} 0"
    )));
}

#[tokio::test]
async fn what_is_switched_off_is_not_there() {
    let config: RuntimeConfig = "batch/v1=false,apps/v1/daemonsets=false,autoscaling/v2=false".parse().unwrap();
    let store: std::sync::Arc<dyn store::Store> = store::memory::MemoryStore::new();
    let server = crate::ApiServer::new(crate::Config::default(), store.clone(), Registry::configured(&config)).unwrap();
    server.bootstrap().await.unwrap();
    let f = Fixture { service: server.service(), server, store, user: Some(interfaces::authorize::UserInfo::master("tester")) };
    for path in ["/apis/batch", "/apis/batch/v1", "/apis/batch/v1/jobs", "/apis/apps/v1/daemonsets", "/openapi/v3/apis/batch/v1"] {
        assert_eq!(f.get(path).await.code, 404, "{path}");
    }
    let groups = f.get("/apis").await.expect(200);
    assert!(!groups.to_string().contains("\"batch\""));
    let apps = f.get("/apis/apps/v1").await.expect(200).to_string();
    assert!(apps.contains("\"deployments\"") && !apps.contains("\"daemonsets\""));
    // Stored in the form of a version that is not served.
    let scaler = json!({ "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "a" },
        "spec": { "maxReplicas": 2, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" } } });
    let path = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    f.post(path, &scaler).await.expect(201);
    assert_eq!(f.get(&format!("{path}/a")).await.expect(200)["apiVersion"], "autoscaling/v1");
    assert_eq!(f.get(&path.replace("v1", "v2")).await.code, 404);
}
