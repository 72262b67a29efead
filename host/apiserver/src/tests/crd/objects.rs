//! Objects of custom kinds: all verbs, schema, columns, subresources.

use super::*;
async fn with(properties: Value) -> Fixture {
    let api = Fixture::new().await;
    api.post(CRDS, &widgets(properties)).await.expect(201);
    api
}

#[tokio::test]
async fn schemas_prune_default_and_refuse() {
    let api = with(json!({"spec": {"type": "object", "required": ["size"], "properties": {
        "size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    }}}))
    .await;
    let made = api.post(WIDGETS, &widget("a", json!({"size": 1, "unknown": true}))).await;
    assert_eq!(made.headers["warning"], "299 - \"unknown field \\\"spec.unknown\\\"\"");
    assert_eq!(made.expect(201)["spec"], json!({"size": 1, "color": "red"}));
    let strict = api.post(&format!("{WIDGETS}?fieldValidation=Strict"), &widget("b", json!({"size": 1, "unknown": true}))).await;
    let expect = "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.unknown\"";
    assert_eq!((strict.code, strict.message()), (400, expect.to_owned()));
    let refused = api.post(WIDGETS, &widget("c", json!({"size": 0, "color": "green", "tags": ["a", "a"]}))).await;
    assert_eq!(
        causes(refused),
        [
            "spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\"",
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
            "spec.tags[1]: Duplicate value: \"a\"",
        ]
    );
    let wrong = api.post(WIDGETS, &widget("c", json!({"size": "big"}))).await;
    assert_eq!(causes(wrong), ["spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\""]);
    assert_eq!(causes(api.post(WIDGETS, &widget("c", json!({}))).await), ["spec.size: Required value"]);
    let meta =
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "d", "labels": {"a": 1}}, "spec": {"size": 1}});
    api.post(WIDGETS, &meta).await.expect(400);
}

#[tokio::test]
async fn what_did_not_change_may_stay_invalid() {
    let api = with(json!({"spec": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}})).await;
    api.post(WIDGETS, &widget("a", json!({"a": "long", "b": "x"}))).await.expect(201);
    let mut crd = api.get(&format!("{CRDS}/widgets.example.com")).await.expect(200);
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] =
        json!({"a": {"type": "string", "maxLength": 2}, "b": {"type": "string"}, "c": {"type": "string", "default": "C"}});
    api.put(&format!("{CRDS}/widgets.example.com"), &crd).await.expect(200);
    // Defaults come on read, too.
    assert_eq!(api.get(&format!("{WIDGETS}/a")).await.expect(200)["spec"]["c"], "C");
    let patched = api.patch(&format!("{WIDGETS}/a"), "merge", &json!({"spec": {"b": "y"}})).await.expect(200);
    assert_eq!((patched["spec"]["b"].as_str(), patched["metadata"]["generation"].as_i64()), (Some("y"), Some(2)));
    let refused = api.patch(&format!("{WIDGETS}/a"), "merge", &json!({"spec": {"a": "longer"}})).await;
    assert_eq!(causes(refused), ["spec.a: Too long: may not be more than 2 bytes"]);
}

