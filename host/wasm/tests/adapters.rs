//! Adapters and HTTP middleware: the examples, and an adapter that misbehaves.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail the test too.

#[path = "support/node.rs"]
mod support;

use interfaces::adapt::{Adapter, Answer, Kind, Line, Origin, Source};
use interfaces::middleware::{Decision, Middleware, Request, RequestChanges, Response};
use object::{Object, Value, json};
use std::path::Path;
use std::sync::Arc;
use support::built;
use wasm::plugins::Config;
use wasm::plugins::prepare::{Around, Failed, Loading};
use wasm::plugins::worlds::Product;

async fn load(directory: &Path, world: &str, name: &str, more: Value) -> Result<Product, Failed> {
    let plugins_dir = built(name).map_or_else(|| directory.to_owned(), |path| path.parent().unwrap().to_owned());
    let (cache_dir, data_dir) = (directory.join("cache"), directory.join("data"));
    let loading =
        Loading::new(Config { plugins_dir, data_dir, cache_dir, fetch: None, node_name: "node".to_owned(), images_only: false }).unwrap();
    let mut spec = json!({ "world": world, "path": format!("{name}.wasm") });
    object::patch::merge::apply(&mut spec, &more);
    let object = Object::from_value(json!({ "metadata": { "name": name, "uid": "u" }, "spec": spec })).unwrap();
    Ok(loading.prepare(&Arc::new(object), None, Around::alone()).await?.loaded.product)
}

async fn adapter(directory: &Path, name: &str, more: Value) -> Arc<dyn Adapter> {
    match load(directory, "adapter", name, more).await {
        Ok(Product::Adapter(row)) => row.adapter,
        Ok(_) => panic!("another world"),
        Err(failed) => panic!("{}", failed.message),
    }
}

fn origin() -> Origin {
    Origin {
        namespace: "n".into(),
        pod: "p".into(),
        uid: "u".into(),
        container: "c".into(),
        attempt: 0,
        source: Source::File,
        path: "/r".into(),
        arguments: vec![("mark".into(), "> ".into())],
    }
}

fn lines(texts: &[&str]) -> Vec<Line> {
    texts.iter().map(|text| Line { time: 7, text: text.as_bytes().to_vec(), continues: false }).collect()
}

fn texts(answer: &Answer) -> Vec<String> {
    answer.lines.iter().map(|line| String::from_utf8(line.text.clone()).unwrap()).collect()
}

#[tokio::test]
async fn the_report_is_rewritten_over_several_calls() {
    if built("adapter-report").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let adapter = adapter(directory.path(), "adapter-report", json!({})).await;
    let first = adapter.process(&origin(), b"", &lines(&["hello", "REPORT 20260131 STORE 0042"])).await.unwrap();
    assert_eq!(texts(&first), ["hello"]);
    let rest = ["ITEM   0001 WIDGET \"X\"          0000012 0001999", "ITEM   broken", "TOTAL  0001"];
    let second = adapter.process(&origin(), &first.carry, &lines(&rest)).await.unwrap();
    let item = r#"{"date":"2026-01-31","item":"0001","name":"WIDGET \"X\"","price":19.99,"quantity":12,"store":"0042"}"#;
    assert_eq!(texts(&second), [item, "ITEM   broken", r#"{"complete":true,"items":1,"store":"0042"}"#]);
    assert_eq!(second.lines[0].time, 7);
    let sold = second.samples.iter().find(|sample| sample.name == "report_items_sold_total").unwrap();
    assert_eq!((sold.kind, sold.value), (Kind::Counter, 12.0));
    assert_eq!(adapter.flush(&origin(), &second.carry).await, Ok(Answer::default()));
}

#[tokio::test]
async fn an_adapter_that_misbehaves_is_contained() {
    if built("adapter-told").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let adapter = adapter(directory.path(), "adapter-told", json!({"limits": {"timeoutMilliseconds": 200, "memoryMiB": 8}})).await;
    for (told, expect) in [
        ("trap", "trapped"),
        ("loop", "exceeded its time of 200 ms"),
        ("hog", "exceeded its memory of 8 MiB"),
        ("recurse", "trapped"),
        ("flood", "at most 4096 are allowed"),
        ("carry", "at most 65536 are allowed"),
        ("error", "told to fail"),
    ] {
        let error = adapter.process(&origin(), b"", &lines(&["a", told])).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{told}: {error}");
        let good = adapter.process(&origin(), b"", &lines(&["a"])).await.unwrap();
        assert_eq!(texts(&good), ["> a"], "after {told}");
    }
    let failed = load(directory.path(), "http-middleware", "adapter-told", json!({})).await.err().unwrap();
    assert!(failed.message.contains("on-request"), "{}", failed.message);
}

#[tokio::test]
async fn the_middleware_knows_its_callers() {
    if built("middleware-auth").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let config = json!({"config": {"users": "alice=a1, bob=b2", "open": "/healthz"}});
    let Ok(Product::Middleware(row)) = load(directory.path(), "http-middleware", "middleware-auth", config).await else {
        panic!("not loaded")
    };
    let auth: Arc<dyn Middleware> = row.middleware;
    assert!(auth.sees_responses());
    let request = |path: &str, token: &str| Request {
        method: "GET".into(),
        path: path.into(),
        headers: if token.is_empty() { vec![] } else { vec![("authorization".into(), format!("Bearer {token}").into_bytes())] },
        ..Request::default()
    };
    let known = auth.on_request(&request("/x?y", "b2"), None).await.unwrap();
    let Decision::Next(RequestChanges { set, remove, context, .. }) = known else { panic!("{known:?}") };
    assert_eq!((set, context), (vec![("x-user".to_owned(), b"bob".to_vec())], b"bob".to_vec()));
    assert_eq!(remove, ["authorization", "x-user"]);
    for (path, token, passes) in
        [("/x", "", false), ("/x", "b", false), ("/x", "b22", false), ("/healthz?deep", "", true), ("/healthz/x", "", false)]
    {
        let decision = auth.on_request(&request(path, token), None).await.unwrap();
        assert_eq!(matches!(decision, Decision::Next(_)), passes, "{path} {token}: {decision:?}");
        assert!(passes || matches!(decision, Decision::Respond(Response { status: 401, .. }, _)));
    }
    let changes = auth.on_response(&request("/", "b2"), &Response { status: 200, headers: vec![] }, b"bob").await.unwrap();
    assert!(changes.set.contains(&("cache-control".to_owned(), b"private".to_vec())), "{changes:?}");
}
