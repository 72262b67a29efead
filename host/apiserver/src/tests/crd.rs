//! Custom resources from their definition to their end.

mod conversion;
mod definitions;
mod objects;
mod rules;

use super::{Answer, Fixture};
use object::{Value, json};

pub const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

/// A definition of `widgets.example.com` with one version of the given properties.
pub fn widgets(properties: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}],
        },
    })
}

pub fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

pub fn any() -> Value {
    json!({"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}})
}

/// `field: message` of each cause of a refusal.
#[track_caller]
pub fn causes(answer: Answer) -> Vec<String> {
    let body = answer.expect(422);
    let causes = body["details"]["causes"].as_array().cloned().unwrap_or_default();
    causes.iter().map(|c| format!("{}: {}", c["field"].as_str().unwrap_or(""), c["message"].as_str().unwrap_or(""))).collect()
}

/// The definition's condition as `status reason`; waits for it to be so.
pub async fn condition(api: &Fixture, name: &str, ty: &str, expect: &str) -> Value {
    let path = format!("{CRDS}/{name}");
    let mut events = api.watch(&format!("{CRDS}?watch=1&fieldSelector=metadata.name={name}")).await;
    loop {
        let event = events.next().await.expect("the watch ended");
        let conditions = event["object"]["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|c| c["type"] == ty);
        if found.is_some_and(|c| format!("{} {}", c["status"].as_str().unwrap(), c["reason"].as_str().unwrap()) == expect) {
            return api.get(&path).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_definition_is_served_at_once() {
    let api = Fixture::new().await;
    let created = api.post(CRDS, &widgets(any())).await.expect(201);
    assert_eq!(created["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(created["spec"]["conversion"]["strategy"], "None");
    assert_eq!(created["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(created["metadata"]["generation"], 1);
    // Without waiting for anything.
    let made = api.post(WIDGETS, &widget("a", json!({"x": 1}))).await.expect(201);
    assert_eq!((made["metadata"]["generation"].as_i64(), made["spec"]["x"].as_i64()), (Some(1), Some(1)));
    let list = api.get(WIDGETS).await.expect(200);
    assert_eq!((list["kind"].as_str(), list["items"].as_array().map(Vec::len)), (Some("WidgetList"), Some(1)));
    let established = condition(&api, "widgets.example.com", "Established", "True InitialNamesAccepted").await;
    assert_eq!(established["status"]["acceptedNames"]["singular"], "widget");
    let group = api.get("/apis/example.com/v1").await.expect(200);
    assert_eq!(group["resources"][0]["shortNames"], json!(["wd"]));
    let document = api.get("/openapi/v3/apis/example.com/v1").await.expect(200);
    assert!(document["components"]["schemas"]["com.example.v1.Widget"].is_object());
}

#[tokio::test]
async fn deletion_takes_the_objects_along() {
    let api = Fixture::new().await;
    api.post(CRDS, &widgets(any())).await.expect(201);
    let mut held = widget("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    api.post(WIDGETS, &held).await.expect(201);
    api.post(WIDGETS, &widget("free", json!({}))).await.expect(201);
    condition(&api, "widgets.example.com", "Established", "True InitialNamesAccepted").await;
    let mut events = api.watch(&format!("{WIDGETS}?watch=1")).await;
    assert_eq!((events.told().await, events.told().await), ("ADDED free".to_owned(), "ADDED held".to_owned()));
    let deleted = api.delete(&format!("{CRDS}/widgets.example.com")).await.expect(200);
    assert_eq!(deleted["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    condition(&api, "widgets.example.com", "Terminating", "True InstanceDeletionInProgress").await;
    let mut told = vec![events.told().await, events.told().await];
    told.sort();
    assert_eq!(told, ["DELETED free", "MODIFIED held"]);
    let refused = api.post(WIDGETS, &widget("new", json!({}))).await;
    assert_eq!((refused.code, refused.message()), (405, "create not allowed while custom resource definition is terminating".to_owned()));
    let mut crds = api.watch(&format!("{CRDS}?watch=1")).await;
    api.patch(&format!("{WIDGETS}/held"), "merge", &json!({"metadata": {"finalizers": null}})).await.expect(200);
    assert_eq!(events.told().await, "DELETED held");
    loop {
        if crds.told().await == "DELETED widgets.example.com" {
            break;
        }
    }
    api.get(WIDGETS).await.expect(404);
    assert!(api.get("/apis/example.com/v1").await.code == 404);
    // The name can be used anew, and nothing of the old objects is there.
    api.post(CRDS, &widgets(any())).await.expect(201);
    assert_eq!(api.get(WIDGETS).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn names_in_use_are_not_accepted_twice() {
    let api = Fixture::new().await;
    api.post(CRDS, &widgets(any())).await.expect(201);
    let mut other = widgets(any());
    other["metadata"]["name"] = json!("gadgets.example.com");
    other["spec"]["names"] = json!({"plural": "gadgets", "kind": "Widget", "listKind": "GadgetList"});
    api.post(CRDS, &other).await.expect(201);
    condition(&api, "gadgets.example.com", "NamesAccepted", "False KindConflict").await;
    api.get("/apis/example.com/v1/gadgets").await.expect(404);
    // The first goes, its names are free.
    condition(&api, "widgets.example.com", "Established", "True InitialNamesAccepted").await;
    api.delete(&format!("{CRDS}/widgets.example.com")).await.expect(200);
    condition(&api, "gadgets.example.com", "Established", "True InitialNamesAccepted").await;
    api.get("/apis/example.com/v1/gadgets").await.expect(200);
}
