//! Subresources, collections, connections, custom objects.

use super::*;

/// Tells what it was asked about, in a warning.
fn tells(r: &AdmissionRequest, mutates: bool) -> Result<Admitted, Refusal> {
    let kinds = [&r.object, &r.old_object].map(|d| d.as_ref().map_or("-".to_owned(), |d| d.object().kind().to_owned()));
    let told = format!("{} {}/{} {} {} {}", r.operation.as_str(), r.resource.resource, r.subresource, r.kind.kind, kinds[0], kinds[1]);
    Ok(Admitted { warnings: if mutates { vec![] } else { vec![told] }, ..Admitted::default() })
}

fn on(resources: &[&str]) -> Value {
    json!({ "rules": [{ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": resources }] })
}

#[tokio::test]
async fn subresources_are_told_with_their_bodies() {
    let w = World::new().await;
    w.plugin("p", &on(&["pods/*", "deployments/scale", "deployments/status", "serviceaccounts/token", "namespaces/finalize"]), tells).await;
    let f = &w.f;
    let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "a": "b" } }, "template": template },
    });
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let answer = f.post(deployments, &deployment).await;
    assert_eq!((answer.code, warnings(&answer)), (201, vec![]), "the main resource was not named");
    let answer = f.patch(&format!("{deployments}/d/scale"), "merge", &json!({ "spec": { "replicas": 2 } })).await;
    assert_eq!((answer.code, warnings(&answer)), (200, vec!["UPDATE deployments/scale Scale Scale Scale".to_owned()]));
    let answer = f.patch(&format!("{deployments}/d/status"), "merge", &json!({ "status": { "replicas": 2 } })).await;
    assert_eq!((answer.code, warnings(&answer)), (200, vec!["UPDATE deployments/status Deployment Deployment Deployment".to_owned()]));

    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": template["spec"] });
    // A star for the subresource stands for none, too.
    let answer = f.post(pods, &pod).await;
    assert_eq!((answer.code, warnings(&answer)), (201, vec!["CREATE pods/ Pod Pod -".to_owned()]));
    let binding = json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "p" }, "target": { "kind": "Node", "name": "n" } });
    let answer = f.post(&format!("{pods}/p/binding"), &binding).await;
    assert_eq!((answer.code, warnings(&answer)), (201, vec!["CREATE pods/binding Binding Binding -".to_owned()]));
    let answer = f.get(&format!("{pods}/p/exec?command=ls&command=-l&container=c&stdout=true")).await;
    assert_eq!(warnings(&answer), ["CONNECT pods/exec PodExecOptions PodExecOptions -"]);
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "p" } });
    let answer = f.post(&format!("{pods}/p/eviction"), &eviction).await;
    assert_eq!((answer.code, warnings(&answer)), (201, vec!["CREATE pods/eviction Eviction Eviction -".to_owned()]));

    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "s" } });
    f.post("/api/v1/namespaces/default/serviceaccounts", &account).await.expect(201);
    let answer = f.post("/api/v1/namespaces/default/serviceaccounts/s/token", &json!({ "spec": {} })).await;
    assert_eq!((answer.code, warnings(&answer)), (201, vec!["CREATE serviceaccounts/token TokenRequest TokenRequest -".to_owned()]));
}

#[tokio::test]
async fn a_scale_may_be_changed() {
    let w = World::new().await;
    w.loaded("p", &on(&["replicasets/scale"]), "Fail", (false, true), |_, _| {
        patched(json!([{ "op": "replace", "path": "/spec/replicas", "value": 7 }]))
    })
    .await;
    let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "r" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "a": "b" } }, "template": template },
    });
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    w.f.post(sets, &set).await.expect(201);
    let scaled = w.f.patch(&format!("{sets}/r/scale"), "merge", &json!({ "spec": { "replicas": 2 } })).await.expect(200);
    assert_eq!(scaled["spec"]["replicas"], 7);
    assert_eq!(w.f.get(&format!("{sets}/r")).await.expect(200)["spec"]["replicas"], 7);
}

