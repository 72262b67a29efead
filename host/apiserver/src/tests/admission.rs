//! Admission by plugins, with native hooks behind the trait that wasm ones implement.

mod audit;
mod groups;
mod modes;
mod mutating;
mod places;

use super::*;
use async_trait::async_trait;
use interfaces::admit::{AdmissionPlugin, AdmissionRequest, AdmissionRow, AdmissionSet, Admitted, Change, Denial, Refusal};
use interfaces::schedule::PluginError;
use object::Object;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

/// What a hook answers; `mutates` tells which method was called.
pub type Answer = fn(&AdmissionRequest, bool) -> Result<Admitted, Refusal>;

pub struct Fake {
    name: String,
    answer: Answer,
    log: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn called(&self, request: &AdmissionRequest, mutates: bool) -> Result<Admitted, Refusal> {
        let what = format!("{}/{}", request.resource.resource, request.subresource);
        let side = if mutates { "mutate" } else { "validate" };
        let told = format!("{} {side} {} {} {}", self.name, request.operation.as_str(), what.trim_end_matches('/'), request.name);
        self.log.lock().push(told);
        (self.answer)(request, mutates)
    }
}

#[async_trait]
impl AdmissionPlugin for Fake {
    fn name(&self) -> &str {
        &self.name
    }
    async fn validate(&self, request: &AdmissionRequest) -> Result<Admitted, Refusal> {
        self.called(request, false)
    }
    async fn mutate(&self, request: &AdmissionRequest) -> Result<Admitted, Refusal> {
        self.called(request, true)
    }
}

/// A server with a loader.
pub struct World {
    pub f: Fixture,
    set: watch::Sender<AdmissionSet>,
    log: Arc<Mutex<Vec<String>>>,
}

pub const PLUGINS: &str = "/apis/coracle.dev/v1alpha1/wasmplugins";
pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Every create, update, delete and connect of config maps.
pub fn maps() -> Value {
    json!({ "rules": [{ "operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"] }] })
}

/// Fields on top of others.
pub fn and(mut base: Value, more: &Value) -> Value {
    object::patch::merge::apply(&mut base, more);
    base
}

pub fn denied(code: u16, reason: &str, message: &str) -> Result<Admitted, Refusal> {
    Err(Refusal::Denied(Denial { code, reason: reason.to_owned(), message: message.to_owned(), ..Denial::default() }))
}

pub fn failed(cause: &str) -> Result<Admitted, Refusal> {
    Err(Refusal::Failed(PluginError::Trap { plugin: "p".to_owned(), cause: cause.to_owned() }))
}

pub fn patched(patch: Value) -> Result<Admitted, Refusal> {
    Ok(Admitted { change: Some(Change::Patch(patch)), ..Admitted::default() })
}

pub fn fine(_: &AdmissionRequest, _: bool) -> Result<Admitted, Refusal> {
    Ok(Admitted::default())
}

pub fn never(_: &AdmissionRequest, _: bool) -> Result<Admitted, Refusal> {
    denied(0, "", "no")
}