#[tokio::test]
async fn patches_of_three_kinds() {
    let item = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}, "v": {"type": "integer"}}});
    let api = with(json!({"spec": {"type": "object", "properties": {
        "a": {"type": "string"},
        "m": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"], "items": item},
    }}}))
    .await;
    let path = format!("{WIDGETS}/a");
    api.post(WIDGETS, &widget("a", json!({"a": "1"}))).await.expect(201);
    let json_patch = json!([{"op": "replace", "path": "/spec/a", "value": "2"}]);
    assert_eq!(api.patch(&path, "json", &json_patch).await.expect(200)["spec"]["a"], "2");
    assert_eq!(api.patch(&path, "merge", &json!({"spec": {"a": null}})).await.expect(200)["spec"], json!({}));
    api.patch(&path, "strategic", &json!({"spec": {"a": "3"}})).await.expect(415);
    let unconditional = api.put(&path, &widget("a", json!({"a": "4"}))).await;
    assert_eq!(causes(unconditional), ["metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"]);
    let protobuf = "application/vnd.kubernetes.protobuf";
    assert_eq!(api.send("GET", &path, "", protobuf, String::new()).await.code, 406);
    api.send("PUT", &path, protobuf, "", "k8s\0").await.expect(415);
    let mine = json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"m": [{"n": "x", "v": 1}]}});
    api.patch(&format!("{path}?fieldManager=me"), "apply", &mine).await.expect(200);
    let theirs = json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"m": [{"n": "y", "v": 2}]}});
    let merged = api.patch(&format!("{path}?fieldManager=they"), "apply", &theirs).await.expect(200);
    assert_eq!(merged["spec"]["m"], json!([{"n": "x", "v": 1}, {"n": "y", "v": 2}]));
    let conflict = json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"m": [{"n": "x", "v": 3}]}});
    let refused = api.patch(&format!("{path}?fieldManager=they"), "apply", &conflict).await.expect(409);
    assert_eq!(refused["details"]["causes"][0]["field"], ".spec.m[n=\"x\"].v");
    let without = json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {}});
    let left = api.patch(&format!("{path}?fieldManager=me"), "apply", &without).await.expect(200);
    assert_eq!(left["spec"]["m"], json!([{"n": "y", "v": 2}]));
    // Applied where nothing is: created.
    api.patch(&format!("{WIDGETS}/new?fieldManager=me"), "apply", &mine).await.expect(201);
}

#[tokio::test]
async fn status_and_scale_are_apart() {
    let api = Fixture::new().await;
    let mut crd = widgets(json!({
        "spec": {"type": "object", "properties": {"count": {"type": "integer"}}},
        "status": {"type": "object", "properties": {"count": {"type": "integer"}, "selector": {"type": "string"}}},
    }));
    crd["spec"]["versions"][0]["subresources"] = json!({"status": {}, "scale": {
        "specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count", "labelSelectorPath": ".status.selector"}});
    api.post(CRDS, &crd).await.expect(201);
    let path = format!("{WIDGETS}/a");
    let mut body = widget("a", json!({"count": 2}));
    body["status"] = json!({"count": 9});
    assert!(api.post(WIDGETS, &body).await.expect(201).get("status").is_none());
    let status = json!({"status": {"count": 1, "selector": "a=b"}, "spec": {"count": 7}});
    let written = api.patch(&format!("{path}/status"), "merge", &status).await.expect(200);
    assert_eq!((written["spec"]["count"].as_i64(), written["metadata"]["generation"].as_i64()), (Some(2), Some(1)));
    let scale = api.get(&format!("{path}/scale")).await.expect(200);
    assert_eq!((&scale["spec"], &scale["status"]), (&json!({"replicas": 2}), &json!({"replicas": 1, "selector": "a=b"})));
    let scaled = api.patch(&format!("{path}/scale"), "merge", &json!({"spec": {"replicas": 5}})).await.expect(200);
    assert_eq!(scaled["spec"]["replicas"], 5);
    let object = api.get(&path).await.expect(200);
    assert_eq!((object["spec"]["count"].as_i64(), object["metadata"]["generation"].as_i64()), (Some(5), Some(2)));
    let refused = api.patch(&path, "merge", &json!({"spec": {"count": -1}})).await;
    assert_eq!(causes(refused), [".spec.count: Invalid value: -1: should be a non-negative integer"]);
}

