//! Updates, patches, apply and deletes.

use super::{Fixture, config_map};
use object::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "i" }] } })
}

#[tokio::test]
async fn apply_owns_and_conflicts() {
    let f = Fixture::new().await;
    let one = format!("{MAPS}/a");
    let apply = |manager: &str, data: Value, rest: &str| {
        let path = format!("{one}?fieldManager={manager}{rest}");
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": data });
        let f = &f;
        async move { f.patch(&path, "apply", &body).await }
    };
    assert_eq!(f.patch(&one, "apply", &config_map("a")).await.code, 422);
    let made = apply("x", json!({ "k": "1", "l": "1" }), "").await.expect(201);
    assert_eq!(made["metadata"]["managedFields"][0]["operation"], "Apply");
    // The same again changes nothing.
    assert_eq!(apply("x", json!({ "k": "1", "l": "1" }), "").await.expect(200), made);
    let conflict = apply("y", json!({ "k": "2" }), "").await.expect(409);
    assert_eq!((&conflict["reason"], &conflict["details"]["causes"][0]["field"]), (&json!("Conflict"), &json!(".data.k")));
    let forced = apply("y", json!({ "k": "2" }), "&force=true").await.expect(200);
    assert_eq!(forced["data"], json!({ "k": "2", "l": "1" }));
    // What its only owner leaves out goes away.
    assert_eq!(apply("x", json!({}), "").await.expect(200)["data"], json!({ "k": "2" }));
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {a: b}\n";
    let path = format!("{MAPS}/b?fieldManager=x");
    f.send("PATCH", &path, "application/apply-patch+yaml", "", yaml).await.expect(201);
    assert_eq!(f.patch(&format!("{MAPS}/b"), "nonsense", &json!({})).await.code, 415);
}

#[tokio::test]
async fn updates_by_everyone_are_accounted_for() {
    let f = Fixture::new().await;
    let made = f.post(&format!("{MAPS}?fieldManager=one"), &config_map("a")).await.expect(201);
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "one");
    let changed = f.patch(&format!("{MAPS}/a"), "merge", &json!({ "data": { "z": "1" } })).await.expect(200);
    let managers: Vec<&str> =
        changed["metadata"]["managedFields"].as_array().unwrap().iter().map(|m| m["manager"].as_str().unwrap()).collect();
    assert_eq!(managers, ["one", "tester"]);
    // No change, no revision.
    let again = f.patch(&format!("{MAPS}/a"), "merge", &json!({ "data": { "z": "1" } })).await.expect(200);
    assert_eq!(again, changed);
    let dry = f.patch(&format!("{MAPS}/a?dryRun=All"), "merge", &json!({ "data": { "z": "2" } })).await.expect(200);
    assert_eq!(dry["data"]["z"], "2");
    assert_eq!(f.get(&format!("{MAPS}/a")).await.expect(200), changed);
    let bad = f.patch(&format!("{MAPS}/a"), "json", &json!([{ "op": "remove", "path": "/data/none" }])).await;
    assert_eq!(bad.code, 422);
    assert_eq!(f.put(&format!("{MAPS}/none"), &config_map("none")).await.code, 404);
    assert_eq!(f.put(&format!("{MAPS}/a"), &config_map("b")).await.code, 400);
    let mut other = changed.clone();
    other["metadata"]["uid"] = json!("other");
    assert_eq!(f.put(&format!("{MAPS}/a"), &other).await.code, 409);
    assert_eq!(
        f.put("/apis/coordination.k8s.io/v1/namespaces/default/leases/l", &json!({ "metadata": { "name": "l" }, "spec": {} })).await.code,
        201
    );
}

#[tokio::test]
async fn names_are_generated() {
    let f = Fixture::new().await;
    let mut map = config_map("");
    map["metadata"] = json!({ "generateName": "a-" });
    let made = f.post(MAPS, &map).await.expect(201);
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("a-") && name.len() == 7, "{name}");
    assert_eq!(f.post(MAPS, &json!({ "metadata": { "name": "x", "resourceVersion": "5" } })).await.code, 400);
}

