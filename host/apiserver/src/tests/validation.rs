//! What is refused, and in which words.

use super::Fixture;
use object::{Value, json};

fn pod(spec: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": spec })
}

fn deployment(spec: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": spec })
}

fn service(spec: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" }, "spec": spec })
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SERVICES: &str = "/api/v1/namespaces/default/services";

#[tokio::test]
async fn refusals_on_create() {
    let f = Fixture::new().await;
    let c = json!({ "name": "c", "image": "i" });
    let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [c] } });
    let cases: Vec<(&str, Value, u16, &str)> = vec![
        (PODS, pod(json!({ "containers": [] })), 422, "Pod \"p\" is invalid: spec.containers: Required value"),
        (PODS, pod(json!({ "containers": [{ "name": "c" }] })), 422, "Pod \"p\" is invalid: spec.containers[0].image: Required value"),
        (PODS, pod(json!({ "containers": [c, c] })), 422, "Pod \"p\" is invalid: spec.containers[1].name: Duplicate value: \"c\""),
        (
            PODS,
            pod(json!({ "containers": [{ "name": "c", "image": "i", "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }] })),
            422,
            "Pod \"p\" is invalid: spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            PODS,
            pod(
                json!({ "containers": [{ "name": "c", "image": "i", "resources": { "requests": { "cpu": "2" }, "limits": { "cpu": "1" } } }] }),
            ),
            422,
            "Pod \"p\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
        (
            PODS,
            pod(json!({ "containers": [c], "restartPolicy": "Sometimes" })),
            422,
            "Pod \"p\" is invalid: spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ),
        (
            PODS,
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "Bad_Name" }, "spec": { "containers": [c] } }),
            422,
            "Pod \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of",
        ),
        (
            PODS,
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": { "containers": [c] } }),
            422,
            "name or generateName is required",
        ),
        (PODS, json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "p" } }), 400, "Service"),
        (
            PODS,
            json!({ "apiVersion": "apps/v1", "kind": "Pod", "metadata": { "name": "p" } }),
            400,
            "does not match the expected API version (v1)",
        ),
        (MAPS, json!({ "metadata": { "name": "x", "namespace": "other" } }), 400, "the namespace of the provided object does not match"),
        (MAPS, json!({ "metadata": { "name": "x", "labels": { "a b": "c" } } }), 422, "metadata.labels: Invalid value: \"a b\""),
        (MAPS, json!({ "metadata": { "name": "x" }, "data": { "a/b": "c" } }), 422, "data[a/b]: Invalid value: \"a/b\""),
        ("/api/v1/namespaces/none/configmaps", json!({ "metadata": { "name": "x" } }), 404, "namespaces \"none\" not found"),
        (DEPLOYMENTS, deployment(json!({ "template": template })), 422, "spec.selector: Required value"),
        (
            DEPLOYMENTS,
            deployment(json!({ "selector": { "matchLabels": { "x": "y" } }, "template": template })),
            422,
            "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
        ),
        (SERVICES, service(json!({})), 422, "Service \"s\" is invalid: spec.ports: Required value"),
        (
            SERVICES,
            service(json!({ "ports": [{ "port": 0 }] })),
            422,
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (SERVICES, service(json!({ "ports": [{ "port": 1 }, { "port": 2 }] })), 422, "spec.ports[0].name: Required value"),
        (
            SERVICES,
            service(json!({ "type": "NodePort", "ports": [
                { "name": "a", "port": 1, "nodePort": 30001 }, { "name": "b", "port": 2, "nodePort": 30001 }
            ] })),
            422,
            "spec.ports[1].nodePort: Duplicate value: 30001",
        ),
        (
            SERVICES,
            service(json!({ "type": "NodePort", "ports": [{ "port": 1, "nodePort": 70000 }] })),
            422,
            "spec.ports[0].nodePort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            SERVICES,
            service(json!({ "externalTrafficPolicy": "Local", "ports": [{ "port": 1 }] })),
            422,
            "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services",
        ),
        (
            SERVICES,
            service(json!({ "ipFamilies": ["IPv6"], "ports": [{ "port": 1 }] })),
            422,
            "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
        ),
        (
            SERVICES,
            service(json!({ "ipFamilyPolicy": "RequireDualStack", "ports": [{ "port": 1 }] })),
            422,
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
        ),
        (SERVICES, service(json!({ "clusterIP": "10.44.0.1", "ports": [{ "port": 1 }] })), 422, "is not in the valid range"),
        (SERVICES, service(json!({ "clusterIP": "10.43.0.1", "ports": [{ "port": 1 }] })), 422, "provided IP is already allocated"),
        (
            SERVICES,
            service(json!({ "type": "NodePort", "ports": [{ "port": 1, "nodePort": 80 }] })),
            422,
            "The range of valid ports is 30000-32767",
        ),
    ];
    for (path, body, code, told) in cases {
        let answer = f.post(path, &body).await;
        assert_eq!(answer.code, code, "{body} {}", answer.message());
        assert!(answer.message().contains(told), "{body}\n  got {}\n  not {told}", answer.message());
    }
}

#[tokio::test]
async fn strict_decoding() {
    let f = Fixture::new().await;
    let body = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1","k":"2"},"nope":1}"#;
    let post = |query: &str| f.send("POST", &format!("{MAPS}?dryRun=All{query}").leak()[..], "application/json", "", body);
    let warned = post("").await;
    assert_eq!(warned.code, 201);
    let told: Vec<&str> = warned.headers.get_all("warning").iter().map(|v| v.to_str().unwrap()).collect();
    assert_eq!(told, ["299 - \"duplicate field \\\"data.k\\\"\"", "299 - \"unknown field \\\"nope\\\"\""]);
    let ignored = post("&fieldValidation=Ignore").await;
    assert_eq!((ignored.code, ignored.headers.get("warning")), (201, None));
    let strict = post("&fieldValidation=Strict").await;
    assert_eq!(strict.code, 400);
    assert!(strict.message().contains("strict decoding error: duplicate field \"data.k\", unknown field \"nope\""), "{}", strict.message());
    assert_eq!(post("&fieldValidation=Maybe").await.code, 422);
    let cut = f.send("POST", MAPS, "application/json", "", "{\"kind\":").await;
    assert_eq!(cut.code, 400);
    assert!(cut.message().starts_with("couldn't get version/kind; json parse error: "), "{}", cut.message());
    let wrong = f.send("POST", MAPS, "application/json", "", r#"{"metadata":{"name":"a"},"data":{"k":1}}"#).await;
    assert_eq!(wrong.code, 400, "{}", wrong.message());
    assert_eq!(f.send("POST", MAPS, "text/plain", "", "x").await.code, 415);
    assert_eq!(f.send("POST", MAPS, "application/yaml", "", "metadata: {name: yaml}\ndata: {a: b}\n").await.code, 201);
    let twice = f
        .send("POST", &format!("{MAPS}?fieldValidation=Strict"), "application/yaml", "", "metadata: {name: y}\ndata: {a: b, a: c}\n")
        .await;
    assert!(twice.message().contains("yaml: unmarshal errors:\n  line 2: key \"a\" already set in map"), "{}", twice.message());
    let twice = f
        .send("PATCH", &format!("{MAPS}/yaml?fieldValidation=Strict"), "application/merge-patch+json", "", r#"{"data":{"a":"1","a":"2"}}"#)
        .await;
    assert!(twice.message().contains("duplicate field \"data.a\""), "{}", twice.message());
    let large = format!(r#"{{"metadata":{{"name":"l"}},"data":{{"k":"{}"}}}}"#, "x".repeat(3 << 20));
    assert_eq!(f.send("POST", MAPS, "application/json", "", large).await.code, 413);
    let big = format!(r#"{{"metadata":{{"name":"l"}},"data":{{"k":"{}"}}}}"#, "x".repeat((1 << 20) + 1));
    assert_eq!(f.send("POST", MAPS, "application/json", "", big).await.code, 422);
}

#[tokio::test]
async fn what_may_not_change() {
    let f = Fixture::new().await;
    let c = json!({ "name": "c", "image": "i" });
    f.post(PODS, &pod(json!({ "containers": [c] }))).await.expect(201);
    let one = &format!("{PODS}/p");
    let refused = f.patch(one, "merge", &json!({ "spec": { "nodeName": "n" } })).await;
    assert_eq!(refused.code, 422);
    assert!(refused.message().contains("spec: Forbidden: pod updates may not change fields other than"), "{}", refused.message());
    f.patch(one, "strategic", &json!({ "spec": { "containers": [{ "name": "c", "image": "j" }] } })).await.expect(200);
    let pod = f.get(one).await.expect(200);
    assert_eq!((&pod["metadata"]["generation"], &pod["spec"]["containers"][0]["image"]), (&json!(2), &json!("j")));
    assert_eq!(pod["spec"]["serviceAccountName"], "default");
    assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!((&pod["status"]["phase"], &pod["status"]["qosClass"]), (&json!("Pending"), &json!("BestEffort")));
    // Status is written only through status, and nothing else is.
    f.patch(one, "merge", &json!({ "status": { "phase": "Running" } })).await.expect(200);
    assert_eq!(f.get(one).await.json()["status"]["phase"], "Pending");
    let body = json!({ "status": { "phase": "Running" }, "spec": { "activeDeadlineSeconds": 5 } });
    let set = f.patch(&format!("{one}/status"), "merge", &body).await.expect(200);
    assert_eq!((&set["status"]["phase"], &set["spec"]["activeDeadlineSeconds"]), (&json!("Running"), &Value::Null));
    assert_eq!(set["metadata"]["generation"], 2);

    let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [c] } });
    f.post(DEPLOYMENTS, &deployment(json!({ "selector": { "matchLabels": { "a": "b" } }, "template": template }))).await.expect(201);
    let one = &format!("{DEPLOYMENTS}/d");
    let refused = f.patch(one, "merge", &json!({ "spec": { "selector": { "matchLabels": { "a": "b", "c": "d" } }, "template": { "metadata": { "labels": { "c": "d" } } } } })).await;
    assert!(
        refused.message().contains("spec.selector: Invalid value") && refused.message().contains("field is immutable"),
        "{}",
        refused.message()
    );
    let scale = f.patch(&format!("{one}/scale"), "merge", &json!({ "spec": { "replicas": 3 } })).await.expect(200);
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(3), &json!("a=b")));
    let d = f.get(one).await.expect(200);
    assert_eq!((&d["spec"]["replicas"], &d["metadata"]["generation"]), (&json!(3), &json!(2)));
    f.put(&format!("{one}/scale"), &json!({ "metadata": { "name": "d" }, "spec": { "replicas": 1 } })).await.expect(200);
    assert_eq!(f.patch(&format!("{one}/scale"), "merge", &json!({ "spec": { "replicas": -1 } })).await.code, 422);
    // What is no Scale does not scale to nothing.
    for body in [json!([]), json!("x"), json!({ "kind": "Pod" }), json!({ "spec": 1 }), json!({ "spec": { "replicas": "2" } })] {
        assert_eq!(f.put(&format!("{one}/scale"), &body).await.code, 400, "{body}");
    }
    let patch = json!([{ "op": "replace", "path": "", "value": [] }]);
    assert_eq!(f.patch(&format!("{one}/scale"), "json-patch+json", &patch).await.code, 415);
    assert_eq!(f.patch(&format!("{one}/scale"), "json", &patch).await.code, 400);
    assert_eq!(f.get(one).await.expect(200)["spec"]["replicas"], 1);

    let s = f.post(SERVICES, &service(json!({ "ports": [{ "port": 80 }], "type": "NodePort" }))).await.expect(201);
    let number = s["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    assert!((30000..=32767).contains(&number));
    let ip = s["spec"]["clusterIP"].as_str().unwrap().to_owned();
    assert_eq!((&s["spec"]["clusterIPs"], &s["spec"]["ipFamilies"]), (&json!([ip]), &json!(["IPv4"])));
    let one = &format!("{SERVICES}/s");
    assert!(f.patch(one, "merge", &json!({ "spec": { "clusterIP": "10.43.9.9" } })).await.message().contains("may not change once set"));
    // A plain replacement without the address keeps it, and a type without node ports drops them.
    let s = f.put(one, &service(json!({ "ports": [{ "port": 81 }] }))).await.expect(200);
    assert_eq!((&s["spec"]["clusterIP"], &s["spec"]["ports"][0]["nodePort"]), (&json!(ip), &Value::Null));
    f.delete(one).await.expect(200);
    f.post(SERVICES, &service(json!({ "clusterIP": ip, "ports": [{ "port": 1 }] }))).await.expect(201);
}

#[tokio::test]
async fn secrets_take_text() {
    let f = Fixture::new().await;
    let path = "/api/v1/namespaces/default/secrets";
    let made = f.post(path, &json!({ "metadata": { "name": "s" }, "stringData": { "k": "v" } })).await.expect(201);
    assert_eq!((&made["data"], &made["stringData"], &made["type"]), (&json!({ "k": "dg==" }), &Value::Null, &json!("Opaque")));
    let refused = f.patch(&format!("{path}/s"), "merge", &json!({ "type": "x" })).await;
    assert!(refused.message().contains("type: Invalid value: \"x\": field is immutable"), "{}", refused.message());
    let tls = f.post(path, &json!({ "metadata": { "name": "t" }, "type": "kubernetes.io/tls" })).await;
    assert!(tls.message().contains("data[tls.crt]: Required value"), "{}", tls.message());
}
