//! "should support … API operations": what upstream's tests of one kind do, done with every kind that has these verbs.

use crate::tests::matrix::collection;
use crate::tests::{Events, Fixture};
use object::{Value, json};
use registry::{Kind, Registry, Verb};

/// Kinds whose objects cannot be made by the threes with names of the server: why.
const ALONE: [(&str, &str); 4] = [
    ("customresourcedefinitions", "named by what they define"),
    ("apiservices", "named by what they serve"),
    ("ipaddresses", "named by the address"),
    ("clustertrustbundles", "named by the signer"),
];

/// What the test of a kind patches beside an annotation.
fn spec_patch(resource: &str) -> Value {
    match resource {
        "flowschemas" => json!({ "spec": { "matchingPrecedence": 9999 } }),
        "prioritylevelconfigurations" => json!({ "spec": { "limited": { "nominalConcurrencyShares": 4 } } }),
        "validatingadmissionpolicies" | "mutatingadmissionpolicies" => json!({ "spec": { "failurePolicy": "Ignore" } }),
        _ => json!({}),
    }
}

/// What the test of a kind patches in its status.
fn status_patch(resource: &str) -> Option<Value> {
    let condition = |ty: &str| json!({ "type": ty, "status": "True", "reason": "E2E", "message": "Set from an e2e test" });
    Some(match resource {
        "flowschemas" | "prioritylevelconfigurations" => json!({ "conditions": [condition("StatusPatched")] }),
        "validatingadmissionpolicies" => {
            let mut condition = condition("StatusPatched");
            condition["lastTransitionTime"] = json!("2026-01-01T00:00:00Z");
            json!({ "conditions": [condition] })
        }
        _ => return None,
    })
}

