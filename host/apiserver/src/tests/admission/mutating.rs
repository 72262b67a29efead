//! Hooks that change objects: order, defaults, repetition.

use super::*;

fn pods() -> Value {
    json!({ "rules": [{ "operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }] })
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "c", "image": "busybox:1" }] },
    })
}

const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn changes_go_on_in_order_with_defaults() {
    let w = World::new().await;
    // Each sees what those before it left, and what defaults made of that.
    w.plugin("b", &pods(), |r, mutates| {
        let object = r.object.as_ref().unwrap().object();
        let ports = object.at(&["spec", "containers"]).unwrap()[0]["ports"].to_string();
        // Built-in changes come first.
        assert!(object.at(&["spec", "tolerations"]).is_some());
        if !mutates {
            return Ok(Admitted {
                warnings: vec![format!("validated with {}", object.annotation("seen").unwrap())],
                ..Admitted::default()
            });
        }
        patched(json!([{ "op": "add", "path": "/metadata/annotations", "value": { "seen": ports } }]))
    })
    .await;
    w.plugin("a", &pods(), |r, mutates| {
        if !mutates {
            return Ok(Admitted::default());
        }
        assert_eq!(r.object.as_ref().unwrap().object().at(&["spec", "restartPolicy"]), Some(&json!("Always")), "defaults were applied");
        patched(json!([{ "op": "add", "path": "/spec/containers/0/ports", "value": [{ "containerPort": 80 }] }]))
    })
    .await;
    let answer = w.f.post(PODS, &pod("p")).await;
    let expect = "[{\"containerPort\":80,\"protocol\":\"TCP\"}]";
    assert_eq!(warnings(&answer), [format!("validated with {expect}")]);
    let made = answer.expect(201);
    assert_eq!(made["metadata"]["annotations"]["seen"], expect);
    assert_eq!(made["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
    let expect = ["a mutate CREATE pods p", "b mutate CREATE pods p", "a validate CREATE pods p", "b validate CREATE pods p"];
    assert_eq!(w.calls(), expect);
}

#[tokio::test]
async fn hooks_may_ask_to_be_asked_again() {
    // Who is asked to mutate, given who asks for repetition and who changes.
    let check = async |repeating: &[&str], changing: fn(&AdmissionRequest, bool) -> Result<Admitted, Refusal>, expect: &[&str]| {
        let w = World::new().await;
        for name in ["a", "b", "c"] {
            let policy = if repeating.contains(&name) { "IfNeeded" } else { "Never" };
            let answer: Answer = if name == "b" { changing } else { fine };
            let admission = and(maps(), &json!({ "reinvocationPolicy": policy }));
            w.loaded(name, &admission, "Fail", (false, true), answer).await;
        }
        w.f.post(MAPS, &config_map("m")).await.expect(201);
        let calls = w.calls();
        let names: Vec<&str> = calls.iter().map(|call| &call[..1]).collect();
        assert_eq!(names, expect, "{repeating:?}");
    };
    let changes: Answer = |_, _| patched(json!([{ "op": "add", "path": "/data/b", "value": "b" }]));
    check(&[], changes, &["a", "b", "c"]).await;
    // Only those that were asked before the change.
    check(&["a", "b", "c"], changes, &["a", "b", "c", "a"]).await;
    check(&["b"], changes, &["a", "b", "c"]).await;
    check(&["a"], fine, &["a", "b", "c"]).await;
    check(&["a"], |_, _| patched(json!([])), &["a", "b", "c"]).await;
    check(&["a"], |_, _| patched(json!([{ "op": "replace", "path": "/data/k", "value": "v" }])), &["a", "b", "c"]).await;
}

#[tokio::test]
async fn a_whole_object_may_be_answered() {
    let w = World::new().await;
    w.plugin("p", &maps(), |r, mutates| {
        let mut object = r.object.as_ref().unwrap().object().clone();
        object.set_at(&["data", "whole"], json!("yes"));
        object.set_at(&["unknown"], json!(1));
        let change = mutates.then(|| Change::Whole(object));
        Ok(Admitted { change, ..Admitted::default() })
    })
    .await;
    let made = w.f.post(MAPS, &config_map("a")).await.expect(201);
    assert_eq!((&made["data"], &made["unknown"]), (&json!({ "k": "v", "whole": "yes" }), &Value::Null));
}

#[tokio::test]
async fn changes_that_cannot_be() {
    let check = async |answer: Answer, expect: &str| {
        let w = World::new().await;
        w.loaded("p", &maps(), "Fail", (false, true), answer).await;
        let told = w.f.post(MAPS, &config_map("a")).await;
        assert_eq!((told.code, told.message()), (500, format!("Internal error occurred: {expect}")));
    };
    let what = "admission plugin \"p\" changed the object into what it cannot be:";
    check(
        |_, _| patched(json!([{ "op": "remove", "path": "/data/none" }])),
        &format!("{what} remove operation does not apply: doc is missing path: /data/none"),
    )
    .await;
    check(
        |_, _| patched(json!([{ "op": "replace", "path": "/kind", "value": "Secret" }])),
        &format!("{what} kind was changed from \"ConfigMap\" to \"Secret\""),
    )
    .await;
    check(
        |_, _| patched(json!([{ "op": "replace", "path": "/metadata/namespace", "value": "kube-system" }])),
        &format!("{what} metadata.namespace was changed from \"default\" to \"kube-system\""),
    )
    .await;
    check(
        |_, _| patched(json!({ "op": "remove" })),
        "failed calling admission plugin \"p\": plugin p failed: its patch is no list of operations",
    )
    .await;
    let w = World::new().await;
    w.loaded(
        "p",
        &and(
            maps(),
            &json!({ "rules": [{ "operations": ["DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"] }] }),
        ),
        "Fail",
        (false, true),
        |_, _| patched(json!([{ "op": "add", "path": "/data/x", "value": "y" }])),
    )
    .await;
    w.f.post(MAPS, &config_map("a")).await.expect(201);
    let told = w.f.delete(&format!("{MAPS}/a")).await.message();
    assert_eq!(
        told,
        "Internal error occurred: admission plugin \"p\" attempted to modify the object, which is not supported for this operation"
    );
}

#[tokio::test]
async fn other_versions_are_told_in_the_version_that_the_rules_name() {
    let path = |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers");
    let check = async |rule: &str, policy: &str, request: &str, expect: &[&str]| {
        let w = World::new().await;
        let admission = json!({
            "rules": [{ "operations": ["CREATE"], "apiGroups": ["autoscaling"], "apiVersions": [rule], "resources": ["horizontalpodautoscalers"] }],
            "matchPolicy": policy,
        });
        w.plugin("p", &admission, |r, mutates| {
            let object = r.object.as_ref().unwrap().object();
            let told = format!("{} {} asked as {}", object.api_version(), r.kind.version, r.request_kind.version);
            match (mutates, object.api_version()) {
                (false, _) => Ok(Admitted { warnings: vec![told], ..Admitted::default() }),
                (true, "autoscaling/v1") => {
                    patched(json!([{ "op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 55 }]))
                }
                (true, _) => {
                    patched(json!([{ "op": "replace", "path": "/spec/metrics/0/resource/target/averageUtilization", "value": 55 }]))
                }
            }
        })
        .await;
        let metrics =
            json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } }]);
        let mut spec = json!({ "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" }, "maxReplicas": 3 });
        match request {
            "v1" => spec["targetCPUUtilizationPercentage"] = json!(70),
            _ => spec["metrics"] = metrics,
        }
        let object = json!({ "apiVersion": format!("autoscaling/{request}"), "kind": "HorizontalPodAutoscaler", "metadata": { "name": "h" }, "spec": spec });
        let answer = w.f.post(&path(request), &object).await;
        assert_eq!(warnings(&answer), expect, "{rule} {policy} {request}");
        answer.expect(201);
        let made = w.f.get(&format!("{}/h", path("v2"))).await.expect(200);
        let percent = if expect.is_empty() { 70 } else { 55 };
        assert_eq!(made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], percent);
    };
    check("v2", "Exact", "v2", &["autoscaling/v2 v2 asked as v2"]).await;
    check("v1", "Exact", "v1", &["autoscaling/v1 v1 asked as v1"]).await;
    check("*", "Exact", "v1", &["autoscaling/v1 v1 asked as v1"]).await;
    check("v1", "Equivalent", "v2", &["autoscaling/v1 v1 asked as v2"]).await;
    check("v2", "Equivalent", "v1", &["autoscaling/v2 v2 asked as v1"]).await;
    check("v1", "Exact", "v2", &[]).await;
}
