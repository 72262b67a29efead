//! Admission plugins: what they are told and answer.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers fail the test too.

#[path = "support/node.rs"]
mod support;

use interfaces::admit::{AdmissionRequest, AdmissionRow, Admitted, Change, Document, Operation, Refusal};
use interfaces::authorize::UserInfo;
use object::{Gvk, Gvr, Object, Value, json};
use std::path::Path;
use std::sync::Arc;
use support::built;
use wasm::plugins::Config;
use wasm::plugins::prepare::{Around, Failed, Loading};
use wasm::plugins::worlds::Product;

fn loading(directory: &Path) -> Loading {
    let plugins_dir = built("plugin-admission").map_or_else(|| directory.to_owned(), |path| path.parent().unwrap().to_owned());
    let (cache_dir, data_dir) = (directory.join("cache"), directory.join("data"));
    Loading::new(Config { plugins_dir, data_dir, cache_dir, fetch: None, images_only: false, node_name: "node".to_owned() }).unwrap()
}

async fn load(loading: &Loading, more: Value) -> Result<AdmissionRow, Failed> {
    let mut spec = json!({ "world": "admission", "path": "plugin-admission.wasm", "limits": { "timeoutMilliseconds": 200 } });
    object::patch::merge::apply(&mut spec, &more);
    let object = Object::from_value(json!({ "metadata": { "name": "p", "uid": "u" }, "spec": spec })).unwrap();
    match loading.prepare(&Arc::new(object), None, Around::alone()).await?.loaded.product {
        Product::Admission(row) => Ok(row),
        _ => panic!("another world"),
    }
}

fn map(told: &str) -> Object {
    Object::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "namespace": "n", "labels": { "a": "b" } },
        "data": { "do": told, "other": "x" },
    }))
    .unwrap()
}

fn request(told: &str) -> AdmissionRequest {
    AdmissionRequest {
        uid: "1".to_owned(),
        kind: Gvk::new("", "v1", "ConfigMap"),
        resource: Gvr::new("", "v1", "configmaps"),
        subresource: String::new(),
        request_kind: Gvk::new("", "v1", "ConfigMap"),
        request_resource: Gvr::new("", "v1", "configmaps"),
        request_subresource: String::new(),
        name: "m".to_owned(),
        namespace: "n".to_owned(),
        operation: Operation::Create,
        user: Arc::new(UserInfo::master("tester")),
        object: Some(Arc::new(Document::new(map(told)))),
        old_object: None,
        dry_run: true,
        options: Arc::new(json!({ "kind": "CreateOptions" })),
    }
}

/// In a line.
fn said(answer: Result<Admitted, Refusal>) -> String {
    match answer {
        Ok(Admitted { warnings, audit_annotations, change }) => {
            assert_eq!(audit_annotations.into_iter().collect::<Vec<_>>(), [("seen".to_owned(), "yes".to_owned())]);
            match change {
                None => format!("allowed {warnings:?}"),
                Some(Change::Patch(patch)) => format!("patch {patch}"),
                Some(Change::Whole(object)) => format!("whole {}", object.at(&["data"]).unwrap()),
            }
        }
        Err(Refusal::Denied(denial)) => {
            assert_eq!((denial.causes[0].field.as_str(), denial.causes[0].message.as_str()), ("data.do", "it says so"));
            format!("denied {} {:?} {}", denial.code, denial.reason, denial.message)
        }
        Err(Refusal::Failed(error)) => error.to_string().split(": wasm trap").next().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn answers() {
    if built("plugin-admission").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let plugin = load(&loading(directory.path()), json!({ "config": { "message": "no" } })).await.unwrap();
    assert_eq!((plugin.name.as_str(), plugin.uid.as_str(), plugin.validates, plugin.mutates), ("p", "u", true, true));
    let whole = map("show");
    let shown = format!(
        "denied 0 \"\" create v1/configmaps ConfigMap n/m by tester, dry true, old false, options {{\"kind\":\"CreateOptions\"}}, object {}",
        whole.to_value()
    );
    let cases = [
        ("", "allowed []", "allowed []"),
        ("deny", "denied 0 \"\" no", "allowed []"),
        ("invalid", "denied 422 \"Invalid\" ", "allowed []"),
        ("warn", "allowed [\"told to warn\"]", "allowed []"),
        ("show", shown.as_str(), "allowed []"),
        ("err", "plugin p failed: told to fail", "allowed []"),
        ("spin", "plugin p exceeded its time of 200 ms", "allowed []"),
        ("patch", "allowed []", "patch [{\"op\":\"add\",\"path\":\"/data/patched\",\"value\":\"yes\"}]"),
        ("whole", "allowed []", "whole {\"do\":\"replaced\",\"other\":\"x\"}"),
        ("no-patch", "allowed []", "plugin p failed: its patch is no JSON: EOF while parsing an object at line 1 column 1"),
    ];
    for (told, validates, mutates) in cases {
        let request = request(told);
        assert_eq!(said(plugin.plugin.validate(&request).await), validates, "{told}");
        assert_eq!(said(plugin.plugin.mutate(&request).await), mutates, "{told}");
    }
    assert!(said(plugin.plugin.validate(&request("trap")).await).starts_with("plugin p trapped"));
    assert_eq!(said(plugin.plugin.validate(&request("long")).await).len(), "denied 0 \"\" ".len() + 4096);
}

#[tokio::test]
async fn projections() {
    if built("plugin-admission").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let plugin = load(&loading(directory.path()), json!({ "admission": { "fields": ["data.do"] } })).await.unwrap();
    let told = said(plugin.plugin.validate(&request("show")).await);
    let expect = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "namespace": "n", "labels": { "a": "b" } }, "data": { "do": "show" },
    });
    assert_eq!(told.split_once("object ").unwrap().1, expect.to_string());
    let told = said(plugin.plugin.mutate(&request("whole")).await);
    assert_eq!(told, "plugin p failed: it answered a whole object, of which it was told only spec.admission.fields");
}

#[tokio::test]
async fn settings_are_checked_at_load() {
    if built("plugin-admission").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let failed = load(&loading(directory.path()), json!({ "config": { "bad": true } })).await.err().unwrap();
    assert_eq!(failed.message, "plugin p: spec.config: bad: it is no setting of this plugin; message: it is missing");
}
