//! CustomResourceDefinitions as objects: life, status, defaults, watches, lists of several versions.

use super::{anything, definition, named};
use crate::tests::Fixture;
use crate::tests::crd::CRDS;
use object::{Value, json};

#[tokio::test]
async fn definitions_are_created_listed_and_deleted() {
    let f = Fixture::new().await;
    let mut created = Vec::new();
    for i in 0..10 {
        let mut crd = definition(&format!("g{i}.example.com"), &["v1"], &anything());
        crd["metadata"]["labels"] = json!({ "e2e-list-test-uuid": "x" });
        created.push(f.define(&crd).await);
    }
    f.define(&definition("other.example.com", &["v1"], &anything())).await;
    let path = format!("{CRDS}?labelSelector=e2e-list-test-uuid%3Dx");
    let list = f.get(&path).await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 10);
    for (item, made) in items.iter().zip(&created) {
        assert_eq!((&item["metadata"]["name"], &item["spec"]), (&made["metadata"]["name"], &made["spec"]));
    }
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = f.watch(&format!("{CRDS}?watch=1&resourceVersion={revision}&labelSelector=e2e-list-test-uuid%3Dx")).await;
    f.send("DELETE", &path, "", "", "").await.expect(200);
    let mut gone = 0;
    while gone < 10 {
        gone += usize::from(watch.next().await.unwrap()["type"] == "DELETED");
    }
    assert_eq!(f.get(&path).await.expect(200)["items"], json!([]));
    f.get(&format!("{CRDS}/foos.other.example.com")).await.expect(200);
    f.get("/apis/g3.example.com/v1/foos").await.expect(404);
}

#[tokio::test]
async fn the_status_of_a_definition_is_updated_and_patched() {
    let f = Fixture::new().await;
    let crd = f.define(&definition("status.example.com", &["v1"], &anything())).await;
    let path = format!("{CRDS}/foos.status.example.com/status");
    let has = |object: &Value, message: &str| object["status"]["conditions"].as_array().unwrap().iter().any(|c| c["message"] == message);
    // As the typed client sends it: what was not set is empty or null.
    let condition = |message: &str| json!({ "type": "", "status": "", "lastTransitionTime": null, "message": message });
    let updated = loop {
        let mut status = f.get(&path).await.expect(200);
        assert_eq!(status["spec"], crd["spec"]);
        status["status"]["conditions"].as_array_mut().unwrap().push(condition("updated"));
        let answer = f.put(&path, &status).await;
        if answer.code != 409 {
            break answer.expect(200);
        }
    };
    assert!(has(&updated, "updated"), "{updated}");
    let patch = json!([{ "op": "add", "path": "/status/conditions", "value": [{ "message": "patched" }] }]);
    let patched = f.patch(&path, "json", &patch).await.expect(200);
    assert!(has(&patched, "patched"), "{patched}");
}

#[tokio::test]
async fn defaults_come_with_requests_and_from_storage() {
    let f = Fixture::new().await;
    let mut schema = anything();
    schema["properties"] = json!({ "a": { "type": "string" }, "b": { "type": "string" } });
    f.define(&definition("defaults.example.com", &["v1"], &schema)).await;
    let crd = format!("{CRDS}/foos.defaults.example.com");
    let foos = "/apis/defaults.example.com/v1/foos";
    let make = |name: &str| json!({ "apiVersion": "defaults.example.com/v1", "kind": "Foo", "metadata": { "name": name } });
    let at = |property: &str| format!("/spec/versions/0/schema/openAPIV3Schema/properties/{property}/default");
    f.post(foos, &make("one")).await.expect(201);
    f.patch(&crd, "json", &json!([{ "op": "add", "path": at("a"), "value": "A" }])).await.expect(200);
    assert_eq!(f.get(&format!("{foos}/one")).await.expect(200)["a"], "A");
    assert_eq!(f.post(foos, &make("two")).await.expect(201)["a"], "A");
    let change = json!([{ "op": "remove", "path": at("a") }, { "op": "add", "path": at("b"), "value": "B" }]);
    f.patch(&crd, "json", &change).await.expect(200);
    let one = f.get(&format!("{foos}/one")).await.expect(200);
    assert_eq!((one.get("a"), &one["b"]), (None, &json!("B")));
    // What was stored with the default keeps it.
    let two = f.get(&format!("{foos}/two")).await.expect(200);
    assert_eq!((&two["a"], &two["b"]), (&json!("A"), &json!("B")));
}

#[tokio::test]
async fn custom_objects_are_watched_one_by_one() {
    let f = Fixture::new().await;
    f.define(&definition("watch.example.com", &["v1"], &anything())).await;
    let foos = "/apis/watch.example.com/v1/foos";
    let one = |name: &str| format!("{foos}?watch=1&fieldSelector=metadata.name%3D{name}");
    let (mut a, mut b) = (f.watch(&one("name1")).await, f.watch(&one("name2")).await);
    for name in ["name1", "name2"] {
        let object =
            json!({ "apiVersion": "watch.example.com/v1", "kind": "Foo", "metadata": { "name": name }, "content": { "key": "value" } });
        f.post(foos, &object).await.expect(201);
    }
    for name in ["name1", "name2"] {
        let patch = json!([{ "op": "add", "path": "/dummy", "value": "test" }]);
        f.patch(&format!("{foos}/{name}"), "json", &patch).await.expect(200);
        f.delete(&format!("{foos}/{name}")).await.expect(200);
    }
    for (watch, name) in [(&mut a, "name1"), (&mut b, "name2")] {
        for kind in ["ADDED", "MODIFIED", "DELETED"] {
            assert_eq!(watch.told().await, format!("{kind} {name}"));
        }
    }
}