fn names(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|i| i["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

async fn is_discovered(f: &Fixture, kind: &Kind) {
    let (group, version) = (&kind.group, &kind.version);
    let resources = if group.is_empty() {
        f.get("/api/v1").await.expect(200)
    } else {
        let groups = f.get("/apis").await.expect(200);
        let found = groups["groups"].as_array().unwrap().iter().find(|g| g["name"] == **group).unwrap();
        assert!(found["versions"].as_array().unwrap().iter().any(|v| v["version"] == **version), "{found}");
        let one = f.get(&format!("/apis/{group}")).await.expect(200);
        assert!(one["versions"].as_array().unwrap().iter().any(|v| v["version"] == **version), "{one}");
        f.get(&format!("/apis/{group}/{version}")).await.expect(200)
    };
    let has = |name: &str| resources["resources"].as_array().unwrap().iter().any(|r| r["name"] == name);
    assert!(has(&kind.resource), "{resources}");
    assert_eq!(has(&format!("{}/status", kind.resource)), kind.subresource("status").is_some(), "{resources}");
}

async fn see_patched(watch: &mut Events, name: &str) {
    loop {
        let event = watch.next().await.expect("the watch ended");
        // Controllers of the server write status meanwhile.
        assert_eq!((&event["type"], event["object"]["metadata"]["name"].as_str()), (&json!("MODIFIED"), Some(name)));
        if event["object"]["metadata"]["annotations"]["patched"] == "true" {
            return;
        }
    }
}

async fn operate(kind: &Kind) {
    let f = Fixture::new().await;
    let path = collection(kind);
    is_discovered(&f, kind).await;
    let mut template: Value = serde_json::from_str(&kind.sample).unwrap();
    let meta = template["metadata"].as_object_mut().unwrap();
    meta.remove("name");
    meta.insert("generateName".to_owned(), json!("e2e-example-"));
    meta.insert("labels".to_owned(), json!({ "example-e2e": "x" }));
    let label = "labelSelector=example-e2e%3Dx";
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(f.post(&path, &template).await.expect(201));
    }
    let name = created[2]["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("e2e-example-") && name.len() == "e2e-example-".len() + 5, "{name}");
    let one = format!("{path}/{name}");
    assert_eq!(f.get(&one).await.expect(200)["metadata"]["uid"], created[2]["metadata"]["uid"]);
    let list = f.get(&format!("{path}?{label}")).await.expect(200);
    assert_eq!(names(&list).len(), 3);
    if kind.is_namespaced() {
        let everywhere = f.get(&format!("{}?{label}", path.replace("/namespaces/default", ""))).await.expect(200);
        assert_eq!(names(&everywhere), names(&list));
    }
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = f.watch(&format!("{path}?watch=1&resourceVersion={revision}&{label}")).await;

    let mut patch = spec_patch(&kind.resource);
    patch["metadata"]["annotations"]["patched"] = json!("true");
    let patched = f.patch(&one, "merge", &patch).await.expect(200);
    assert_eq!(patched["metadata"]["annotations"]["patched"], "true");
    for (field, value) in patch["spec"].as_object().into_iter().flatten() {
        match value {
            Value::Object(inner) => inner.iter().for_each(|(k, v)| assert_eq!(&patched["spec"][field][k], v)),
            value => assert_eq!(&patched["spec"][field], value),
        }
    }
    let mut update = f.get(&one).await.expect(200);
    update["metadata"]["annotations"]["updated"] = json!("true");
    if kind.resource.ends_with("admissionpolicies") {
        update["spec"]["failurePolicy"] = json!("Fail");
    }
    let updated = f.put(&one, &update).await.expect(200);
    let annotations = &updated["metadata"]["annotations"];
    assert_eq!((&annotations["patched"], &annotations["updated"]), (&json!("true"), &json!("true")));
    assert_eq!(updated["spec"], update["spec"]);
    see_patched(&mut watch, name).await;

    if kind.subresource("status").is_some() {
        let status = f.get(&format!("{one}/status")).await.expect(200);
        assert_eq!(status["metadata"]["uid"], created[2]["metadata"]["uid"]);
        if let Some(patch) = status_patch(&kind.resource) {
            let patched = f.patch(&format!("{one}/status"), "merge", &json!({ "status": patch })).await.expect(200);
            let condition = &patched["status"]["conditions"][0];
            assert_eq!((&condition["type"], &condition["reason"]), (&json!("StatusPatched"), &json!("E2E")));
            let mut update = f.get(&one).await.expect(200);
            update["status"]["conditions"][0]["message"] = json!("updated");
            let updated = f.put(&format!("{one}/status"), &update).await.expect(200);
            assert_eq!(updated["status"]["conditions"][0]["message"], "updated");
            assert_eq!(f.get(&one).await.expect(200)["status"], updated["status"]);
        }
    }

    f.delete(&one).await.expect(200);
    match f.get(&one).await {
        gone if gone.code == 404 => {}
        held => {
            let held = held.expect(200);
            let meta = &held["metadata"];
            assert!(meta["deletionTimestamp"].is_string(), "{meta}");
            // Pods end gracefully, others wait for who finalizes them.
            assert!(meta["deletionGracePeriodSeconds"] != json!(0) || meta["finalizers"].is_array(), "{meta}");
        }
    }
    let left = |list: &Value| list["items"].as_array().unwrap().iter().filter(|i| i["metadata"]["deletionTimestamp"].is_null()).count();
    assert_eq!(left(&f.get(&format!("{path}?{label}")).await.expect(200)), 2);
    let all = f.send("DELETE", &format!("{path}?{label}&propagationPolicy=Background"), "", "", "").await.expect(200);
    assert!(all["kind"] == "Status" || all["kind"].as_str().is_some_and(|k| k.ends_with("List")), "{all}");
    assert_eq!(left(&f.get(&format!("{path}?{label}")).await.expect(200)), 0);
}

#[tokio::test]
async fn every_kind_supports_its_operations() {
    let wanted = [Verb::Create, Verb::Get, Verb::List, Verb::Watch, Verb::Update, Verb::Patch, Verb::Delete, Verb::DeleteCollection];
    let registry = Registry::builtin();
    let mut ran = Vec::new();
    for kind in registry.kinds() {
        let has_all = wanted.iter().all(|verb| kind.verbs.contains(verb));
        if kind.is_virtual || !has_all || ALONE.iter().any(|(resource, _)| *resource == kind.resource) {
            continue;
        }
        println!("{} {}", kind.api_version(), kind.resource);
        operate(&kind).await;
        ran.push(kind.resource.clone());
    }
    // The kinds whose entries docs/conformance.md has here.
    for resource in [
        "flowschemas",
        "prioritylevelconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "storageversionmigrations",
    ] {
        assert!(ran.iter().any(|r| r == resource), "{resource} did not run");
    }
}

/// One kind by every kind of patch, of itself and of its status, each with the identity of what it is for.
#[tokio::test]
async fn migrations_take_every_patch() {
    let f = Fixture::new().await;
    let path = "/apis/storagemigration.k8s.io/v1/storageversionmigrations";
    let condition = json!({ "type": "TestCondition", "status": "True", "reason": "TestReason", "message": "TestMessage",
        "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let head = json!({ "apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration" });
    for form in ["strategic", "apply", "merge", "json", "update"] {
        let mut object = head.clone();
        object["metadata"] = json!({ "name": form, "labels": { "e2e": "x" } });
        object["spec"] = json!({ "resource": { "group": "", "resource": "foo" } });
        let made = f.post(path, &object).await.expect(201);
        let one = format!("{path}/{form}");
        let with = |more: Value| {
            let mut patch = head.clone();
            patch["metadata"] = json!({ "name": form, "uid": made["metadata"]["uid"] });
            object::patch::merge::apply(&mut patch, &more);
            patch
        };
        let label = json!({ "metadata": { "labels": { "test.storagemigration.example.com": "test" } } });
        let status = json!({ "status": { "conditions": [condition] } });
        let query = if form == "apply" { "?fieldManager=e2e&force=true" } else { "" };
        let (labelled, told) = match form {
            "json" => {
                let add = |path: &str, value: &Value| json!([{ "op": "add", "path": path, "value": value }]);
                let labelled = f.patch(&one, form, &add("/metadata/labels/test.storagemigration.example.com", &json!("test"))).await;
                f.patch(&format!("{one}/status"), form, &add("/status", &json!({}))).await.expect(200);
                (labelled, f.patch(&format!("{one}/status"), form, &add("/status/conditions", &json!([condition]))).await)
            }
            "update" => {
                let mut live = made.clone();
                live["metadata"]["labels"]["test.storagemigration.example.com"] = json!("test");
                let labelled = f.put(&one, &live).await;
                let mut live = f.get(&one).await.expect(200);
                live["status"] = status["status"].clone();
                (labelled, f.put(&format!("{one}/status"), &live).await)
            }
            form => {
                let labelled = f.patch(&format!("{one}{query}"), form, &with(label)).await;
                (labelled, f.patch(&format!("{one}/status{query}"), form, &with(status)).await)
            }
        };
        let labelled = labelled.expect(200);
        assert_eq!(labelled["metadata"]["labels"], json!({ "e2e": "x", "test.storagemigration.example.com": "test" }), "{form}");
        let told = told.expect(200);
        assert_eq!((&told["status"]["conditions"], &told["spec"]), (&json!([condition]), &object["spec"]), "{form}");
        let mut other = f.get(&one).await.expect(200);
        other["spec"]["resource"]["resource"] = json!("bar");
        f.put(&one, &other).await.expect(422);
    }
    // A patch of another object by the same name is refused.
    let stranger = json!({ "metadata": { "uid": "00000000-0000-0000-0000-000000000000" } });
    f.patch(&format!("{path}/merge"), "merge", &stranger).await.expect(409);
    let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = f.send("GET", &format!("{path}?labelSelector=e2e%3Dx"), "", partial, "").await.expect(200);
    assert_eq!(names(&list), ["apply", "json", "merge", "strategic", "update"]);
    f.delete(&format!("{path}/json")).await.expect(200);
    f.delete(&format!("{path}?labelSelector=e2e%3Dx")).await.expect(200);
    assert_eq!(f.get(path).await.expect(200)["items"], json!([]));
}
