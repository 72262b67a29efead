//! FieldValidation: what is unknown or written twice, in built-in objects and in custom ones.

use super::{anything, definition};
use crate::tests::Fixture;
use object::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments?fieldManager=m&fieldValidation=Strict";

async fn refused_deployment(metadata: &str, spec: &str) -> String {
    let f = Fixture::new().await;
    let body = format!(
        r#"{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "d", {metadata} "labels": {{"app": "web"}}}},
            "spec": {{{spec} "selector": {{"matchLabels": {{"app": "web"}}}}, "template": {{"metadata": {{"labels": {{"app": "web"}}}},
            "spec": {{"containers": [{{"name": "web", "image": "example.test/web:1"}}]}}}}}}}}"#
    );
    let answer = f.send("POST", DEPLOYMENTS, "application/json", "", body).await;
    assert_eq!(answer.code, 400);
    answer.message()
}

#[tokio::test]
async fn unknown_and_duplicate_fields_of_a_typed_object() {
    let told = refused_deployment("", r#""unknownField": "foo", "replicas": 2, "replicas": 3,"#).await;
    let expect = r#"strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas""#;
    assert!(told.contains(expect), "{told}");
}

#[tokio::test]
async fn unknown_metadata_of_a_typed_object() {
    let told = refused_deployment(r#""unknownMeta": "foo","#, "").await;
    assert!(told.contains(r#"strict decoding error: unknown field "metadata.unknownMeta""#), "{told}");
}

/// `spec` with a pattern and a list by keys; `more`: what else its schema has.
fn schema(more: &Value) -> Value {
    let port = json!({ "type": "integer", "format": "int32" });
    let mut schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "foo": { "type": "string" },
        "cronSpec": { "type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$" },
        "ports": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
            "items": { "type": "object", "required": ["containerPort", "protocol"], "properties": {
                "containerPort": port, "hostPort": port, "hostIP": { "type": "string" },
                "name": { "type": "string" }, "protocol": { "type": "string" },
            } },
        },
    } } } });
    object::patch::merge::apply(&mut schema["properties"]["spec"], more);
    schema
}

/// The answer to a strict apply of YAML: metadata and what follows are given by the test.
async fn applied(schema: &Value, metadata: &str, rest: &str) -> (u16, String) {
    let f = Fixture::new().await;
    f.define(&definition("fields.example.com", &["v1beta1", "v1"], schema)).await;
    let body = format!(
        "\napiVersion: fields.example.com/v1beta1\nkind: Foo\nmetadata:\n  name: mytest\n{metadata}  finalizers:\n  - test-finalizer\n{rest}  cronSpec: \"* * * * */5\"\n  ports:\n  - name: x\n    containerPort: 80\n    protocol: TCP"
    );
    let path = "/apis/fields.example.com/v1beta1/foos/mytest?fieldManager=m&fieldValidation=Strict";
    let answer = f.send("PATCH", path, "application/apply-patch+yaml", "", body).await;
    (answer.code, String::from_utf8_lossy(&answer.bytes).into_owned())
}

#[tokio::test]
async fn a_valid_custom_object_is_applied() {
    let (code, told) = applied(&schema(&json!({})), "", "spec:\n  foo: foo1\n").await;
    assert_eq!(code, 201, "{told}");
}

#[tokio::test]
async fn a_definition_without_schema_takes_unknown_fields() {
    let (code, told) = applied(&anything(), "", "spec:\n  unknown: uk1\n").await;
    assert_eq!(code, 201, "{told}");
}

#[tokio::test]
async fn unknown_fields_of_a_custom_object() {
    let (code, told) = applied(&schema(&json!({})), "", "unknownField: unknown\nspec:\n  foo: foo1\n").await;
    assert!(code >= 400 && told.contains(".unknownField: field not declared in schema"), "{code} {told}");
}

#[tokio::test]
async fn unknown_metadata_of_a_custom_object_and_what_it_embeds() {
    let template = json!({ "type": "object", "x-kubernetes-embedded-resource": true, "properties": {
        "metadata": { "type": "object", "properties": { "name": { "type": "string" } } }, "spec": { "type": "object" } } });
    let schema = schema(&json!({ "x-kubernetes-preserve-unknown-fields": true, "properties": { "template": template } }));
    let inner = "spec:\n  template:\n    apiversion: foo/v1\n    kind: Sub\n    metadata:\n        unknownSubMeta: unknown\n        name: subobject\n        namespace: default\n  foo: foo1\n";
    let (code, told) = applied(&schema, "  unknownMeta: unknown\n", inner).await;
    let (root, embedded) =
        (".metadata.unknownMeta: field not declared in schema", ".spec.template.metadata.unknownSubMeta: field not declared in schema");
    assert!(code >= 400 && (told.contains(root) || told.contains(embedded)), "{code} {told}");
    // Each by itself, too.
    let (code, told) = applied(&schema, "  unknownMeta: unknown\n", "spec:\n  foo: foo1\n").await;
    assert!(code >= 400 && told.contains(root), "{code} {told}");
    let (code, told) = applied(&schema, "", &inner.replace("apiversion", "apiVersion")).await;
    assert!(code >= 400 && told.contains(embedded), "{code} {told}");
}

#[tokio::test]
async fn duplicates_of_a_custom_object_that_keeps_unknown_fields() {
    let schema = schema(&json!({ "x-kubernetes-preserve-unknown-fields": true }));
    let (code, told) = applied(&schema, "", "spec:\n  unknown: uk1\n  foo: foo1\n  foo: foo2\n").await;
    assert!(code >= 400 && told.contains(r#"line 11: key \"foo\" already set in map"#), "{code} {told}");
}