impl World {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let (set, loaded) = watch::channel(AdmissionSet::default());
        let f = Fixture::with(Config { admission: Some(loaded), ..config }).await;
        Self { f, set, log: Arc::default() }
    }

    /// With the roles of every cluster: what the server's own parts write needs them.
    pub async fn with_roles() -> Self {
        let (set, loaded) = watch::channel(AdmissionSet::default());
        let f = Fixture::with_roles(Config { admission: Some(loaded), ..Config::default() }).await;
        Self { f, set, log: Arc::default() }
    }

    /// A plugin that is not loaded.
    pub async fn object(&self, name: &str, admission: &Value, policy: &str) -> Value {
        let object = json!({
            "apiVersion": "coracle.dev/v1alpha1", "kind": "WasmPlugin", "metadata": { "name": name },
            "spec": { "world": "admission", "path": "p.wasm", "failurePolicy": policy, "admission": admission },
        });
        let made = self.f.post(PLUGINS, &object).await.expect(201);
        self.settle().await;
        made
    }

    /// A loaded one that fails closed.
    pub async fn plugin(&self, name: &str, admission: &Value, answer: Answer) {
        self.loaded(name, admission, "Fail", (true, true), answer).await;
    }

    pub async fn loaded(&self, name: &str, admission: &Value, policy: &str, (validates, mutates): (bool, bool), answer: Answer) {
        let made = self.object(name, admission, policy).await;
        let uid = made["metadata"]["uid"].as_str().unwrap().to_owned();
        let plugin = Arc::new(Fake { name: name.to_owned(), answer, log: self.log.clone() });
        let mut rows = self.set.borrow().as_ref().clone();
        rows.push(AdmissionRow { name: name.to_owned(), uid, plugin, validates, mutates });
        self.set.send_replace(Arc::new(rows));
    }

    /// What was written is seen by everyone.
    pub async fn settle(&self) {
        self.f.service.shared().caches.current().await.unwrap();
    }

    /// Calls since the last look.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock())
    }

    pub async fn namespace(&self, name: &str, labels: Value) {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
        self.f.post("/api/v1/namespaces", &namespace).await.expect(201);
        self.settle().await;
    }
}

/// Texts of the `Warning` headers.
pub fn warnings(answer: &super::Answer) -> Vec<String> {
    let all = answer.headers.get_all("warning").iter().map(|w| w.to_str().unwrap().to_owned());
    all.map(|w| w.trim_start_matches("299 - ").trim_matches('"').replace("\\\"", "\"")).collect()
}

