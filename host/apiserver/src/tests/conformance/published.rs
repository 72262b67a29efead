//! CustomResourcePublishOpenAPI: what definitions say is in the documents, and gone when they no longer say it.

use super::{anything, named};
use crate::tests::Fixture;
use crate::tests::crd::{CRDS, condition};
use object::{Value, json};

fn foo() -> Value {
    let string = |told: &str| json!({ "type": "string", "description": told });
    json!({ "description": "Foo CRD for Testing", "type": "object", "properties": {
        "spec": { "type": "object", "description": "Specification of Foo", "properties": { "bars": {
            "description": "List of Bars and their specs.", "type": "array", "items": { "type": "object", "required": ["name"], "properties": {
                "name": string("Name of Bar."), "age": string("Age of Bar."),
                "feeling": { "type": "string", "description": "Whether Bar is feeling great.", "enum": ["Great", "Down"] },
                "bazs": { "description": "List of Bazs.", "type": "array", "items": { "type": "string" } },
            } } } } },
        "status": { "type": "object", "description": "Status of Foo", "properties": { "bars": {
            "description": "List of Bars and their statuses.", "type": "array", "items": { "type": "object", "properties": {
                "name": string("Name of Bar."), "available": { "type": "boolean", "description": "Whether the Bar is installed." },
                "quxType": { "type": "string", "description": "Indicates to external qux type.", "pattern": "in-tree|out-of-tree" },
            } } } } },
    } })
}

fn waldo() -> Value {
    json!({ "description": "Waldo CRD for Testing", "type": "object", "properties": {
        "spec": { "description": "Specification of Waldo", "type": "object", "properties": {
            "dummy": { "description": "Dummy property.", "type": "object" } } },
        "status": { "description": "Status of Waldo", "type": "object", "properties": { "bars": {
            "description": "List of Bars and their statuses.", "type": "array", "items": { "type": "object" } } } },
    } })
}

/// The definition in `/openapi/v2` without what the server adds to the schema; null when it is not there.
async fn swagger(f: &Fixture, name: &str) -> Value {
    let document = f.get("/openapi/v2").await.expect(200);
    let mut found = document["definitions"][name].clone();
    if let Some(schema) = found.as_object_mut() {
        schema.remove("x-kubernetes-group-version-kind");
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            ["metadata", "apiVersion", "kind"].iter().for_each(|p| drop(properties.remove(*p)));
        }
    }
    found
}

async fn defined(f: &Fixture, plural: &str, kind: &str, group: &str, versions: &[&str], schema: &Value) {
    f.define(&named(plural, kind, group, versions, schema)).await;
}

#[tokio::test]
async fn schemas_are_published_as_they_are() {
    let f = Fixture::new().await;
    // Of different groups and versions.
    defined(&f, "foos", "Foo", "foo.example.com", &["v1"], &foo()).await;
    defined(&f, "waldos", "Waldo", "waldo.example.com", &["v1beta1"], &waldo()).await;
    assert_eq!(swagger(&f, "com.example.foo.v1.Foo").await, foo());
    assert_eq!(swagger(&f, "com.example.waldo.v1beta1.Waldo").await, waldo());
    // One definition of several versions; then several definitions of one group.
    defined(&f, "multis", "Multi", "multi.example.com", &["v2", "v3"], &foo()).await;
    defined(&f, "foos", "Foo", "common.example.com", &["v4"], &foo()).await;
    defined(&f, "waldos", "Waldo", "common.example.com", &["v5"], &waldo()).await;
    // And of one version.
    defined(&f, "kinds", "Kind1", "common.example.com", &["v6"], &foo()).await;
    defined(&f, "others", "Kind2", "common.example.com", &["v6"], &waldo()).await;
    for (name, schema) in [
        ("com.example.multi.v2.Multi", foo()),
        ("com.example.multi.v3.Multi", foo()),
        ("com.example.common.v4.Foo", foo()),
        ("com.example.common.v5.Waldo", waldo()),
        ("com.example.common.v6.Kind1", foo()),
        ("com.example.common.v6.Kind2", waldo()),
    ] {
        assert_eq!(swagger(&f, name).await, schema, "{name}");
    }
    // What goes is taken out.
    f.delete(&format!("{CRDS}/foos.foo.example.com")).await.expect(200);
    let mut definitions = f.watch(&format!("{CRDS}?watch=1&fieldSelector=metadata.name%3Dfoos.foo.example.com")).await;
    if f.get(&format!("{CRDS}/foos.foo.example.com")).await.code == 200 {
        while definitions.told().await != "DELETED foos.foo.example.com" {}
    }
    assert_eq!(swagger(&f, "com.example.foo.v1.Foo").await, Value::Null);
    assert_eq!(f.get("/openapi/v3/apis/foo.example.com/v1").await.code, 404);
}