#[tokio::test]
async fn each_object_of_a_collection_is_told() {
    let w = World::new().await;
    for name in ["a", "b"] {
        w.f.post(MAPS, &config_map(name)).await.expect(201);
    }
    w.loaded("p", &maps(), "Fail", (true, false), |r, _| {
        let old = r.old_object.as_ref().unwrap().object().name();
        if old == "b" { denied(0, "", "b stays") } else { Ok(Admitted::default()) }
    })
    .await;
    let answer = w.f.delete(MAPS).await;
    assert_eq!((answer.code, answer.message()), (403, "admission plugin \"p\" denied the request: b stays".to_owned()));
    assert_eq!(w.f.get(&format!("{MAPS}/b")).await.code, 200);
    // Of a collection the request has no name.
    assert!(w.calls().iter().all(|call| call == "p validate DELETE configmaps "));
}

#[tokio::test]
async fn selectors_and_conditions_choose() {
    let w = World::new().await;
    w.namespace("watched", json!({ "watch": "yes" })).await;
    w.namespace("other", json!({})).await;
    let check = async |name: &str, more: Value, requests: &[(&str, Value, bool)]| {
        w.loaded(name, &and(maps(), &more), "Fail", (true, false), never).await;
        for (namespace, labels, asked) in requests {
            let mut map = config_map("x");
            map["metadata"]["labels"] = labels.clone();
            let answer = w.f.post(&format!("/api/v1/namespaces/{namespace}/configmaps?dryRun=All"), &map).await;
            assert_eq!(answer.code == 403, *asked, "{more} {namespace} {labels}: {:?}", answer.bytes);
        }
        w.f.delete(&format!("{PLUGINS}/{name}")).await.expect(200);
        w.settle().await;
    };
    let some = || json!({ "l": "1" });
    check(
        "a",
        json!({ "namespaceSelector": { "matchLabels": { "watch": "yes" } } }),
        &[("watched", json!({}), true), ("other", json!({}), false)],
    )
    .await;
    check(
        "b",
        json!({ "objectSelector": { "matchExpressions": [{ "key": "l", "operator": "Exists" }] } }),
        &[("other", some(), true), ("other", json!({}), false)],
    )
    .await;
    let condition = |expression: &str| json!({ "matchConditions": [{ "name": "c", "expression": expression }] });
    check("c", condition("object.metadata.name == 'x' && request.operation == 'CREATE'"), &[("other", json!({}), true)]).await;
    check(
        "d",
        condition("has(object.metadata.labels) && object.metadata.labels.l == '1'"),
        &[("other", some(), true), ("other", json!({}), false)],
    )
    .await;
    check("e", condition("'system:masters' in request.userInfo.groups && request.dryRun"), &[("other", json!({}), true)]).await;
    check(
        "f",
        condition("namespaceObject.metadata.labels.?watch.orValue('no') == 'yes'"),
        &[("watched", json!({}), true), ("other", json!({}), false)],
    )
    .await;
    check(
        "g",
        condition("!authorizer.group('').resource('secrets').namespace('x').check('get').allowed()"),
        &[("other", json!({}), false)],
    )
    .await;
    check(
        "h",
        condition("authorizer.serviceAccount('default', 'default').group('').resource('secrets').check('get').allowed()"),
        &[("other", json!({}), false)],
    )
    .await;
    check("i", condition("authorizer.requestResource.check('delete').allowed()"), &[("other", json!({}), true)]).await;
    check("j", condition("authorizer.path('/healthz').check('get').reason() == ''"), &[("other", json!({}), true)]).await;
}

