//! Lists, pages, watches, forms and unknown paths.

use super::{Fixture, config_map};
use crate::Config;
use object::{Value, json};
use std::time::Duration;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn with_maps(f: &Fixture, names: &[&str]) {
    for name in names {
        f.post(MAPS, &config_map(name)).await.expect(201);
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|i| i["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_show_one_moment() {
    let f = Fixture::new().await;
    with_maps(&f, &["a", "b", "c", "d", "e"]).await;
    let first = f.get(&format!("{MAPS}?limit=2")).await.expect(200);
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
    // What happens between pages is not seen by later pages.
    f.delete(&format!("{MAPS}/d")).await.expect(200);
    with_maps(&f, &["cc"]).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = f.get(&format!("{MAPS}?limit=2&continue={token}")).await.expect(200);
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let third = f.get(&format!("{MAPS}?limit=2&continue={token}")).await.expect(200);
    assert_eq!((names(&third), &third["metadata"]["continue"]), (vec!["e"], &Value::Null));
    // After a compaction the page cannot be shown; a token for the rest is offered.
    f.store.compact(f.store.revision()).await.unwrap();
    let gone = f.get(&format!("{MAPS}?limit=2&continue={token}")).await;
    assert_eq!(gone.code, 410);
    let gone = gone.json();
    assert_eq!(gone["reason"], "Expired");
    let rest = gone["metadata"]["continue"].as_str().unwrap();
    assert_eq!(names(&f.get(&format!("{MAPS}?limit=9&continue={rest}")).await.expect(200)), ["e"]);
    let revision = first["metadata"]["resourceVersion"].as_str().unwrap();
    let exact = f.get(&format!("{MAPS}?resourceVersion={revision}&resourceVersionMatch=Exact")).await;
    assert_eq!((exact.code, exact.message().starts_with("The resourceVersion for the provided list is too old")), (410, true));
    assert_eq!(f.get(&format!("{MAPS}?continue=zzz")).await.code, 400);
    assert_eq!(f.get(&format!("{MAPS}?resourceVersionMatch=Exact")).await.code, 422);
}

/// A token that was made up shows nothing beyond the namespace and the revisions there are.
#[tokio::test]
async fn tokens_are_not_believed() {
    use base64::Engine;
    let f = Fixture::new().await;
    with_maps(&f, &["a", "b"]).await;
    f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "before" } })).await.expect(201);
    f.post("/api/v1/namespaces/before/configmaps", &config_map("secret")).await.expect(201);
    let now = f.store.revision();
    f.post(MAPS, &config_map("c")).await.expect(201);
    for (revision, start, code) in [
        (now, "default/a", 200),
        (now, "before/a", 400),
        (now, "/", 400),
        (now, "default", 400),
        (0, "before/a", 400),
        (now + 100_000, "default/a", 504),
    ] {
        let token = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(json!({ "v": "meta.k8s.io/v1", "rv": revision, "start": start }).to_string());
        let page = f.get(&format!("{MAPS}?continue={token}")).await;
        assert_eq!(page.code, code, "{revision} {start}");
        if code == 200 {
            assert_eq!(names(&page.json()), ["b"]);
        }
    }
    // Without a limit an old revision is a lower bound, not a page of the past.
    assert_eq!(names(&f.get(&format!("{MAPS}?limit=0&resourceVersion={now}")).await.expect(200)), ["a", "b", "c"]);
    assert_eq!(names(&f.get(&format!("{MAPS}?limit=9&resourceVersion={now}")).await.expect(200)), ["a", "b"]);
    let refused = f.get(&format!("{MAPS}?sendInitialEvents=true")).await;
    assert_eq!((refused.code, refused.message().contains("sendInitialEvents is forbidden for list")), (422, true));
    for name in ["..", "%2e%2e", "a%2Fb", "a%25"] {
        let refused = f.get(&format!("{MAPS}/{name}")).await;
        assert_eq!((refused.code, refused.message().starts_with("Name parameter invalid")), (400, true), "{name}");
    }
}

