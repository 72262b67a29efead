//! Kinds with more than one form, kinds that are never stored, and what tables show.

use super::Fixture;
use object::{Value, json};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[tokio::test]
async fn autoscalers_are_one_object_in_two_versions() {
    let f = Fixture::new().await;
    let of = |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers");
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" });
    let body = json!({ "metadata": { "name": "h" }, "spec": { "scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 40 } });
    let made = f.post(&of("v1"), &body).await.expect(201);
    assert_eq!((&made["apiVersion"], &made["spec"]["targetCPUUtilizationPercentage"]), (&json!("autoscaling/v1"), &json!(40)));
    let one = |version: &str| format!("{}/h", of(version));
    let newer = f.get(&one("v2")).await.expect(200);
    let cpu = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 40 } } }]);
    assert_eq!((&newer["spec"]["metrics"], &newer["spec"]["minReplicas"]), (&cpu, &json!(1)));
    assert_eq!((&newer["metadata"]["uid"], &newer["spec"]["targetCPUUtilizationPercentage"]), (&made["metadata"]["uid"], &Value::Null));
    // What v1 has no field for stands in its annotations, and survives a write through v1.
    let memory =
        json!({ "type": "Resource", "resource": { "name": "memory", "target": { "type": "AverageValue", "averageValue": "1Gi" } } });
    f.patch(&one("v2"), "merge", &json!({ "spec": { "metrics": [cpu[0], memory] } })).await.expect(200);
    let mut older = f.get(&one("v1")).await.expect(200);
    let annotation = older["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"].as_str().unwrap().to_owned();
    assert_eq!(annotation, r#"[{"resource":{"name":"memory","targetAverageValue":"1Gi"},"type":"Resource"}]"#);
    older["spec"]["maxReplicas"] = json!(5);
    f.put(&one("v1"), &older).await.expect(200);
    let newer = f.get(&one("v2")).await.expect(200);
    assert_eq!(newer["spec"]["maxReplicas"], 5);
    let names: Vec<&Value> = newer["spec"]["metrics"].as_array().unwrap().iter().map(|m| &m["resource"]["name"]).collect();
    assert_eq!(names, ["memory", "cpu"]);
    assert!(newer["metadata"]["annotations"].is_null());
    let table = f.send("GET", &of("v1"), "", TABLE, "").await.expect(200);
    assert_eq!(table["rows"][0]["cells"][2], "cpu: <unknown>/40%");
    let table = f.send("GET", &of("v2"), "", TABLE, "").await.expect(200);
    assert_eq!(table["rows"][0]["cells"][2], "memory: <unknown>/1Gi, cpu: <unknown>/40%");
    let mut watch = f.watch(&format!("{}?watch=1", of("v1"))).await;
    let event = watch.next().await.unwrap();
    assert_eq!((&event["object"]["apiVersion"], &event["object"]["spec"]["maxReplicas"]), (&json!("autoscaling/v1"), &json!(5)));
    f.delete(&one("v1")).await.expect(200);
    f.get(&one("v2")).await.expect(404);
}

#[tokio::test]
async fn events_are_one_object_in_two_groups() {
    let f = Fixture::new().await;
    let (core, new) = ("/api/v1/namespaces/default/events", "/apis/events.k8s.io/v1/namespaces/default/events");
    let body = json!({
        "metadata": { "name": "e" }, "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "example.com/c",
        "reportingInstance": "i", "action": "Testing", "reason": "Tested", "type": "Normal", "note": "said",
        "regarding": { "kind": "Pod", "namespace": "default", "name": "p" },
    });
    let made = f.post(new, &body).await.expect(201);
    assert_eq!((&made["note"], &made["apiVersion"]), (&json!("said"), &json!("events.k8s.io/v1")));
    let old = f.get(&format!("{core}/e")).await.expect(200);
    assert_eq!(
        (&old["message"], &old["involvedObject"]["name"], &old["reportingComponent"]),
        (&json!("said"), &json!("p"), &json!("example.com/c"))
    );
    for (path, selector, count) in [
        (new, "regarding.name=p", 1),
        (new, "regarding.name=q", 0),
        (new, "reportingController=example.com/c", 1),
        (core, "involvedObject.name=p,reportingComponent=example.com/c", 1),
        (core, "source=example.com/c", 1),
    ] {
        let list = f.get(&format!("{path}?fieldSelector={}", selector.replace('=', "%3D").replace(',', "%2C"))).await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{selector}");
    }
    assert_eq!(f.get(&format!("{new}?fieldSelector=involvedObject.name%3Dp")).await.code, 400);
    for path in [core, new] {
        let table = f.send("GET", path, "", TABLE, "").await.expect(200);
        let cells = table["rows"][0]["cells"].as_array().unwrap();
        let told: Vec<&Value> = [1, 2, 3, 5, 6, 8, 9].iter().map(|at| &cells[*at]).collect();
        assert_eq!(json!(told), json!(["Normal", "Tested", "pod/p", "example.com/c, i", "said", 1, "e"]), "{path}");
    }
}

