//! The audit of existing objects.

use super::*;
use crate::admission::audit::{Audit, Pass};

const REPORTS: &str = "/apis/wgpolicyk8s.io/v1alpha2/policyreports";

/// What reports say: namespace, object, results, sorted.
async fn reports(f: &Fixture, path: &str) -> Vec<String> {
    let list = f.get(path).await.expect(200);
    let mut told = Vec::new();
    for report in list["items"].as_array().unwrap() {
        assert_eq!(report["metadata"]["name"], report["scope"]["uid"]);
        assert_eq!(report["metadata"]["ownerReferences"][0]["uid"], report["scope"]["uid"]);
        let mut results: Vec<String> = Vec::new();
        for result in report["results"].as_array().unwrap() {
            assert!(result["timestamp"]["seconds"].as_i64().unwrap() > 0);
            assert_eq!(result["resources"][0], report["scope"]);
            results.push(format!(
                "{} {} {}",
                result["policy"].as_str().unwrap(),
                result["result"].as_str().unwrap(),
                result["message"].as_str().unwrap()
            ));
        }
        let summary = &report["summary"];
        let counted: i64 = ["pass", "fail", "warn", "error", "skip"].iter().map(|name| summary[name].as_i64().unwrap()).sum();
        assert_eq!(counted as usize, results.len());
        told.push(format!(
            "{} {}: {}",
            report["scope"]["kind"].as_str().unwrap(),
            report["scope"]["name"].as_str().unwrap(),
            results.join(", ")
        ));
    }
    told.sort();
    told
}

fn audited(more: &Value) -> Value {
    and(maps(), &and(json!({ "backgroundAudit": true, "namespaceSelector": { "matchLabels": { "audit": "yes" } } }), more))
}

/// With a namespace of objects that were there before any policy.
async fn world() -> World {
    let w = World::with_roles().await;
    w.namespace("n", json!({ "audit": "yes" })).await;
    for name in ["good", "bad"] {
        w.f.post("/api/v1/namespaces/n/configmaps", &config_map(name)).await.expect(201);
    }
    w
}

fn judges(r: &AdmissionRequest, _: bool) -> Result<Admitted, Refusal> {
    assert!(r.dry_run && r.old_object.is_none() && r.user.name == "system:coracle:admission");
    match r.name.as_str() {
        "bad" => denied(0, "", "it is bad"),
        "ugly" => failed("boom"),
        _ => Ok(Admitted::default()),
    }
}

#[tokio::test]
async fn existing_objects_are_reported() {
    let w = world().await;
    let audit = Audit::new(w.f.service.clone());
    assert_eq!(audit.pass().await.unwrap(), Pass::default());
    assert_eq!(w.f.get(REPORTS).await.code, 404, "without policies there are no reports, and no kind of them");

    w.loaded("p", &audited(&json!({ "severity": "high" })), "Fail", (true, false), judges).await;
    assert_eq!(audit.pass().await.unwrap(), Pass { audited: 2, written: 2, deleted: 0 });
    assert_eq!(reports(&w.f, REPORTS).await, ["ConfigMap bad: p fail it is bad", "ConfigMap good: p pass "]);
    // Nothing new is nothing to write.
    assert_eq!(audit.pass().await.unwrap(), Pass { audited: 2, written: 0, deleted: 0 });

    // Another policy, another object, and one that is gone.
    w.loaded("q", &audited(&json!({ "mode": "Warn", "sideEffects": "None" })), "Fail", (true, false), |r, _| {
        if r.name == "good" { denied(0, "", "too good") } else { Ok(Admitted::default()) }
    })
    .await;
    w.loaded(
        "r",
        &audited(&json!({ "sideEffects": "Some", "objectSelector": { "matchLabels": { "a": "b" } } })),
        "Fail",
        (true, false),
        never,
    )
    .await;
    assert_eq!(audit.pass().await.unwrap(), Pass { audited: 2, written: 2, deleted: 0 });
    let expect = ["ConfigMap bad: p fail it is bad, q pass ", "ConfigMap good: p pass , q warn too good"];
    assert_eq!(reports(&w.f, REPORTS).await, expect);

    for name in ["p", "r"] {
        w.f.delete(&format!("{PLUGINS}/{name}")).await.expect(200);
    }
    w.settle().await;
    w.f.delete("/api/v1/namespaces/n/configmaps/bad").await.expect(200);
    assert_eq!(audit.pass().await.unwrap(), Pass { audited: 1, written: 1, deleted: 1 });
    assert_eq!(reports(&w.f, REPORTS).await, ["ConfigMap good: q warn too good"]);
    w.f.delete(&format!("{PLUGINS}/q")).await.expect(200);
    w.settle().await;
    assert_eq!(audit.pass().await.unwrap(), Pass { audited: 0, written: 0, deleted: 1 });
}