pub fn data(object: &Object) -> &Value {
    object.at(&["data"]).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn denials_are_told() {
    let check = async |answer: Answer, code: u16, reason: &str, message: &str| {
        let w = World::new().await;
        w.plugin("p.example.com", &maps(), answer).await;
        let told = w.f.post(MAPS, &config_map("a")).await;
        let status = told.json();
        assert_eq!(
            (told.code, status["reason"].as_str().unwrap_or_default(), status["message"].as_str().unwrap()),
            (code, reason, message)
        );
        assert_eq!(status["status"], "Failure");
        assert_eq!(w.f.get(&format!("{MAPS}/a")).await.code, 404);
    };
    let by = "admission plugin \"p.example.com\" denied the request";
    check(|_, _| denied(0, "", "no latest images"), 403, "Forbidden", &format!("{by}: no latest images")).await;
    check(|_, _| denied(0, "", ""), 403, "Forbidden", &format!("{by} without explanation")).await;
    check(|_, _| denied(0, "Because", ""), 403, "Forbidden", &format!("{by}: Because")).await;
    check(|_, _| denied(422, "", "m"), 422, "Invalid", &format!("{by}: m")).await;
    check(|_, _| denied(429, "TooManyRequests", "m"), 429, "TooManyRequests", &format!("{by}: m")).await;
    check(|_, _| denied(200, "", "m"), 400, "BadRequest", &format!("{by}: m")).await;
    check(
        |_, _| failed("out of bounds"),
        500,
        "InternalError",
        "Internal error occurred: failed calling admission plugin \"p.example.com\": plugin p trapped: out of bounds",
    )
    .await;
}

#[tokio::test]
async fn hooks_are_told_of_everything() {
    let w = World::new().await;
    w.plugin("p", &maps(), |r, mutates| {
        let object = r.object.as_ref().map(|d| d.object());
        let old = r.old_object.as_ref().map(|d| d.object());
        let resource = |gvr: &object::Gvr| format!("{} {}", gvr.api_version(), gvr.resource);
        let told = json!({
            "kind": r.kind.to_string(), "resource": resource(&r.resource), "request": resource(&r.request_resource), "sub": r.subresource,
            "name": r.name, "namespace": r.namespace, "operation": r.operation.as_str(), "user": r.user.name, "groups": r.user.groups,
            "object": object.map(data), "old": old.map(data), "dry": r.dry_run, "options": *r.options,
        });
        if let Some(document) = &r.object {
            assert_eq!(serde_json::from_str::<Value>(document.json()).unwrap(), document.object().to_value());
        }
        if mutates { Ok(Admitted::default()) } else { Ok(Admitted { warnings: vec![told.to_string()], ..Admitted::default() }) }
    })
    .await;
    let base = |operation: &str, object: Value, old: Value, options: Value| {
        json!({
            "kind": "/v1, Kind=ConfigMap", "resource": "v1 configmaps", "request": "v1 configmaps", "sub": "",
            "name": "a", "namespace": "default", "operation": operation, "user": "tester",
            "groups": ["system:masters", "system:authenticated"], "object": object, "old": old, "dry": false, "options": options,
        })
    };
    let told = |answer: super::Answer| -> Value {
        assert!(answer.code < 300, "{:?}", answer.bytes);
        serde_json::from_str(&warnings(&answer)[0]).unwrap()
    };
    let options = |kind: &str, manager: &str| json!({ "apiVersion": "meta.k8s.io/v1", "kind": kind, "fieldManager": manager, "fieldValidation": "Warn" });
    let one = json!({ "k": "v" });
    let got = told(w.f.post(MAPS, &config_map("a")).await);
    assert_eq!(got, base("CREATE", one.clone(), Value::Null, options("CreateOptions", "tester")));
    let two = json!({ "k": "v", "l": "w" });
    let path = format!("{MAPS}/a");
    let got = told(w.f.patch(&path, "merge", &json!({ "data": { "l": "w" } })).await);
    assert_eq!(got, base("UPDATE", two.clone(), one.clone(), options("PatchOptions", "tester")));
    let got = told(w.f.put(&format!("{path}?fieldManager=m"), &config_map("a")).await);
    assert_eq!(got, base("UPDATE", one.clone(), two, options("UpdateOptions", "m")));
    let got = told(w.f.delete(&format!("{path}?dryRun=All")).await);
    let mut expect =
        base("DELETE", Value::Null, one, json!({ "apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions", "dryRun": ["All"] }));
    expect["dry"] = json!(true);
    assert_eq!(got, expect);
    w.calls();
    w.f.delete(&path).await.expect(200);
    assert_eq!(w.calls(), ["p mutate DELETE configmaps a", "p validate DELETE configmaps a"]);
    assert_eq!(w.f.delete(&path).await.code, 404);
    assert!(w.calls().is_empty(), "nothing is told of what is not there");
}

#[tokio::test]
async fn what_cannot_be_asked_refuses_by_policy() {
    let check = async |policy: &str, code: u16, expect: &str| {
        let w = World::new().await;
        w.object("p", &maps(), policy).await;
        let answer = w.f.post(MAPS, &config_map("a")).await;
        assert_eq!(answer.code, code);
        let told = if code < 300 { warnings(&answer).join("|") } else { answer.message() };
        assert_eq!(told, expect);
        // Others are not concerned, and the plugin itself can be mended.
        w.f.post("/api/v1/namespaces/default/secrets", &json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" } }))
            .await
            .expect(201);
        w.f.delete(&format!("{PLUGINS}/p")).await.expect(200);
        w.settle().await;
        w.f.post(MAPS, &config_map("b")).await.expect(201);
    };
    let failed = "failed calling admission plugin \"p\": plugin p failed: it is not loaded";
    check("Fail", 500, &format!("Internal error occurred: {failed}")).await;
    check("Ignore", 201, &format!("{failed} (the request goes on without it)")).await;
}

#[tokio::test]
async fn a_successor_of_the_same_name_is_another_plugin() {
    let w = World::new().await;
    w.plugin("p", &maps(), fine).await;
    w.f.delete(&format!("{PLUGINS}/p")).await.expect(200);
    w.object("p", &maps(), "Fail").await;
    assert_eq!(w.f.post(MAPS, &config_map("a")).await.code, 500);
}

#[tokio::test]
async fn the_configuration_of_admission_is_exempt() {
    let w = World::new().await;
    let all = json!({ "rules": [{ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"] }] });
    w.plugin("p", &all, never).await;
    assert_eq!(w.f.post(MAPS, &config_map("a")).await.code, 403);
    let webhooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let made =
        json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": { "name": "w" } });
    w.f.post(webhooks, &made).await.expect(201);
    w.f.delete(&format!("{webhooks}/w")).await.expect(200);
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    w.f.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).await.expect(201);
    w.f.patch(&format!("{PLUGINS}/p/status"), "merge", &json!({ "status": { "phase": "Ready" } })).await.expect(200);
    w.f.patch(&format!("{PLUGINS}/p"), "merge", &json!({ "spec": { "admission": { "mode": "Warn" } } })).await.expect(200);
    w.settle().await;
    w.f.post(MAPS, &config_map("a")).await.expect(201);
}

#[tokio::test]
async fn mistakes_in_rules_are_causes() {
    let f = Fixture::new().await;
    let check = async |admission: Value, expect: &[&str]| {
        let object = json!({
            "apiVersion": "coracle.dev/v1alpha1", "kind": "WasmPlugin", "metadata": { "name": "p" },
            "spec": { "world": "admission", "path": "p.wasm", "admission": admission },
        });
        let answer = f.post(&format!("{PLUGINS}?dryRun=All"), &object).await;
        let status = answer.json();
        let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
        let told: Vec<String> =
            causes.iter().map(|c| format!("{}: {}", c["field"].as_str().unwrap(), c["message"].as_str().unwrap())).collect();
        assert_eq!(told, expect, "{admission}");
        assert_eq!(answer.code, if expect.is_empty() { 201 } else { 422 });
    };
    check(maps(), &[]).await;
    check(json!({}), &[]).await;
    check(
        Value::Null,
        &["spec.admission: Required value: what a plugin of this world is asked about; without rules it serves policy groups only"],
    )
    .await;
    check(
        json!({ "rules": [{ "operations": ["READ"], "apiGroups": ["*", "a"], "apiVersions": ["v1"], "resources": [] }] }),
        &[
            "spec.admission.rules[0].operations[0]: Unsupported value: \"READ\": supported values: \"*\", \"CONNECT\", \"CREATE\", \"DELETE\", \"UPDATE\"",
            "spec.admission.rules[0].apiGroups: Invalid value: [\"*\",\"a\"]: if '*' is present, must not specify other API groups",
            "spec.admission.rules[0].resources: Required value",
        ],
    )
    .await;
    check(
        json!({ "mode": "Maybe", "matchPolicy": "Near", "sideEffects": "Few", "reinvocationPolicy": "Always", "severity": "bad", "fields": ["a..b", ""] }),
        &[
            "spec.admission.matchPolicy: Unsupported value: \"Near\": supported values: \"Equivalent\", \"Exact\"",
            "spec.admission.mode: Unsupported value: \"Maybe\": supported values: \"Audit\", \"Enforce\", \"Warn\"",
            "spec.admission.severity: Unsupported value: \"bad\": supported values: \"critical\", \"high\", \"info\", \"low\", \"medium\"",
            "spec.admission.sideEffects: Unsupported value: \"Few\": supported values: \"None\", \"NoneOnDryRun\", \"Some\"",
            "spec.admission.reinvocationPolicy: Unsupported value: \"Always\": supported values: \"IfNeeded\", \"Never\"",
            "spec.admission.fields[0]: Invalid value: \"a..b\": must be names of fields with dots between them",
            "spec.admission.fields[1]: Invalid value: \"\": must be names of fields with dots between them",
        ],
    )
    .await;
    check(
        json!({ "matchConditions": [{ "name": "n", "expression": "1" }] }),
        &["spec.admission.matchConditions[0].expression: Invalid value: \"1\": must evaluate to bool but got int"],
    )
    .await;
}