#[tokio::test]
async fn bindings_bind_and_components_tell() {
    let f = Fixture::new().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    f.post(pods, &pod).await.expect(201);
    let bindings = "/api/v1/namespaces/default/bindings";
    f.post(bindings, &json!({ "metadata": { "name": "p" }, "target": { "kind": "Node", "name": "n" } })).await.expect(201);
    assert_eq!(f.get(&format!("{pods}/p")).await.expect(200)["spec"]["nodeName"], "n");
    assert_eq!(f.post(bindings, &json!({ "metadata": { "name": "q" }, "target": { "name": "n" } })).await.code, 404);
    assert_eq!(f.get(bindings).await.code, 405);
    let list = f.get("/api/v1/componentstatuses").await.expect(200);
    assert_eq!((&list["kind"], &list["items"][0]["conditions"][0]["status"]), (&json!("ComponentStatusList"), &json!("True")));
    let name = list["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    for (path, told) in [
        ("/api/v1/componentstatuses", "299 - \"v1 ComponentStatus is deprecated in v1.19+\""),
        ("/api/v1/endpoints", "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\""),
    ] {
        assert_eq!(f.get(path).await.headers["warning"].to_str().unwrap(), told);
    }
    f.get(&format!("/api/v1/componentstatuses/{name}")).await.expect(200);
    assert_eq!(f.get("/api/v1/componentstatuses/none").await.code, 404);
    let table = f.send("GET", "/api/v1/componentstatuses", "", TABLE, "").await.expect(200);
    assert_eq!(table["rows"][0]["cells"], json!([name, "Healthy", "ok", ""]));
    assert_eq!(f.post("/api/v1/componentstatuses", &json!({})).await.code, 405);
    // Streams are listed, and refused in words.
    assert_eq!(f.post(&format!("{pods}/p/exec"), &json!({})).await.code, 501);
}

#[tokio::test]
async fn status_writes_annotations_where_upstream_lets_it() {
    let f = Fixture::new().await;
    for (group, resource, writes) in [
        ("", "services", true),
        ("", "persistentvolumeclaims", true),
        ("", "resourcequotas", true),
        ("autoscaling", "horizontalpodautoscalers", true),
        ("policy", "poddisruptionbudgets", true),
        ("networking.k8s.io", "ingresses", true),
        ("networking.k8s.io", "servicecidrs", true),
        ("storage.k8s.io", "volumeattachments", false),
    ] {
        let version = if resource == "horizontalpodautoscalers" { "v2" } else { "v1" };
        let kind = f.registry().resource_by_name(group, version, resource).unwrap();
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/{version}") };
        let path = if kind.is_namespaced() { format!("{root}/namespaces/default/{resource}") } else { format!("{root}/{resource}") };
        let made = f.post(&path, &serde_json::from_str(&kind.sample).unwrap()).await.expect(201);
        let one = format!("{path}/{}/status", made["metadata"]["name"].as_str().unwrap());
        let patched =
            f.patch(&one, "merge", &json!({ "metadata": { "annotations": { "patched": "status" } }, "spec": null })).await.expect(200);
        assert_eq!(patched["metadata"]["annotations"]["patched"] == "status", writes, "{resource}");
        assert_eq!(patched["spec"], made["spec"], "{resource}");
    }
}