#[tokio::test]
async fn finalizers_hold() {
    let f = Fixture::new().await;
    let mut map = config_map("a");
    map["metadata"]["finalizers"] = json!(["example.com/x"]);
    let one = format!("{MAPS}/a");
    f.post(MAPS, &map).await.expect(201);
    let waiting = f.delete(&one).await.expect(200);
    assert!(waiting["metadata"]["deletionTimestamp"].is_string());
    let twice = f.delete(&one).await.expect(200);
    assert_eq!(twice["metadata"]["resourceVersion"], waiting["metadata"]["resourceVersion"]);
    let added = f.patch(&one, "merge", &json!({ "metadata": { "finalizers": ["example.com/x", "example.com/y"] } })).await;
    assert!(added.message().contains("no new finalizers can be added if the object is being deleted"), "{}", added.message());
    f.patch(&one, "merge", &json!({ "metadata": { "finalizers": null } })).await.expect(200);
    f.get(&one).await.expect(404);
    // Propagation.
    f.post(MAPS, &config_map("b")).await.expect(201);
    let waiting = f.delete(&format!("{MAPS}/b?propagationPolicy=Foreground")).await.expect(200);
    assert_eq!(waiting["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    f.post(MAPS, &config_map("c")).await.expect(201);
    let body = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": { "uid": "other" } });
    let refused = f.send("DELETE", &format!("{MAPS}/c"), "application/json", "", body.to_string()).await;
    assert_eq!(refused.code, 409);
    assert!(refused.message().contains("Precondition failed: UID in precondition: other"), "{}", refused.message());
    let gone = f.delete(&format!("{MAPS}/c")).await.expect(200);
    assert_eq!((&gone["status"], &gone["details"]["name"]), (&json!("Success"), &json!("c")));
}

/// An option that is overlooked would delete what it was to keep.
#[tokio::test]
async fn delete_options_are_understood_or_refused() {
    let f = Fixture::new().await;
    f.post(MAPS, &config_map("a")).await.expect(201);
    let one = format!("{MAPS}/a");
    for (body, code, told) in [
        ("[]", 400, "cannot be handled as a DeleteOptions"),
        ("\"a\"", 400, "cannot be handled as a DeleteOptions"),
        (r#"{"kind":"Pod"}"#, 400, "decoded object cannot be converted to DeleteOptions"),
        (r#"{"gracePeriodSeconds":"5"}"#, 400, "cannot be handled as a DeleteOptions"),
        (r#"{"preconditions":"x"}"#, 400, "cannot be handled as a DeleteOptions"),
        (r#"{"preconditions":{"uid":5}}"#, 400, "cannot be handled as a DeleteOptions"),
        (r#"{"propagationPolicy":5}"#, 400, "cannot be handled as a DeleteOptions"),
        (r#"{"propagationPolicy":"Foo"}"#, 422, "propagationPolicy: Unsupported value: \"Foo\""),
        (r#"{"propagationPolicy":"Orphan","orphanDependents":true}"#, 422, "cannot be both set"),
        (r#"{"dryRun":"All"}"#, 400, "cannot be handled as a DeleteOptions"),
        (r#"{"dryRun":["Some"]}"#, 422, "dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""),
        (r#"{"preconditions":{"resourceVersion":"1"}}"#, 409, "Precondition failed: ResourceVersion in precondition: 1"),
    ] {
        let refused = f.send("DELETE", &one, "application/json", "", body).await;
        assert_eq!(refused.code, code, "{body}");
        assert!(refused.message().contains(told), "{body}: {}", refused.message());
        f.get(&one).await.expect(200);
    }
    assert_eq!(f.delete(&format!("{one}?propagationPolicy=Orphan&orphanDependents=false")).await.code, 422);
    f.send("DELETE", &one, "application/json", "", r#"{"dryRun":["All"]}"#).await.expect(200);
    f.get(&one).await.expect(200);
    f.send("DELETE", &one, "application/json", "", "null").await.expect(200);
    f.get(&one).await.expect(404);
}

#[tokio::test]
async fn warnings_are_bounded() {
    let f = Fixture::new().await;
    for (fields, least, most) in [(3, 3, 3), (5000, 50, 64)] {
        let mut map = config_map(&format!("a{fields}"));
        (0..fields).for_each(|i| map[format!("unknown{i}")] = json!(1));
        let answer = f.post(MAPS, &map).await;
        let warnings: Vec<_> = answer.headers.get_all("warning").iter().collect();
        assert_eq!(answer.code, 201);
        assert!((least..=most).contains(&warnings.len()), "{}", warnings.len());
        assert_eq!(warnings[0], "299 - \"unknown field \\\"unknown0\\\"\"");
    }
}

#[tokio::test]
async fn updates_name_what_they_update() {
    let f = Fixture::new().await;
    f.post(MAPS, &config_map("a")).await.expect(201);
    let refused = f.put(&format!("{MAPS}/a"), &json!({ "data": {} })).await;
    assert_eq!((refused.code, refused.message().contains("name must be provided")), (400, true));
    // Leases are never updated blindly.
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let mut lease = json!({ "metadata": { "name": "l" }, "spec": { "holderIdentity": "a" } });
    let made = f.post(leases, &lease).await.expect(201);
    let refused = f.put(&format!("{leases}/l"), &lease).await;
    assert_eq!(refused.code, 422);
    assert!(refused.message().contains("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"));
    lease["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    f.put(&format!("{leases}/l"), &lease).await.expect(200);
    f.post(MAPS, &json!({ "metadata": { "name": "zero", "resourceVersion": "0" } })).await.expect(201);
}

#[tokio::test]
async fn pods_end_gracefully() {
    let f = Fixture::new().await;
    f.post(PODS, &pod("p")).await.expect(201);
    let binding = json!({ "target": { "kind": "Node", "name": "n" }, "metadata": { "annotations": { "a": "b" } } });
    f.post(&format!("{PODS}/p/binding"), &binding).await.expect(201);
    let bound = f.get(&format!("{PODS}/p")).await.expect(200);
    assert_eq!((&bound["spec"]["nodeName"], &bound["metadata"]["annotations"]["a"]), (&json!("n"), &json!("b")));
    assert_eq!(
        (&bound["status"]["conditions"][0]["type"], &bound["status"]["conditions"][0]["status"]),
        (&json!("PodScheduled"), &json!("True"))
    );
    let again = f.post(&format!("{PODS}/p/binding"), &binding).await;
    assert_eq!(again.code, 409);
    assert!(again.message().contains("pod p is already assigned to node \"n\""), "{}", again.message());
    let ending = f.delete(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 30);
    let sooner = f.delete(&format!("{PODS}/p?gracePeriodSeconds=5")).await.expect(200);
    assert_eq!(sooner["metadata"]["deletionGracePeriodSeconds"], 5);
    let later = f.delete(&format!("{PODS}/p?gracePeriodSeconds=50")).await.expect(200);
    assert_eq!(later["metadata"]["deletionGracePeriodSeconds"], 5);
    f.delete(&format!("{PODS}/p?gracePeriodSeconds=0")).await.expect(200);
    f.get(&format!("{PODS}/p")).await.expect(404);
    // Unscheduled: at once.
    f.post(PODS, &pod("q")).await.expect(201);
    f.delete(&format!("{PODS}/q")).await.expect(200);
    f.get(&format!("{PODS}/q")).await.expect(404);
    f.post(PODS, &pod("r")).await.expect(201);
    let eviction =
        json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "r" }, "deleteOptions": { "gracePeriodSeconds": 1 } });
    f.post(&format!("{PODS}/r/eviction"), &eviction).await.expect(201);
    f.get(&format!("{PODS}/r")).await.expect(404);
    let none = f.get(&format!("{PODS}/q/log")).await;
    assert_eq!(none.code, 404);
    let mut two = pod("two");
    two["spec"]["containers"] = json!([{ "name": "a", "image": "i" }, { "name": "b", "image": "i" }]);
    f.post(PODS, &two).await.expect(201);
    assert_eq!(f.get(&format!("{PODS}/two/log")).await.message(), "a container name must be specified for pod two, choose one of: [a b]");
    assert_eq!(f.get(&format!("{PODS}/two/log?container=z")).await.message(), "container z is not valid for pod two");
    assert_eq!(f.get(&format!("{PODS}/two/log?container=a")).await.code, 200);
}

#[tokio::test]
async fn namespaces_end() {
    let f = Fixture::new().await;
    f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "n" } })).await.expect(201);
    let one = f.get("/api/v1/namespaces/n").await.expect(200);
    assert_eq!((&one["status"]["phase"], &one["spec"]["finalizers"]), (&json!("Active"), &json!(["kubernetes"])));
    assert_eq!(one["metadata"]["labels"]["kubernetes.io/metadata.name"], "n");
    let ending = f.delete("/api/v1/namespaces/n").await.expect(200);
    assert_eq!(ending["status"]["phase"], "Terminating");
    let refused = f.post("/api/v1/namespaces/n/configmaps", &config_map("a")).await;
    assert_eq!(refused.code, 403);
    assert!(
        refused.message().contains("unable to create new content in namespace n because it is being terminated"),
        "{}",
        refused.message()
    );
    let mut last = ending.clone();
    last["spec"] = json!({ "finalizers": [] });
    f.put("/api/v1/namespaces/n/finalize", &last).await.expect(200);
    f.get("/api/v1/namespaces/n").await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_writers_lose_nothing() {
    let f = std::sync::Arc::new(Fixture::new().await);
    f.post(MAPS, &config_map("a")).await.expect(201);
    let writers = (0..40).map(|i| {
        let f = f.clone();
        tokio::spawn(async move {
            f.patch(&format!("{MAPS}/a"), "merge", &json!({ "data": { format!("k{i}"): "v" } })).await.expect(200);
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    assert_eq!(f.get(&format!("{MAPS}/a")).await.json()["data"].as_object().unwrap().len(), 41);
    // Of those who insist on a revision, one wins.
    let live = f.get(&format!("{MAPS}/a")).await.expect(200);
    let writers = (0..10).map(|i| {
        let (f, mut live) = (f.clone(), live.clone());
        live["data"] = json!({ "winner": i.to_string() });
        tokio::spawn(async move { f.put(&format!("{MAPS}/a"), &live).await.code })
    });
    let mut codes = futures::future::try_join_all(writers).await.unwrap();
    codes.sort_unstable();
    assert_eq!(codes, [vec![200], vec![409; 9]].concat());
    let creators = (0..10).map(|_| {
        let f = f.clone();
        tokio::spawn(async move { f.post(MAPS, &config_map("b")).await.code })
    });
    let mut codes = futures::future::try_join_all(creators).await.unwrap();
    codes.sort_unstable();
    assert_eq!(codes, [vec![201], vec![409; 9]].concat());
}

#[tokio::test]
async fn the_kubernetes_service_comes_back() {
    let f = Fixture::new().await;
    let path = "/api/v1/namespaces/default/services";
    let mut watch = f.watch(&format!("{path}?watch=1")).await;
    assert_eq!(watch.told().await, "ADDED kubernetes");
    f.delete(&format!("{path}/kubernetes")).await.expect(200);
    assert_eq!((watch.told().await, watch.told().await), ("DELETED kubernetes".to_owned(), "ADDED kubernetes".to_owned()));
    assert_eq!(f.get(&format!("{path}/kubernetes")).await.expect(200)["spec"]["clusterIP"], "10.43.0.1");
}

/// `ValidateCreateOptions`, `ValidatePatchOptions` and what clients may put into managedFields.
#[tokio::test]
async fn options_of_writes_are_checked() {
    let f = Fixture::new().await;
    f.post(MAPS, &config_map("a")).await.expect(201);
    let long = "m".repeat(129);
    let cases = [
        ("POST", "?dryRun=Some", "CreateOptions", "dryRun"),
        ("POST", "?fieldValidation=Maybe", "CreateOptions", "fieldValidation"),
        ("POST", &format!("?fieldManager={long}"), "CreateOptions", "fieldManager"),
        ("PUT", "/a?fieldManager=a%0Ab", "UpdateOptions", "fieldManager"),
        ("PATCH", "/a?force=true", "PatchOptions", "force"),
    ];
    for (method, tail, kind, field) in cases {
        let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let told = f.send(method, &format!("{MAPS}{tail}"), media, "", config_map("a").to_string()).await.expect(422);
        assert_eq!((&told["details"]["kind"], &told["details"]["causes"][0]["field"]), (&json!(kind), &json!(field)), "{tail}");
    }
    let applied = f.patch(&format!("{MAPS}/a"), "apply", &config_map("a")).await.expect(422);
    assert_eq!(applied["details"]["causes"][0]["reason"], "FieldValueRequired");
    let mut told = config_map("b");
    told["metadata"]["managedFields"] = json!([{ "manager": "m", "operation": "Delete", "fieldsType": "FieldsV2" }]);
    let refused = f.post(MAPS, &told).await.expect(422);
    assert_eq!(refused["details"]["causes"].as_array().unwrap().len(), 2, "{refused}");
}

/// `shouldOrphanDependents`: what is asked for overrides what the object says.
#[tokio::test]
async fn propagation_is_written_as_finalizers() {
    let f = Fixture::new().await;
    let finalizers = ["orphan", "foregroundDeletion"];
    for (own, query, expect) in [
        (&[][..], "?propagationPolicy=Orphan", 200),
        (&[], "?propagationPolicy=Foreground", 200),
        (&[], "?orphanDependents=true", 200),
        (&finalizers[..1], "?propagationPolicy=Background", 200),
        (&finalizers[..1], "", 200),
    ] {
        let mut map = config_map("p");
        map["metadata"]["finalizers"] = json!(own);
        f.post(MAPS, &map).await.expect(201);
        let answer = f.delete(&format!("{MAPS}/p{query}")).await.expect(expect);
        let held = answer["metadata"]["finalizers"].clone();
        match query {
            "?propagationPolicy=Foreground" => assert_eq!(held, json!(["foregroundDeletion"])),
            "?propagationPolicy=Background" => assert_eq!(answer["status"], "Success"),
            _ => assert_eq!(held, json!(["orphan"]), "{query}"),
        }
        if held.is_array() {
            f.patch(&format!("{MAPS}/p"), "merge", &json!({ "metadata": { "finalizers": null } })).await.expect(200);
        }
    }
    let mut held = config_map("h");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    f.post(MAPS, &held).await.expect(201);
    f.delete(&format!("{MAPS}/h?orphanDependents=false")).await.expect(202);
}