#[tokio::test]
async fn schemas_that_keep_all_are_published_as_objects() {
    let f = Fixture::new().await;
    defined(&f, "empties", "Empty", "empty.example.com", &["v1"], &anything()).await;
    assert_eq!(swagger(&f, "com.example.empty.v1.Empty").await, json!({ "type": "object" }));
    let mut root = waldo();
    root["x-kubernetes-preserve-unknown-fields"] = json!(true);
    defined(&f, "roots", "Root", "root.example.com", &["v1"], &root).await;
    assert_eq!(swagger(&f, "com.example.root.v1.Root").await, json!({ "type": "object" }));
    let third = f.get("/openapi/v3/apis/root.example.com/v1").await.expect(200);
    let shown = &third["components"]["schemas"]["com.example.root.v1.Root"];
    assert_eq!(shown["x-kubernetes-preserve-unknown-fields"], true);
    assert_eq!(shown["properties"]["spec"], root["properties"]["spec"]);
    let mut nested = waldo();
    nested["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] = json!(true);
    defined(&f, "nesteds", "Nested", "nested.example.com", &["v1"], &nested).await;
    // Without the properties of what lets others pass: kubectl would refuse those.
    let spec = json!({ "type": "object", "description": "Specification of Waldo", "x-kubernetes-preserve-unknown-fields": true });
    assert_eq!(swagger(&f, "com.example.nested.v1.Nested").await["properties"]["spec"], spec);
}

#[tokio::test]
async fn a_version_is_renamed() {
    let f = Fixture::new().await;
    defined(&f, "multis", "Multi", "multi.example.com", &["v2", "v3"], &foo()).await;
    assert_eq!(swagger(&f, "com.example.multi.v3.Multi").await, foo());
    let patch = json!([{ "op": "test", "path": "/spec/versions/1/name", "value": "v3" },
        { "op": "replace", "path": "/spec/versions/1/name", "value": "v4" }]);
    f.patch(&format!("{CRDS}/multis.multi.example.com"), "json", &patch).await.expect(200);
    condition(&f, "multis.multi.example.com", "Established", "True InitialNamesAccepted").await;
    assert_eq!(swagger(&f, "com.example.multi.v4.Multi").await, foo());
    assert_eq!(swagger(&f, "com.example.multi.v3.Multi").await, Value::Null);
    assert_eq!(swagger(&f, "com.example.multi.v2.Multi").await, foo());
    assert_eq!(f.get("/openapi/v3/apis/multi.example.com/v3").await.code, 404);
    f.get("/openapi/v3/apis/multi.example.com/v4").await.expect(200);
}

#[tokio::test]
async fn a_version_is_no_longer_served() {
    let f = Fixture::new().await;
    defined(&f, "multis", "Multi", "multi.example.com", &["v5", "v6alpha1"], &foo()).await;
    assert_eq!(swagger(&f, "com.example.multi.v6alpha1.Multi").await, foo());
    let mut definition = f.get(&format!("{CRDS}/multis.multi.example.com")).await.expect(200);
    definition["spec"]["versions"][1]["served"] = json!(false);
    f.put(&format!("{CRDS}/multis.multi.example.com"), &definition).await.expect(200);
    assert_eq!(swagger(&f, "com.example.multi.v6alpha1.Multi").await, Value::Null);
    assert_eq!(swagger(&f, "com.example.multi.v5.Multi").await, foo());
    f.get("/apis/multi.example.com/v6alpha1").await.expect(404);
}