#[tokio::test]
async fn match_conditions_are_stored_and_compiled() {
    let f = Fixture::new().await;
    for resource in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{resource}");
        let hook = |conditions: Value| {
            json!({ "metadata": { "name": "hook" }, "webhooks": [{
                "name": "deny.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
                "clientConfig": { "url": "https://hook.example.com/" },
                "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }],
                "matchConditions": conditions,
            }] })
        };
        let first = json!([{ "name": "expression-1", "expression": "object.metadata.namespace == 'production'" }]);
        let made = f.post(&path, &hook(first.clone())).await.expect(201);
        assert_eq!(made["webhooks"][0]["matchConditions"], first);
        let second = json!([
            { "name": "expression-2", "expression": "object.metadata.namespace == 'staging'" },
            { "name": "expression-3", "expression": "request.userInfo.username == 'a' && !authorizer.group('').resource('pods').check('get').allowed()" },
        ]);
        let mut update = hook(second.clone());
        update["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
        f.put(&format!("{path}/hook"), &update).await.expect(200);
        assert_eq!(f.get(&format!("{path}/hook")).await.expect(200)["webhooks"][0]["matchConditions"], second);
        for expression in ["... [] bad expression", "object.metadata.name", "nothing.known == 1"] {
            let mut bad = hook(json!([{ "name": "invalid-expression-1", "expression": expression }]));
            bad["metadata"]["name"] = json!("bad");
            let refused = f.post(&path, &bad).await.expect(422);
            let told = refused["details"]["causes"][0]["message"].as_str().unwrap();
            assert_eq!(refused["details"]["causes"][0]["field"], "webhooks[0].matchConditions[0].expression");
            let expect = if expression.contains("metadata.name") { "must evaluate to bool" } else { "compilation failed" };
            assert!(told.contains(expect), "{expression}: {told}");
        }
    }
}

#[tokio::test]
async fn expressions_of_policies_are_compiled() {
    let f = Fixture::new().await;
    let path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    let policy = |more: Value| {
        let mut policy = json!({ "metadata": { "name": "p" }, "spec": {
            "matchConstraints": { "resourceRules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"] }] },
            "validations": [{ "expression": "object.spec.replicas > 1 && variables.oddReplicas" }],
            "variables": [{ "name": "replicas", "expression": "object.spec.replicas" }, { "name": "oddReplicas", "expression": "variables.replicas % 2 == 1" }],
        } });
        object::patch::merge::apply(&mut policy, &json!({ "spec": more }));
        policy
    };
    let validations = |one: Value| json!({ "validations": [one] });
    for (more, field, told) in [
        (json!({}), "", ""),
        (
            validations(json!({ "expression": "object.spec.replicas > params.most" })),
            "spec.validations[0].expression",
            "undeclared reference to 'params'",
        ),
        (validations(json!({ "expression": "variables.unknown" })), "spec.validations[0].expression", "undefined field 'unknown'"),
        (validations(json!({ "expression": "1 + 1" })), "spec.validations[0].expression", "must evaluate to bool but got int"),
        (
            validations(json!({ "expression": "true", "messageExpression": "1" })),
            "spec.validations[0].messageExpression",
            "must evaluate to string but got int",
        ),
        (
            validations(json!({ "expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()" })),
            "spec.validations[0].messageExpression",
            "undeclared reference to 'authorizer'",
        ),
        (
            json!({ "matchConditions": [{ "name": "c", "expression": "request.nothing == ''" }] }),
            "spec.matchConditions[0].expression",
            "undefined field 'nothing'",
        ),
        (
            json!({ "auditAnnotations": [{ "key": "k", "valueExpression": "[1]" }] }),
            "spec.auditAnnotations[0].valueExpression",
            "must evaluate to one of [string null_type] but got list(int)",
        ),
        (
            validations(
                json!({ "expression": "authorizer.requestResource.check('get').allowed() && namespaceObject.metadata.name != ''" }),
            ),
            "",
            "",
        ),
    ] {
        let answer = f.post(&format!("{path}?dryRun=All"), &policy(more)).await;
        if field.is_empty() {
            answer.expect(201);
            continue;
        }
        let causes = answer.expect(422)["details"]["causes"].clone();
        assert_eq!(causes[0]["field"], field);
        assert!(causes[0]["message"].as_str().unwrap().contains(told), "{causes}");
    }
}

#[tokio::test]
async fn a_changed_schema_is_served_at_once_in_every_version() {
    let f = Fixture::new().await;
    f.define(&named("things", "Thing", "mixed.example.com", &["v1", "v2"], &anything())).await;
    let make = |version: &str, name: &str| json!({ "apiVersion": format!("mixed.example.com/{version}"), "kind": "Thing", "metadata": { "name": name } });
    f.post("/apis/mixed.example.com/v1/things", &make("v1", "old")).await.expect(201);
    let swap = json!([{ "op": "replace", "path": "/spec/versions/0/storage", "value": false },
        { "op": "replace", "path": "/spec/versions/1/storage", "value": true }]);
    f.patch(&format!("{CRDS}/things.mixed.example.com"), "json", &swap).await.expect(200);
    f.post("/apis/mixed.example.com/v2/things", &make("v2", "new")).await.expect(201);
    for version in ["v1", "v2"] {
        let list = f.get(&format!("/apis/mixed.example.com/{version}/things")).await.expect(200);
        let told: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|i| &i["apiVersion"]).collect();
        assert_eq!(told, [&json!(format!("mixed.example.com/{version}")); 2]);
    }
}
