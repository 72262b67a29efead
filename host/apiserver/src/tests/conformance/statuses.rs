//! Status and finalizers of namespaces and quotas.

use crate::tests::Fixture;
use object::{Value, json};

#[tokio::test]
async fn a_namespace_is_patched_and_updated() {
    let f = Fixture::new().await;
    f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "n" } })).await.expect(201);
    let path = "/api/v1/namespaces/n";
    f.patch(path, "strategic", &json!({ "metadata": { "labels": { "testLabel": "testValue" } } })).await.expect(200);
    let mut live = f.get(path).await.expect(200);
    assert_eq!(live["metadata"]["labels"]["testLabel"], "testValue");
    live["metadata"]["labels"]["n"] = json!("updated");
    let updated = f.put(path, &live).await.expect(200);
    assert_eq!(updated["metadata"]["labels"], json!({ "kubernetes.io/metadata.name": "n", "n": "updated", "testLabel": "testValue" }));
}

#[tokio::test]
async fn the_status_of_a_namespace_is_patched_and_updated() {
    let f = Fixture::new().await;
    f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "n" } })).await.expect(201);
    let path = "/api/v1/namespaces/n/status";
    let read = f.get(path).await.expect(200);
    assert_eq!((&read["kind"], &read["status"]["phase"]), (&json!("Namespace"), &json!("Active")));
    let condition = |ty: &str, reason: &str| json!({ "type": ty, "status": "True", "reason": reason, "message": "by an e2e test" });
    let patch = json!({ "metadata": { "annotations": { "e2e-patched-ns-status": "n" } },
        "status": { "conditions": [condition("StatusPatch", "E2E patch")] } });
    let patched = f.patch(path, "merge", &patch).await.expect(200);
    assert_eq!(patched["metadata"]["annotations"]["e2e-patched-ns-status"], "n");
    assert_eq!((&patched["status"]["phase"], &patched["status"]["conditions"][0]["reason"]), (&json!("Active"), &json!("E2E patch")));
    let mut live = f.get("/api/v1/namespaces/n").await.expect(200);
    // As the typed client sends it.
    let mut second = condition("StatusUpdate", "E2E");
    second["lastTransitionTime"] = Value::Null;
    live["status"]["conditions"].as_array_mut().unwrap().push(second);
    let updated = f.put(path, &live).await.expect(200);
    let types: Vec<&str> = updated["status"]["conditions"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["StatusPatch", "StatusUpdate"]);
    assert_eq!(updated["status"]["phase"], "Active");
}

#[tokio::test]
async fn a_namespace_gets_and_loses_a_finalizer() {
    let f = Fixture::new().await;
    let mut live = f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "n" } })).await.expect(201);
    let path = "/api/v1/namespaces/n/finalize";
    let fake = json!("e2e.example.com/fakeFinalizer");
    live["spec"]["finalizers"].as_array_mut().unwrap().push(fake.clone());
    let with = f.put(path, &live).await.expect(200);
    assert_eq!(with["spec"]["finalizers"], json!(["kubernetes", fake]));
    let mut live = f.get("/api/v1/namespaces/n").await.expect(200);
    assert_eq!(live["spec"]["finalizers"], with["spec"]["finalizers"]);
    live["spec"]["finalizers"] = json!(["kubernetes"]);
    assert_eq!(f.put(path, &live).await.expect(200)["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(f.get("/api/v1/namespaces/n").await.expect(200)["status"]["phase"], "Active");
}

fn quota(name: &str, hard: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": name, "labels": { "e2e-rq-label": name } }, "spec": { "hard": hard } })
}

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";

#[tokio::test]
async fn a_quota_is_updated_listed_patched_and_deleted() {
    let f = Fixture::new().await;
    f.post(QUOTAS, &quota("q", &json!({ "cpu": "1", "memory": "500Mi" }))).await.expect(201);
    let one = format!("{QUOTAS}/q");
    assert_eq!(f.get(&one).await.expect(200)["spec"]["hard"], json!({ "cpu": "1", "memory": "500Mi" }));
    // Without a revision: unconditional.
    let updated = f.put(&one, &quota("q", &json!({ "cpu": "2", "memory": "1Gi" }))).await.expect(200);
    assert_eq!(updated["spec"]["hard"], json!({ "cpu": "2", "memory": "1Gi" }));
    let list = f.get("/api/v1/resourcequotas?labelSelector=e2e-rq-label%3Dq").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let patch = json!({ "metadata": { "labels": { "q": "patched" } }, "spec": { "hard": { "memory": "750Mi" } } });
    let patched = f.patch(&one, "strategic", &patch).await.expect(200);
    assert_eq!(
        (&patched["metadata"]["labels"]["q"], &patched["spec"]["hard"]),
        (&json!("patched"), &json!({ "cpu": "2", "memory": "750Mi" }))
    );
    f.delete(&format!("{QUOTAS}?labelSelector=e2e-rq-label%3Dq")).await.expect(200);
    f.get(&one).await.expect(404);
    f.post(QUOTAS, &quota("q", &json!({ "cpu": "1" }))).await.expect(201);
    f.delete(&one).await.expect(200);
    f.get(&one).await.expect(404);
}

#[tokio::test]
async fn the_status_of_a_quota_is_apart_from_its_spec() {
    let f = Fixture::new().await;
    f.post(QUOTAS, &quota("q", &json!({ "cpu": "500m", "memory": "500Mi" }))).await.expect(201);
    let (one, path) = (format!("{QUOTAS}/q"), format!("{QUOTAS}/q/status"));
    let mut watch = f.watch(&format!("{QUOTAS}?watch=1&labelSelector=e2e-rq-label%3Dq")).await;
    assert_eq!(watch.told().await, "ADDED q");
    let mut live = f.get(&one).await.expect(200);
    live["status"] = json!({ "hard": live["spec"]["hard"] });
    let updated = f.put(&path, &live).await.expect(200);
    assert_eq!(updated["status"]["hard"], json!({ "cpu": "500m", "memory": "500Mi" }));
    assert_eq!(watch.next().await.unwrap()["object"]["status"]["hard"], updated["spec"]["hard"]);
    let hard = json!({ "hard": { "cpu": "1", "memory": "1Gi" } });
    f.patch(&one, "strategic", &json!({ "spec": hard })).await.expect(200);
    f.patch(&path, "strategic", &json!({ "status": hard })).await.expect(200);
    assert_eq!(watch.told().await, "MODIFIED q");
    assert_eq!(watch.next().await.unwrap()["object"]["status"], hard);
    assert_eq!(f.get(&path).await.expect(200)["status"], hard);
    let more = json!({ "hard": { "cpu": "2", "memory": "2Gi" } });
    let repatched = f.patch(&path, "strategic", &json!({ "status": more, "spec": more })).await.expect(200);
    assert_eq!((&repatched["status"], &repatched["spec"]), (&more, &hard));
}