#[tokio::test]
async fn conditions_that_cannot_be_evaluated_refuse_by_policy() {
    let check = async |policy: &str, expressions: &[&str], code: u16, message: &str| {
        let w = World::new().await;
        let conditions: Vec<Value> =
            expressions.iter().enumerate().map(|(at, e)| json!({ "name": format!("c{at}"), "expression": e })).collect();
        w.loaded("p", &and(maps(), &json!({ "matchConditions": conditions })), policy, (true, false), fine).await;
        let answer = w.f.post(MAPS, &config_map("a")).await;
        assert_eq!(answer.code, code, "{expressions:?}");
        assert_eq!(w.calls().len(), usize::from(code == 201 && message == "asked"));
        if code == 403 {
            assert_eq!(answer.message(), message);
        }
    };
    let error = "expression 'object.spec.x' resulted in error: no such key: spec";
    let forbidden = |told: &str| format!("configmaps \"a\" is forbidden: {told}");
    check("Fail", &["object.spec.x == 1"], 403, &forbidden(&error.replace("object.spec.x", "object.spec.x == 1"))).await;
    check("Ignore", &["object.spec.x == 1"], 201, "").await;
    // One that does not hold decides.
    check("Fail", &["object.spec.x == 1", "false"], 201, "").await;
    check("Fail", &["true"], 201, "asked").await;
}

#[tokio::test]
async fn an_authorizer_that_waits_is_waited_for() {
    struct Slow;
    #[async_trait]
    impl interfaces::authorize::Authorizer for Slow {
        async fn authorize(&self, attributes: &interfaces::authorize::Attributes) -> Result<(), interfaces::authorize::Denied> {
            tokio::task::yield_now().await;
            let told = format!("{} {} {}", attributes.user.name, attributes.verb, attributes.resource);
            if attributes.verb == "paint" { Ok(()) } else { Err(interfaces::authorize::Denied { reason: told }) }
        }
    }
    let w = World::with(Config { authorizer: Some(Arc::new(Slow)), ..Config::default() }).await;
    let account = "authorizer.serviceAccount('a', 'b').group('g').resource('walls')";
    let expression =
        format!("{account}.check('paint').allowed() && {account}.check('look').reason() == 'system:serviceaccount:a:b look walls'");
    w.plugin("p", &and(maps(), &json!({ "matchConditions": [{ "name": "c", "expression": expression }] })), never).await;
    let answer = w.f.post(MAPS, &config_map("a")).await;
    assert_eq!((answer.code, answer.message().as_str()), (403, "admission plugin \"p\" denied the request: no"));
}

#[tokio::test]
async fn custom_objects_are_objects() {
    let w = World::new().await;
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "size": { "type": "integer", "default": 1 }, "name": { "type": "string" },
    } } } });
    let versions =
        ["v1", "v2"].map(|v| json!({ "name": v, "served": true, "storage": v == "v1", "schema": { "openAPIV3Schema": schema } }));
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": { "plural": "things", "singular": "thing", "kind": "Thing" },
            "versions": versions,
        },
    });
    w.f.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd).await.expect(201);
    let rule =
        json!({ "rules": [{ "operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["things"] }] });
    w.plugin("p", &rule, |r, mutates| {
        let object = r.object.as_ref().unwrap().object();
        if mutates {
            return patched(json!([{ "op": "add", "path": "/spec/name", "value": format!("{} {}", object.api_version(), object.at(&["spec", "size"]).unwrap()) }]));
        }
        Ok(Admitted::default())
    })
    .await;
    for version in ["v1", "v2"] {
        let path = format!("/apis/example.com/{version}/namespaces/default/things");
        let thing = json!({ "apiVersion": format!("example.com/{version}"), "kind": "Thing", "metadata": { "name": version }, "spec": {} });
        let made = w.f.post(&path, &thing).await.expect(201);
        assert_eq!(made["apiVersion"], format!("example.com/{version}"));
        assert_eq!(made["spec"], json!({ "size": 1, "name": "example.com/v1 1" }), "{version}");
    }
}