#[tokio::test]
async fn cluster_objects_groups_and_failures_are_reported() {
    let w = world().await;
    let audit = Audit::new(w.f.service.clone());
    let spaces = json!({
        "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["namespaces"] }],
        "backgroundAudit": true, "objectSelector": { "matchLabels": { "audit": "yes" } },
    });
    w.loaded("p", &spaces, "Fail", (true, false), |_, _| denied(0, "", "no owner")).await;
    w.loaded("m", &json!({}), "Fail", (true, false), |r, _| if r.name == "bad" { failed("boom") } else { denied(0, "", "never") }).await;
    let group = json!({
        "apiVersion": "coracle.dev/v1alpha1", "kind": "PolicyGroup", "metadata": { "name": "g" },
        "spec": and(audited(&json!({})), &json!({ "policies": { "m": { "plugin": "m" } }, "expression": "m()", "message": "not m" })),
    });
    w.f.post("/apis/coracle.dev/v1alpha1/policygroups", &group).await.expect(201);
    w.settle().await;
    assert_eq!(audit.pass().await.unwrap(), Pass { audited: 3, written: 3, deleted: 0 });
    assert_eq!(reports(&w.f, "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports").await, ["Namespace n: p fail no owner"]);
    let expect = [
        "ConfigMap bad: g error plugin g failed: policy \"m\": plugin p trapped: boom",
        "ConfigMap good: g fail not m; spec.policies.m: never",
    ];
    assert_eq!(reports(&w.f, REPORTS).await, expect);
}

#[tokio::test]
async fn the_server_audits_by_itself() {
    let w = World::with_roles().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let audit = tokio::spawn(w.f.server.audit(stop.clone()));
    w.namespace("n", json!({ "audit": "yes" })).await;
    w.f.post("/api/v1/namespaces/n/configmaps", &config_map("bad")).await.expect(201);
    let mut definitions = w.f.watch("/apis/apiextensions.k8s.io/v1/customresourcedefinitions?watch=true").await;
    w.loaded("p", &audited(&json!({})), "Fail", (true, false), judges).await;
    assert_eq!(definitions.told().await, "ADDED policyreports.wgpolicyk8s.io");
    while w.f.get(REPORTS).await.code != 200 {
        definitions.told().await;
    }
    let mut events = w.f.watch(&format!("{REPORTS}?watch=true")).await;
    let report = events.next().await.unwrap()["object"].clone();
    assert_eq!((&report["summary"]["fail"], &report["scope"]["name"]), (&json!(1), &json!("bad")));
    // A policy that changes its mind is asked again.
    w.f.patch(&format!("{PLUGINS}/p"), "merge", &json!({ "spec": { "admission": { "mode": "Warn" } } })).await.expect(200);
    let report = events.next().await.unwrap()["object"].clone();
    assert_eq!((&report["summary"]["fail"], &report["summary"]["warn"]), (&json!(0), &json!(1)));
    stop.cancel();
    audit.await.unwrap();
}
