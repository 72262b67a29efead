//! Rights, acting as somebody else, and questions about both.

use super::{Answer, Fixture, config_map};
use crate::Config;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use interfaces::authorize::UserInfo;
use object::{Value, json};
use std::time::{Duration, Instant};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

async fn fixture() -> Fixture {
    Fixture::with_roles(Config { account_admission: false, tokens: Some(super::tokens()), ..Config::default() }).await
}

impl Fixture {
    /// The same server for another user; an empty name is nobody.
    fn user(&self, name: &str, groups: &[&str]) -> Fixture {
        let user = (!name.is_empty()).then(|| UserInfo::component(name, groups));
        Fixture { server: self.server.clone(), service: self.service.clone(), store: self.store.clone(), user }
    }

    async fn with_headers(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = request.body(body).unwrap();
        if let Some(user) = &self.user {
            request.extensions_mut().insert(user.clone());
        }
        let (parts, body) = self.service.handle(request).await.into_parts();
        Answer { code: parts.status.as_u16(), headers: parts.headers, bytes: body.collect().await.unwrap().to_bytes() }
    }

    async fn role(&self, name: &str, rules: Value) {
        let role = json!({ "metadata": { "name": name }, "rules": rules });
        self.post(&format!("{RBAC}/clusterroles"), &role).await.expect(201);
    }

    async fn bind(&self, name: &str, role: &str, subject: Value) {
        let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role });
        let binding = json!({ "metadata": { "name": name }, "roleRef": reference, "subjects": [subject] });
        self.post(&format!("{RBAC}/clusterrolebindings"), &binding).await.expect(201);
    }

    async fn bind_in(&self, namespace: &str, name: &str, role: &str, subject: Value) {
        let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role });
        let binding = json!({ "metadata": { "name": name }, "roleRef": reference, "subjects": [subject] });
        self.post(&format!("{RBAC}/namespaces/{namespace}/rolebindings"), &binding).await.expect(201);
        self.seen().await;
    }

    /// Until the index has seen what was written: a list of the latest waits for the watch cache.
    async fn seen(&self) {
        self.get(&format!("{RBAC}/clusterrolebindings?limit=1")).await.expect(200);
    }

    async fn can(&self, verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Value {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let asked = json!({
            "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace, "name": name,
        });
        let review = json!({ "spec": { "resourceAttributes": asked } });
        self.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).await.expect(201)["status"].clone()
    }
}

fn user(name: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name })
}