#[tokio::test]
async fn columns_selectors_and_watches() {
    let api = Fixture::new().await;
    let mut crd = widgets(json!({"spec": {"type": "object", "properties": {
        "color": {"type": "string"}, "ports": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "string"}, "p": {"type": "integer"}}}}}}}));
    crd["spec"]["versions"][0]["additionalPrinterColumns"] = json!([
        {"name": "Color", "type": "string", "jsonPath": ".spec.color"},
        {"name": "Web", "type": "integer", "jsonPath": ".spec.ports[?(@.n==\"web\")].p", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]);
    crd["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".spec.color"}]);
    api.post(CRDS, &crd).await.expect(201);
    let mut events = api.watch(&format!("{WIDGETS}?watch=1&fieldSelector=spec.color=red")).await;
    api.post(WIDGETS, &widget("a", json!({"color": "red", "ports": [{"n": "web", "p": 80}]}))).await.expect(201);
    api.post(WIDGETS, &widget("b", json!({"color": "blue"}))).await.expect(201);
    let table = api.send("GET", WIDGETS, "", "application/json;as=Table;v=v1;g=meta.k8s.io", String::new()).await.expect(200);
    let names: Vec<&str> = table["columnDefinitions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Name", "Color", "Web", "Age"]);
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[..3], [json!("a"), json!("red"), json!(80)]);
    assert_eq!(table["rows"][1]["cells"][2], Value::Null);
    let red = api.get(&format!("{WIDGETS}?fieldSelector=spec.color=red")).await.expect(200);
    assert_eq!(red["items"].as_array().map(Vec::len), Some(1));
    api.get(&format!("{WIDGETS}?fieldSelector=spec.other=red")).await.expect(400);
    assert_eq!(events.told().await, "ADDED a");
    api.patch(&format!("{WIDGETS}/a"), "merge", &json!({"spec": {"color": "blue"}})).await.expect(200);
    assert_eq!(events.told().await, "DELETED a");
}

#[tokio::test]
async fn versions_share_their_objects() {
    let api = Fixture::new().await;
    let mut crd = widgets(any());
    let mut second = crd["spec"]["versions"][0].clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    second["deprecated"] = json!(true);
    crd["spec"]["versions"].as_array_mut().unwrap().push(second);
    api.post(CRDS, &crd).await.expect(201);
    let v2 = WIDGETS.replace("v1", "v2");
    api.post(WIDGETS, &widget("a", json!({"x": 1}))).await.expect(201);
    let got = api.get(&format!("{v2}/a")).await;
    assert_eq!(got.headers["warning"], "299 - \"example.com/v2 Widget is deprecated\"");
    assert_eq!(got.expect(200)["apiVersion"], "example.com/v2");
    let mut b = widget("b", json!({}));
    b["apiVersion"] = json!("example.com/v2");
    assert_eq!(api.post(&v2, &b).await.expect(201)["apiVersion"], "example.com/v2");
    assert_eq!(api.get(&format!("{WIDGETS}/b")).await.expect(200)["apiVersion"], "example.com/v1");
    // Another version is stored from now on; what was stored is read by any.
    let mut crd = api.get(&format!("{CRDS}/widgets.example.com")).await.expect(200);
    crd["spec"]["versions"][0]["storage"] = json!(false);
    crd["spec"]["versions"][0]["served"] = json!(false);
    crd["spec"]["versions"][1]["storage"] = json!(true);
    let updated = api.put(&format!("{CRDS}/widgets.example.com"), &crd).await.expect(200);
    assert_eq!(updated["status"]["storedVersions"], json!(["v1", "v2"]));
    api.get(WIDGETS).await.expect(404);
    let list = api.get(&v2).await.expect(200);
    let versions: Vec<&str> = list["items"].as_array().unwrap().iter().map(|i| i["apiVersion"].as_str().unwrap()).collect();
    assert_eq!(versions, ["example.com/v2", "example.com/v2"]);
    let patched = api.patch(&format!("{v2}/a"), "merge", &json!({"spec": {"x": 2}})).await.expect(200);
    assert_eq!((patched["apiVersion"].as_str(), patched["spec"]["x"].as_i64()), (Some("example.com/v2"), Some(2)));
}