#[tokio::test]
async fn selectors() {
    let f = Fixture::new().await;
    with_maps(&f, &["a", "b"]).await;
    f.patch(&format!("{MAPS}/b"), "merge", &json!({ "metadata": { "labels": { "x": "1" } } })).await.expect(200);
    for (query, expect) in [
        ("labelSelector=x", vec!["b"]),
        ("labelSelector=!x", vec!["a"]),
        ("labelSelector=x+in+(1,2)", vec!["b"]),
        ("fieldSelector=metadata.name%3Da", vec!["a"]),
        ("fieldSelector=metadata.name!%3Da", vec!["b"]),
        ("fieldSelector=metadata.namespace%3Ddefault", vec!["a", "b"]),
    ] {
        assert_eq!(names(&f.get(&format!("{MAPS}?{query}")).await.expect(200)), expect, "{query}");
    }
    let bad = f.get(&format!("{MAPS}?fieldSelector=spec.x%3Da")).await;
    assert_eq!((bad.code, bad.message()), (400, "field label not supported: spec.x".to_owned()));
    assert_eq!(f.get(&format!("{MAPS}?labelSelector=a%3D%3D%3Db")).await.code, 400);
}

#[tokio::test]
async fn watches_follow_selectors_and_revisions() {
    let f = Fixture::new().await;
    with_maps(&f, &["a"]).await;
    let mut selected = f.watch(&format!("{MAPS}?watch=1&labelSelector=x%3D1")).await;
    let mut all = f.watch(&format!("{MAPS}?watch=1")).await;
    assert_eq!(all.told().await, "ADDED a");
    f.patch(&format!("{MAPS}/a"), "merge", &json!({ "metadata": { "labels": { "x": "1" } } })).await.expect(200);
    let before = f.patch(&format!("{MAPS}/a"), "merge", &json!({ "data": { "k": "2" } })).await.expect(200);
    let left = f.patch(&format!("{MAPS}/a"), "merge", &json!({ "metadata": { "labels": { "x": "2" } } })).await.expect(200);
    f.delete(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!(selected.told().await, "ADDED a");
    assert_eq!(selected.told().await, "MODIFIED a");
    // Leaving the selection is a deletion of the state that matched, at the revision of the change.
    let deleted = selected.next().await.unwrap();
    assert_eq!(deleted["type"], "DELETED");
    assert_eq!(deleted["object"]["metadata"]["labels"]["x"], "1");
    assert_eq!(deleted["object"]["metadata"]["resourceVersion"], left["metadata"]["resourceVersion"]);
    for expect in ["MODIFIED a", "MODIFIED a", "MODIFIED a"] {
        assert_eq!(all.told().await, expect);
    }
    let deleted = all.next().await.unwrap();
    assert_eq!(deleted["type"], "DELETED");
    let revision = |v: &Value| v["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(revision(&deleted["object"]) > revision(&left));
    // From a revision of the past.
    let mut late = f.watch(&format!("{MAPS}?watch=1&resourceVersion={}", revision(&before))).await;
    assert_eq!((late.told().await, late.told().await), ("MODIFIED a".to_owned(), "DELETED a".to_owned()));
}

#[tokio::test]
async fn watches_read_the_history_before_the_cache() {
    let f = Fixture::new().await;
    let start = f.store.revision();
    with_maps(&f, &["a", "b"]).await;
    f.delete(&format!("{MAPS}/a")).await.expect(200);
    // A new server on the same store has an empty ring.
    let server = crate::ApiServer::new(Config::default(), f.store.clone(), registry::Registry::builtin()).unwrap();
    let g = Fixture { service: server.service(), server, store: f.store.clone(), user: f.user.clone() };
    let mut watch = g.watch(&format!("{MAPS}?watch=1&resourceVersion={start}")).await;
    for expect in ["ADDED a", "ADDED b", "DELETED a"] {
        assert_eq!(watch.told().await, expect);
    }
    g.post(MAPS, &config_map("c")).await.expect(201);
    assert_eq!(watch.told().await, "ADDED c");
    f.store.compact(f.store.revision()).await.unwrap();
    let server = crate::ApiServer::new(Config::default(), f.store.clone(), registry::Registry::builtin()).unwrap();
    let g = Fixture { service: server.service(), server, store: f.store.clone(), user: f.user.clone() };
    let mut watch = g.watch(&format!("{MAPS}?watch=1&resourceVersion=1")).await;
    let error = watch.next().await.unwrap();
    assert_eq!((&error["type"], &error["object"]["code"], &error["object"]["reason"]), (&json!("ERROR"), &json!(410), &json!("Expired")));
    assert!(error["object"]["message"].as_str().unwrap().starts_with("too old resource version: 1 ("));
    assert_eq!(watch.told().await, "end");
}

#[tokio::test]
async fn bookmarks() {
    let f = Fixture::with(Config { bookmark_interval: Duration::from_millis(20), ..Config::default() }).await;
    with_maps(&f, &["a"]).await;
    let path = format!("{MAPS}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    let mut watch = f.watch(&path).await;
    assert_eq!(watch.told().await, "ADDED a");
    let end = watch.next().await.unwrap();
    assert_eq!((&end["type"], &end["object"]["kind"]), (&json!("BOOKMARK"), &json!("ConfigMap")));
    assert_eq!(end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    // Writes to other kinds move the bookmark of a quiet one.
    let made = f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "n" } })).await.expect(201);
    loop {
        let mark = watch.next().await.unwrap();
        assert_eq!(mark["type"], "BOOKMARK");
        if mark["object"]["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"] {
            break;
        }
    }
    let mut none = f.watch(&format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0")).await;
    assert_eq!((none.told().await, none.told().await), ("ADDED a".to_owned(), "end".to_owned()));
    assert_eq!(f.get(&format!("{MAPS}?watch=1&sendInitialEvents=true")).await.code, 422);
}

#[tokio::test]
async fn forms() {
    let f = Fixture::new().await;
    with_maps(&f, &["a"]).await;
    let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = f.send("GET", MAPS, "", partial, "").await.expect(200);
    assert_eq!((&list["kind"], &list["items"][0]["kind"]), (&json!("PartialObjectMetadataList"), &json!("PartialObjectMetadata")));
    assert_eq!(list["items"][0]["data"], Value::Null);
    let table = "application/json;as=Table;g=meta.k8s.io;v=v1";
    let one = f.send("GET", &format!("{MAPS}/a?includeObject=Object"), "", table, "").await.expect(200);
    assert_eq!((&one["rows"][0]["cells"][0], &one["rows"][0]["object"]["data"]["k"]), (&json!("a"), &json!("v")));
    let yaml = f.send("GET", &format!("{MAPS}/a"), "", "application/yaml", "").await;
    assert!(String::from_utf8_lossy(&yaml.bytes).contains("name: a"));
    assert_eq!(f.send("GET", MAPS, "", "text/html", "").await.code, 406);
}

#[tokio::test]
async fn paths_and_methods() {
    let f = Fixture::new().await;
    for (method, path, code, told) in [
        ("GET", "/api/v1/nothings", 404, "the server could not find the requested resource"),
        ("GET", "/apis/none/v1", 404, "the server could not find the requested resource"),
        ("GET", "/apis/apps/v2/deployments", 404, "the server could not find the requested resource"),
        ("GET", "/api/v1/namespaces/default/nodes", 404, "the server could not find the requested resource"),
        ("GET", "/api/v1/pods/x", 404, "the server could not find the requested resource"),
        ("GET", "/api/v1/namespaces/default/pods/x/none", 404, "the server could not find the requested resource"),
        ("POST", "/api/v1/namespaces/default/pods/x", 405, "the server does not allow this method on the requested resource"),
        ("PUT", "/api/v1/namespaces/default/pods", 405, "the server does not allow this method on the requested resource"),
        ("DELETE", "/api/v1/namespaces", 405, "the server does not allow this method on the requested resource"),
        ("GET", "/api/v1/namespaces/default/pods/x", 404, "pods \"x\" not found"),
        ("GET", "/apis/apps/v1/namespaces/default/deployments/x", 404, "deployments.apps \"x\" not found"),
        ("DELETE", "/api/v1/namespaces/default", 403, "namespaces \"default\" is forbidden: this namespace may not be deleted"),
    ] {
        let answer = f.send(method, path, "", "", "").await;
        assert_eq!((answer.code, answer.message()), (code, told.to_owned()), "{method} {path}");
    }
    let plain = f.get("/nothing").await;
    assert_eq!((plain.code, &plain.bytes[..]), (404, &b"404 page not found\n"[..]));
    for path in [
        "/",
        "/version",
        "/healthz",
        "/livez",
        "/readyz?verbose",
        "/metrics",
        "/api",
        "/apis",
        "/api/v1",
        "/apis/apps",
        "/apis/apps/v1",
        "/openapi/v3",
        "/openapi/v3/apis/apps/v1",
    ] {
        assert_eq!(f.get(path).await.code, 200, "{path}");
    }
    let aggregated = f.send("GET", "/apis", "", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "").await;
    assert_eq!(aggregated.json()["kind"], "APIGroupDiscoveryList");
    let mut g = Fixture::new().await;
    g.user = None;
    assert_eq!(g.get("/api").await.code, 401);
    assert_eq!(g.get("/readyz").await.code, 200);
}