#[tokio::test]
async fn the_roles_of_every_cluster_are_made_once_and_mended() {
    let f = fixture().await;
    let path = format!("{RBAC}/clusterroles");
    let first = f.get(&path).await.expect(200);
    let admin = f.get(&format!("{path}/admin")).await.expect(200);
    assert_eq!(admin["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"]["rbac.authorization.k8s.io/aggregate-to-admin"], "true");
    assert_eq!(admin["metadata"]["labels"]["kubernetes.io/bootstrapping"], "rbac-defaults");
    f.server.bootstrap().await.unwrap();
    assert_eq!(f.get(&path).await.expect(200)["metadata"], first["metadata"], "nothing was written again");
    let rules = json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["pods"] }]);
    f.patch(&format!("{path}/system:basic-user"), "merge", &json!({ "rules": rules })).await.expect(200);
    let off = json!({ "metadata": { "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "false" } }, "rules": [] });
    f.patch(&format!("{path}/system:heapster"), "merge", &off).await.expect(200);
    f.server.bootstrap().await.unwrap();
    let basic = f.get(&format!("{path}/system:basic-user")).await.expect(200);
    assert_eq!(basic["rules"].as_array().unwrap().len(), 4, "{}", basic["rules"]);
    assert_eq!(f.get(&format!("{path}/system:heapster")).await.expect(200)["rules"].as_array().map_or(0, Vec::len), 0);
}

#[tokio::test]
async fn rules_grant_what_they_say() {
    let f = fixture().await;
    f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "a" } })).await.expect(201);
    f.role("reader", json!([{ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps", "pods/log"] }])).await;
    f.bind_in("a", "read", "reader", user("u")).await;
    let u = f.user("u", &[]);
    u.get("/api/v1/namespaces/a/configmaps").await.expect(200);
    let refused = u.get("/api/v1/namespaces/default/configmaps").await;
    assert_eq!(
        refused.message(),
        "configmaps is forbidden: User \"u\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    refused.expect(403);
    let refused = u.get("/api/v1/nodes/n").await;
    assert_eq!(
        refused.message(),
        "nodes \"n\" is forbidden: User \"u\" cannot get resource \"nodes\" in API group \"\" at the cluster scope"
    );
    u.post("/api/v1/namespaces/a/configmaps", &config_map("c")).await.expect(403);
    let refused = u.get("/metrics").await;
    assert_eq!(refused.message(), "forbidden: User \"u\" cannot get path \"/metrics\"");
    u.get("/apis/apps/v1").await.expect(200);
    u.get("/version").await.expect(200);
    // Nobody in particular.
    let nobody = f.user("", &[]);
    for (path, code) in [("/version", 200), ("/readyz", 200), ("/livez", 200), ("/apis", 401), ("/api/v1/namespaces/a/configmaps", 401)] {
        assert_eq!(nobody.get(path).await.code, code, "{path}");
    }
    nobody.with_headers("GET", "/version", &[("authorization", "Bearer nonsense")], Value::Null).await.expect(401);
    nobody.with_headers("GET", "/apis", &[("x-remote-user", "admin"), ("x-remote-group", "system:masters")], Value::Null).await.expect(401);
    // A binding that goes takes the right with it; a role that does not exist is told of.
    f.delete(&format!("{RBAC}/namespaces/a/rolebindings/read")).await.expect(200);
    f.bind_in("a", "gone", "nonexistent", user("u")).await;
    let refused = u.get("/api/v1/namespaces/a/configmaps").await;
    assert!(
        refused.message().ends_with(": RBAC: clusterroles.rbac.authorization.k8s.io \"nonexistent\" not found"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn reviews_tell_what_someone_may() {
    let f = fixture().await;
    f.role(
        "some",
        json!([
            { "verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["d"] },
            { "verbs": ["get"], "nonResourceURLs": ["/metrics/*"] },
            { "verbs": ["update"], "apiGroups": ["*"], "resources": ["*/scale"] },
        ]),
    )
    .await;
    f.bind("b", "some", json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "g" })).await;
    f.bind("c", "some", json!({ "kind": "ServiceAccount", "namespace": "n", "name": "s" })).await;
    f.seen().await;
    let u = f.user("u", &["g"]);
    for (verb, group, resource, name, expect) in [
        ("get", "apps", "deployments", "d", true),
        ("get", "apps", "deployments", "e", false),
        ("get", "apps", "deployments", "", false),
        ("get", "", "deployments", "d", false),
        ("update", "apps", "replicasets/scale", "r", true),
        ("update", "apps", "replicasets", "r", false),
    ] {
        assert_eq!(u.can(verb, group, resource, "x", name).await["allowed"], expect, "{verb} {group} {resource} {name}");
    }
    assert_eq!(
        u.can("get", "apps", "deployments", "x", "d").await,
        json!({ "allowed": true, "reason": "RBAC: allowed by ClusterRoleBinding \"b\" of ClusterRole \"some\" to Group \"g\"" })
    );
    let subject = |spec: Value| json!({ "spec": spec });
    let asked = json!({ "verb": "update", "group": "apps", "resource": "deployments", "subresource": "scale", "namespace": "x" });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    for (spec, expect) in [
        (json!({ "user": "u", "resourceAttributes": asked }), false),
        (json!({ "user": "u", "groups": ["g"], "resourceAttributes": asked }), true),
        (json!({ "user": "system:serviceaccount:n:s", "resourceAttributes": asked }), true),
        (json!({ "user": "u", "groups": ["g"], "nonResourceAttributes": { "path": "/metrics/slis", "verb": "get" } }), true),
        (json!({ "user": "u", "groups": ["g"], "nonResourceAttributes": { "path": "/metrics", "verb": "get" } }), false),
        (json!({ "groups": ["system:masters"], "nonResourceAttributes": { "path": "/x", "verb": "get" } }), true),
    ] {
        assert_eq!(f.post(path, &subject(spec.clone())).await.expect(201)["status"]["allowed"], expect, "{spec}");
    }
    for (spec, field) in [
        (json!({ "resourceAttributes": asked }), "spec.user"),
        (json!({ "user": "u" }), "spec.resourceAttributes"),
        (json!({ "user": "u", "resourceAttributes": asked, "nonResourceAttributes": { "path": "/" } }), "spec.nonResourceAttributes"),
        (
            json!({ "user": "u", "resourceAttributes": { "verb": "list", "fieldSelector": {} } }),
            "spec.resourceAttributes.fieldSelector.requirements",
        ),
    ] {
        assert_eq!(f.post(path, &subject(spec.clone())).await.expect(422)["details"]["causes"][0]["field"], field, "{spec}");
    }
    u.post(path, &subject(json!({ "user": "v", "resourceAttributes": asked }))).await.expect(403);
    let local = "/apis/authorization.k8s.io/v1/namespaces/x/localsubjectaccessreviews";
    let told = f.post(local, &subject(json!({ "user": "u", "groups": ["g"], "resourceAttributes": asked }))).await.expect(201);
    assert_eq!(told["status"]["allowed"], true);
    let elsewhere = "/apis/authorization.k8s.io/v1/namespaces/y/localsubjectaccessreviews";
    f.post(elsewhere, &subject(json!({ "user": "u", "resourceAttributes": asked }))).await.expect(400);
    let rules = u.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &subject(json!({ "namespace": "x" }))).await.expect(201);
    assert_eq!(rules["status"]["incomplete"], false);
    let listed = rules["status"]["resourceRules"].as_array().unwrap();
    assert!(listed.contains(&json!({ "verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["d"] })));
    assert!(rules["status"]["nonResourceRules"].as_array().unwrap().iter().any(|r| r["nonResourceURLs"] == json!(["/metrics/*"])));
    let who = u.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await.expect(201);
    assert_eq!(who["status"]["userInfo"], json!({ "username": "u", "groups": ["g", "system:authenticated"] }));
}

#[tokio::test]
async fn someone_else_is_played_by_who_may() {
    let f = fixture().await;
    let plain = |resource: &str, names: &[&str]| json!({ "verbs": ["impersonate"], "apiGroups": ["", "authentication.k8s.io"], "resources": [resource], "resourceNames": names });
    f.role("play", json!([plain("users", &["v"]), plain("groups", &["g"]), plain("userextras/scopes", &["s"]), plain("uids", &["7"])]))
        .await;
    f.bind("play", "play", user("u")).await;
    let constrained = json!([
        { "verbs": ["impersonate:serviceaccount"], "apiGroups": ["authentication.k8s.io"], "resources": ["serviceaccounts"] },
        { "verbs": ["impersonate-on:serviceaccount:create"], "apiGroups": ["*"], "resources": ["selfsubjectreviews"] },
    ]);
    f.role("partly", constrained).await;
    f.bind("partly", "partly", user("w")).await;
    f.seen().await;
    let check = |by: &'static str, headers: &'static [(&str, &str)], code: u16, expect: &'static str| {
        let by = f.user(by, &[]);
        async move {
            let answer = by.with_headers("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", headers, json!({})).await;
            let told = if answer.code == 201 { answer.json()["status"]["userInfo"].to_string() } else { answer.message() };
            assert!(answer.code == code && told.contains(expect), "{headers:?}: {} {told}", answer.code);
        }
    };
    check("u", &[("Impersonate-User", "v")], 201, r#"{"groups":["system:authenticated"],"username":"v"}"#).await;
    check("u", &[("Impersonate-User", "v"), ("Impersonate-Group", "g")], 201, r#"{"groups":["g","system:authenticated"],"username":"v"}"#)
        .await;
    let all = &[("Impersonate-User", "v"), ("Impersonate-Uid", "7"), ("Impersonate-Extra-Scopes", "s")];
    check("u", all, 201, r#"{"extra":{"scopes":["s"]},"groups":["system:authenticated"],"uid":"7","username":"v"}"#).await;
    check("u", &[("Impersonate-User", "x")], 403, "User \"u\" cannot impersonate").await;
    check("u", &[("Impersonate-User", "v"), ("Impersonate-Group", "system:masters")], 403, "User \"u\" cannot impersonate").await;
    check("u", &[("Impersonate-User", "v"), ("Impersonate-Extra-Other", "s")], 403, "cannot impersonate").await;
    check("u", &[("Impersonate-Group", "g")], 400, "without impersonating a user").await;
    check("v", &[("Impersonate-User", "u")], 403, "User \"v\" cannot impersonate").await;
    let account = &[("Impersonate-User", "system:serviceaccount:n:s")];
    let told =
        r#"{"groups":["system:serviceaccounts","system:serviceaccounts:n","system:authenticated"],"username":"system:serviceaccount:n:s"}"#;
    check("w", account, 201, told).await;
    f.user("w", &[]).with_headers("GET", "/api/v1/nodes", account, Value::Null).await.expect(403);
    // The rights are those of the one who is played, also of the masters' own.
    let master = &[("Impersonate-User", "nobody")];
    let refused = f.with_headers("GET", "/api/v1/nodes", master, Value::Null).await;
    assert!(refused.message().contains("User \"nobody\" cannot list resource \"nodes\""), "{}", refused.message());
    refused.expect(403);
    f.with_headers("GET", "/api/v1/nodes", &[("Impersonate-User", "system:anonymous")], Value::Null).await.expect(403);
}

#[tokio::test]
async fn nobody_grants_what_it_does_not_have() {
    let f = fixture().await;
    let all = ["get", "create", "update", "patch", "delete"];
    f.role("writer", json!([{ "verbs": all, "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"] }])).await;
    f.role("reader", json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"] }])).await;
    f.bind("w", "writer", user("u")).await;
    f.bind("r", "reader", user("u")).await;
    f.role("binder", json!([{ "verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["cluster-admin"] }])).await;
    f.bind("b", "binder", user("binder")).await;
    f.bind("bw", "writer", user("binder")).await;
    f.seen().await;
    let u = f.user("u", &["g"]);
    let role = |name: &str, verbs: &[&str]| json!({ "metadata": { "name": name }, "rules": [{ "verbs": verbs, "apiGroups": [""], "resources": ["configmaps"] }] });
    let path = format!("{RBAC}/clusterroles");
    u.post(&path, &role("same", &["get"])).await.expect(201);
    let refused = u.post(&path, &role("more", &["get", "list"])).await;
    assert_eq!(
        refused.message(),
        "clusterroles.rbac.authorization.k8s.io \"more\" is forbidden: user \"u\" (groups=[\"g\" \"system:authenticated\"]) is attempting \
         to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"configmaps\"], Verbs:[\"list\"]}"
    );
    refused.expect(403);
    u.patch(&format!("{path}/same"), "merge", &json!({ "rules": role("", &["*"])["rules"] })).await.expect(403);
    let gathering =
        json!({ "metadata": { "name": "all" }, "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "a": "b" } }] } });
    let refused = u.post(&path, &gathering).await;
    assert!(refused.message().ends_with("must have cluster-admin privileges to use the aggregationRule"), "{}", refused.message());
    let binding = |name: &str, role: &str| {
        let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role });
        json!({ "metadata": { "name": name }, "roleRef": reference, "subjects": [user("x")] })
    };
    let path = format!("{RBAC}/clusterrolebindings");
    u.post(&path, &binding("ok", "reader")).await.expect(201);
    u.post(&path, &binding("no", "cluster-admin")).await.expect(403);
    u.post(&path, &binding("none", "nonexistent")).await.expect(404);
    f.user("binder", &[]).post(&path, &binding("bound", "cluster-admin")).await.expect(201);
    f.user("binder", &[]).post(&path, &binding("not", "system:node")).await.expect(403);
}

#[tokio::test]
async fn nodes_see_what_their_pods_use() {
    let f = fixture().await;
    let volumes = json!([{ "name": "v", "secret": { "secretName": "mounted" } }]);
    let env = json!([{ "name": "E", "valueFrom": { "configMapKeyRef": { "name": "read", "key": "k" } } }]);
    let container = json!({ "name": "c", "image": "example.test/app:1", "env": env });
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "n1", "volumes": volumes, "containers": [container] } });
    f.post("/api/v1/namespaces/default/pods", &pod).await.expect(201);
    f.post("/api/v1/namespaces/default/configmaps", &config_map("read")).await.expect(201);
    f.seen().await;
    let n1 = f.user("system:node:n1", &["system:nodes"]);
    let n2 = f.user("system:node:n2", &["system:nodes"]);
    for (verb, resource, name, expect) in [
        ("get", "secrets", "mounted", true),
        ("get", "secrets", "other", false),
        ("list", "secrets", "", false),
        ("update", "secrets", "mounted", false),
        ("get", "configmaps", "read", true),
        ("create", "serviceaccounts/token", "default", true),
        ("create", "serviceaccounts/token", "other", false),
        ("get", "pods", "p", true),
        ("list", "pods", "", false),
        ("patch", "pods/status", "p", true),
        ("list", "services", "", true),
        ("create", "deployments", "", false),
    ] {
        assert_eq!(n1.can(verb, "", resource, "default", name).await["allowed"], expect, "{verb} {resource} {name}");
        if ["secrets", "configmaps", "serviceaccounts/token"].contains(&resource) || name == "p" && verb == "get" {
            assert_eq!(n2.can(verb, "", resource, "default", name).await["allowed"], false, "another node: {verb} {resource} {name}");
        }
    }
    assert_eq!(n1.can("get", "", "nodes", "", "n1").await["allowed"], true);
    assert_eq!(n1.can("get", "", "nodes", "", "n2").await["reason"], "node 'n1' cannot read 'n2', only its own Node object");
    n1.get("/api/v1/namespaces/default/configmaps/read").await.expect(200);
    n2.get("/api/v1/namespaces/default/configmaps/read").await.expect(403);
    n1.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1").await.expect(200);
    n1.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2").await.expect(403);
    n1.get("/api/v1/nodes?fieldSelector=metadata.name%3Dn1").await.expect(200);
    f.send("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", "", "", Body::empty()).await.expect(200);
    f.seen().await;
    n1.get("/api/v1/namespaces/default/configmaps/read").await.expect(403);
}

#[tokio::test]
async fn a_decision_costs_microseconds() {
    let f = fixture().await;
    let shared = f.service.shared();
    f.seen().await;
    let user = UserInfo::service_account("kube-system", "replicaset-controller");
    let ask = crate::auth::Ask::resource(&user, "create", "", "pods", "default", "");
    let started = Instant::now();
    for _ in 0..1000 {
        assert!(crate::auth::decide(shared, &ask, false).await.is_ok());
    }
    // A test build is tens of times slower than a release; this finds only what is off by orders of magnitude.
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed() / 1000);
    println!("{:?} a decision", started.elapsed() / 1000);
}

mod accounts {
    use super::*;

    async fn fixture() -> Fixture {
        let f = Fixture::with_roles(Config { tokens: Some(super::super::tokens()), ..Config::default() }).await;
        f.post("/api/v1/namespaces/default/serviceaccounts", &json!({ "metadata": { "name": "default" } })).await.expect(201);
        f
    }

    fn pod(name: &str, spec: Value) -> Value {
        let mut pod = json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "example.test/app:1" }] } });
        for (key, value) in spec.as_object().unwrap() {
            pod["spec"][key] = value.clone();
        }
        pod
    }

    fn token_request(spec: Value) -> Value {
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec })
    }

    impl Fixture {
        async fn token(&self, account: &str, spec: Value) -> String {
            let path = format!("/api/v1/namespaces/default/serviceaccounts/{account}/token");
            self.post(&path, &token_request(spec)).await.expect(201)["status"]["token"].as_str().unwrap().to_owned()
        }

        async fn review(&self, token: &str, audiences: Value) -> Value {
            let review = json!({ "spec": { "token": token, "audiences": audiences } });
            self.post("/apis/authentication.k8s.io/v1/tokenreviews", &review).await.expect(201)["status"].clone()
        }
    }

    #[tokio::test]
    async fn tokens_are_as_asked_for() {
        let f = fixture().await;
        f.post("/api/v1/namespaces/default/pods", &pod("p", json!({}))).await.expect(201);
        f.post("/api/v1/namespaces/default/secrets", &json!({ "metadata": { "name": "s" } })).await.expect(201);
        let bound =
            |kind: &str, name: &str, uid: &str| json!({ "boundObjectRef": { "apiVersion": "v1", "kind": kind, "name": name, "uid": uid } });
        f.post("/api/v1/namespaces/default/serviceaccounts", &json!({ "metadata": { "name": "other" } })).await.expect(201);
        for (account, spec, code, told) in [
            ("default", json!({}), 201, ""),
            ("none", json!({}), 404, "serviceaccounts \"none\" not found"),
            ("default", json!({ "expirationSeconds": 599 }), 422, "may not specify a duration less than 10 minutes"),
            ("default", json!({ "expirationSeconds": 4294967297u64 }), 422, "may not specify a duration larger than 2^32 seconds"),
            ("default", bound("Pod", "p", ""), 201, ""),
            ("default", bound("Pod", "q", ""), 404, "pods \"q\" not found"),
            ("default", bound("Secret", "s", ""), 201, ""),
            ("default", bound("Pod", "p", "x"), 409, "does not match the UID in record"),
            ("default", bound("ConfigMap", "p", "x"), 400, "cannot bind token to object of type"),
            ("other", bound("Pod", "p", ""), 400, "to pod running with different serviceaccount name."),
        ] {
            let path = format!("/api/v1/namespaces/default/serviceaccounts/{account}/token");
            let answer = f.post(&path, &token_request(spec.clone())).await;
            assert!(answer.code == code && answer.message().contains(told), "{account} {spec}: {} {}", answer.code, answer.message());
        }
        let answer = f.post("/api/v1/namespaces/default/serviceaccounts/default/token", &token_request(json!({}))).await.expect(201);
        assert_eq!(answer["spec"], json!({ "audiences": ["https://issuer"], "expirationSeconds": 3600 }));
        assert_eq!(answer["metadata"]["name"], "default");
    }

    #[tokio::test]
    async fn tokens_name_their_account_until_what_they_are_bound_to_ends() {
        let f = fixture().await;
        let made = f.post("/api/v1/namespaces/default/pods", &pod("p", json!({ "nodeName": "n" }))).await.expect(201);
        let bound = json!({ "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": "p" } });
        let (plain, of_pod) = (f.token("default", json!({})).await, f.token("default", bound).await);
        f.role("reader", json!([{ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["configmaps"] }])).await;
        f.bind(
            "accounts",
            "reader",
            json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts:default" }),
        )
        .await;
        f.seen().await;
        let nobody = f.user("", &[]);
        let with = |token: &str| format!("Bearer {token}");
        let get = |token: String, path: &'static str| {
            let nobody = &nobody;
            async move { nobody.with_headers("GET", path, &[("authorization", &with(&token))], Value::Null).await.code }
        };
        assert_eq!(get(plain.clone(), "/api/v1/namespaces/default/configmaps").await, 200);
        assert_eq!(get(of_pod.clone(), "/api/v1/namespaces/default/configmaps").await, 200);
        assert_eq!(get(plain.clone(), "/api/v1/namespaces/default/secrets").await, 403);
        assert_eq!(get(format!("{plain}x"), "/api/v1/namespaces/default/configmaps").await, 401);
        let status = f.review(&of_pod, json!([])).await;
        let user = &status["user"];
        assert_eq!((&status["authenticated"], &status["audiences"]), (&json!(true), &json!(["https://issuer"])));
        assert_eq!(user["username"], "system:serviceaccount:default:default");
        assert_eq!(user["groups"], json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]));
        assert_eq!(user["extra"]["authentication.kubernetes.io/pod-name"], json!(["p"]));
        assert_eq!(user["extra"]["authentication.kubernetes.io/pod-uid"], json!([made["metadata"]["uid"]]));
        assert!(user["extra"]["authentication.kubernetes.io/credential-id"][0].as_str().unwrap().starts_with("JTI="));
        // Another audience is another door.
        let vault = f.token("default", json!({ "audiences": ["vault"] })).await;
        assert_eq!(get(vault.clone(), "/api/v1/namespaces/default/configmaps").await, 401);
        assert_eq!(f.review(&vault, json!(["vault", "x"])).await["audiences"], json!(["vault"]));
        assert_eq!(f.review(&vault, json!([])).await["authenticated"], Value::Null);
        // What it was bound to ends, or is another of the same name.
        f.send("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", "", "", Body::empty()).await.expect(200);
        f.seen().await;
        assert_eq!(get(of_pod.clone(), "/api/v1/namespaces/default/configmaps").await, 401);
        f.post("/api/v1/namespaces/default/pods", &pod("p", json!({}))).await.expect(201);
        f.seen().await;
        assert_eq!(get(of_pod, "/api/v1/namespaces/default/configmaps").await, 401);
        f.delete("/api/v1/namespaces/default/serviceaccounts/default").await.expect(200);
        f.seen().await;
        assert_eq!(get(plain, "/api/v1/namespaces/default/configmaps").await, 401);
    }

    #[tokio::test]
    async fn others_can_verify_tokens_by_the_published_key() {
        let f = fixture().await;
        let account = f.user("system:serviceaccount:a:b", &["system:serviceaccounts"]);
        let document = account.get("/.well-known/openid-configuration").await.expect(200);
        assert_eq!(document["issuer"], "https://issuer");
        assert!(document["jwks_uri"].as_str().unwrap().ends_with("/openid/v1/jwks"));
        let answer = account.get("/openid/v1/jwks").await;
        assert_eq!(answer.headers["content-type"], "application/jwk-set+json");
        let key = answer.expect(200)["keys"][0].clone();
        assert_eq!((&key["kty"], &key["crv"], &key["alg"], &key["use"]), (&json!("EC"), &json!("P-256"), &json!("ES256"), &json!("sig")));
        f.user("u", &[]).get("/openid/v1/jwks").await.expect(403);
        f.user("", &[]).get("/openid/v1/jwks").await.expect(401);
    }

    #[tokio::test]
    async fn pods_run_under_an_account_and_get_its_token() {
        let f = fixture().await;
        let accounts = "/api/v1/namespaces/default/serviceaccounts";
        f.post(
            accounts,
            &json!({ "metadata": { "name": "quiet" }, "automountServiceAccountToken": false, "imagePullSecrets": [{ "name": "pull" }] }),
        )
        .await
        .expect(201);
        let pods = "/api/v1/namespaces/default/pods";
        let made = f.post(pods, &pod("p", json!({ "initContainers": [{ "name": "i", "image": "example.test/app:1" }] }))).await.expect(201);
        let volume = &made["spec"]["volumes"][0];
        let name = volume["name"].as_str().unwrap();
        assert!(name.starts_with("kube-api-access-") && name.len() == 21, "{name}");
        assert_eq!(volume["projected"]["sources"][0], json!({ "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } }));
        for list in ["containers", "initContainers"] {
            let mount = json!({ "name": name, "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" });
            assert_eq!(made["spec"][list][0]["volumeMounts"], json!([mount]), "{list}");
        }
        assert_eq!(made["spec"]["serviceAccountName"], "default");
        let no_volume = |made: Value| assert_eq!(made["spec"]["volumes"].as_array().map_or(0, Vec::len), 0, "{made}");
        no_volume(f.post(pods, &pod("q", json!({ "automountServiceAccountToken": false }))).await.expect(201));
        let made = f.post(pods, &pod("r", json!({ "serviceAccountName": "quiet" }))).await.expect(201);
        assert_eq!(made["spec"]["imagePullSecrets"], json!([{ "name": "pull" }]));
        no_volume(made);
        let made =
            f.post(pods, &pod("s", json!({ "serviceAccountName": "quiet", "automountServiceAccountToken": true }))).await.expect(201);
        assert_eq!(made["spec"]["volumes"].as_array().unwrap().len(), 1);
        let refused = f.post(pods, &pod("t", json!({ "serviceAccountName": "none" }))).await;
        assert_eq!(
            refused.message(),
            "pods \"t\" is forbidden: error looking up service account default/none: serviceaccount \"none\" not found"
        );
        refused.expect(403);
    }

    #[tokio::test]
    async fn a_pod_waits_for_the_account_of_its_new_namespace() {
        let f = fixture().await;
        f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "new" } })).await.expect(201);
        let made = pod("p", json!({}));
        let (created, _) = tokio::join!(f.post("/api/v1/namespaces/new/pods", &made), async {
            tokio::task::yield_now().await;
            f.post("/api/v1/namespaces/new/serviceaccounts", &json!({ "metadata": { "name": "default" } })).await.expect(201)
        });
        created.expect(201);
    }
}

#[tokio::test]
async fn nodes_write_only_what_is_theirs() {
    let f = fixture().await;
    let pod = |name: &str, node: &str| json!({ "metadata": { "name": name }, "spec": { "nodeName": node, "containers": [{ "name": "c", "image": "example.test/app:1" }] } });
    let pods = "/api/v1/namespaces/default/pods";
    let own = f.post(pods, &pod("own", "n1")).await.expect(201);
    f.post(pods, &pod("other", "n2")).await.expect(201);
    f.post("/api/v1/namespaces/default/serviceaccounts", &json!({ "metadata": { "name": "default" } })).await.expect(201);
    f.seen().await;
    let n1 = f.user("system:node:n1", &["system:nodes"]);
    n1.post("/api/v1/nodes", &json!({ "metadata": { "name": "n1" } })).await.expect(201);
    let refused = n1.post("/api/v1/nodes", &json!({ "metadata": { "name": "n2" } })).await;
    assert_eq!(refused.message(), "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"");
    let status = json!({ "status": { "phase": "Running" } });
    n1.patch(&format!("{pods}/own/status"), "merge", &status).await.expect(200);
    n1.patch(&format!("{pods}/other/status"), "merge", &status).await.expect(403);
    n1.patch(&format!("{pods}/own"), "merge", &json!({ "metadata": { "labels": { "a": "b" } } })).await.expect(403);
    n1.post(pods, &pod("new", "n1")).await.expect(403);
    n1.delete(&format!("{pods}/other")).await.expect(403);
    let lease = |name: &str| json!({ "metadata": { "name": name }, "spec": { "holderIdentity": "n1" } });
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    n1.post(leases, &lease("n1")).await.expect(201);
    n1.post(leases, &lease("n2")).await.expect(403);
    n1.patch("/api/v1/nodes/n1", "merge", &json!({ "metadata": { "labels": { "node-restriction.kubernetes.io/a": "b" } } }))
        .await
        .expect(403);
    let token = |name: &str, uid: &Value| {
        let bound = json!({ "apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid });
        json!({ "spec": { "boundObjectRef": bound } })
    };
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    n1.post(path, &token("own", &own["metadata"]["uid"])).await.expect(201);
    n1.post(path, &token("own", &json!(""))).await.expect(403);
    n1.post(path, &token("other", &json!(""))).await.expect(403);
    n1.post(path, &json!({ "spec": {} })).await.expect(403);
}
