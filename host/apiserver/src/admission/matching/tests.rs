//! Rules against requests.

use super::*;
use crate::tests::Fixture;
use interfaces::authorize::UserInfo;
use object::json;

struct Asked<'a> {
    operation: Operation,
    resource: (&'a str, &'a str, &'a str),
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
}

const POD: Asked<'static> =
    Asked { operation: Operation::Create, resource: ("", "v1", "pods"), subresource: "", namespace: "default", name: "p" };

#[tokio::test]
async fn rules() {
    let f = Fixture::new().await;
    let shared = f.service.shared();
    let user = std::sync::Arc::new(UserInfo::master("tester"));
    let check = |rule: Value, asked: &Asked<'_>, expect: bool| {
        let (group, version, resource) = asked.resource;
        let row = shared.registry.resource_by_name(group, version, resource).unwrap();
        let attributes = Attributes {
            shared,
            user: &user,
            row: &row,
            subresource: asked.subresource,
            body: None,
            operation: asked.operation,
            namespace: asked.namespace,
            name: asked.name,
            dry_run: false,
            options: Arc::default(),
        };
        let mut full = json!({ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"] });
        object::patch::merge::apply(&mut full, &rule);
        let matching = Matching::read(&json!({ "rules": [full], "matchPolicy": "Exact" })).unwrap();
        let found = matching.selects(&attributes, None, None).unwrap();
        assert_eq!(found.is_some(), expect, "{rule}");
        // The index never leaves out what matches.
        assert!(!expect || matching.concerns(group, resource, asked.operation), "{rule}");
    };
    check(json!({}), &POD, true);
    check(json!({ "operations": ["CREATE"] }), &POD, true);
    check(json!({ "operations": ["UPDATE", "DELETE"] }), &POD, false);
    check(json!({ "operations": ["UPDATE", "CREATE"] }), &POD, true);
    check(json!({ "apiGroups": [""] }), &POD, true);
    check(json!({ "apiGroups": ["apps"] }), &POD, false);
    check(json!({ "apiVersions": ["v1"] }), &POD, true);
    check(json!({ "apiVersions": ["v2"] }), &POD, false);
    check(json!({ "resources": ["pods"] }), &POD, true);
    check(json!({ "resources": ["pods/*"] }), &POD, true);
    check(json!({ "resources": ["pods/status"] }), &POD, false);
    check(json!({ "resources": ["*/status"] }), &POD, false);
    check(json!({ "resources": ["services", "*/*"] }), &POD, true);
    check(json!({ "resourceNames": ["p"] }), &POD, true);
    check(json!({ "resourceNames": ["q"] }), &POD, false);

    let status = Asked { subresource: "status", operation: Operation::Update, ..POD };
    check(json!({ "resources": ["*"] }), &status, false);
    check(json!({ "resources": ["pods"] }), &status, false);
    check(json!({ "resources": ["pods/status"] }), &status, true);
    check(json!({ "resources": ["*/status"] }), &status, true);
    check(json!({ "resources": ["pods/*"] }), &status, true);
    check(json!({ "resources": ["*/*"] }), &status, true);
    check(json!({ "resources": ["*/scale"] }), &status, false);

    let exec = Asked { subresource: "exec", operation: Operation::Connect, ..POD };
    check(json!({ "operations": ["CONNECT"], "resources": ["pods/exec"] }), &exec, true);
    check(json!({ "operations": ["CREATE"], "resources": ["pods/exec"] }), &exec, false);

    let node = Asked { resource: ("", "v1", "nodes"), namespace: "", name: "n", ..POD };
    let namespace = Asked { resource: ("", "v1", "namespaces"), namespace: "a", name: "a", ..POD };
    for (scope, expect) in [("*", [true, true, true]), ("Cluster", [false, true, true]), ("Namespaced", [true, false, false])] {
        for (asked, expect) in [&POD, &node, &namespace].into_iter().zip(expect) {
            check(json!({ "scope": scope }), asked, expect);
        }
    }
}

#[tokio::test]
async fn selectors() {
    let f = Fixture::new().await;
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "a", "labels": { "team": "a" } } });
    f.post("/api/v1/namespaces", &namespace).await.expect(201);
    let shared = f.service.shared();
    shared.caches.current().await.unwrap();
    let user = std::sync::Arc::new(UserInfo::master("tester"));
    let check = |selectors: Value, asked: &Asked<'_>, object: Value, old: Value, expect: Result<bool, &str>| {
        let (group, version, resource) = asked.resource;
        let row = shared.registry.resource_by_name(group, version, resource).unwrap();
        let attributes = Attributes {
            shared,
            user: &user,
            row: &row,
            subresource: asked.subresource,
            body: None,
            operation: asked.operation,
            namespace: asked.namespace,
            name: asked.name,
            dry_run: false,
            options: Arc::default(),
        };
        let mut tree = json!({ "rules": [{ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"] }] });
        object::patch::merge::apply(&mut tree, &selectors);
        let labelled = |labels: &Value| Object::from_value(json!({ "metadata": { "labels": labels } })).filter(|_| !labels.is_null());
        let found = Matching::read(&tree).unwrap().selects(&attributes, labelled(&object).as_ref(), labelled(&old).as_ref());
        assert_eq!(found.map(|row| row.is_some()).map_err(|e| e.message), expect.map_err(str::to_owned), "{selectors}");
    };
    let none = || Value::Null;
    let team = || json!({ "namespaceSelector": { "matchLabels": { "team": "a" } } });
    let inside = Asked { namespace: "a", ..POD };
    check(team(), &inside, none(), none(), Ok(true));
    check(team(), &POD, none(), none(), Ok(false));
    check(team(), &Asked { namespace: "gone", ..POD }, none(), none(), Err("namespaces \"gone\" not found"));
    // Cluster objects are never left out, but namespaces are, by what they will be.
    check(team(), &Asked { resource: ("", "v1", "nodes"), namespace: "", ..POD }, none(), none(), Ok(true));
    let namespace = Asked { resource: ("", "v1", "namespaces"), namespace: "b", name: "b", ..POD };
    check(team(), &namespace, json!({ "team": "a" }), none(), Ok(true));
    check(team(), &namespace, json!({ "team": "b" }), none(), Ok(false));
    let deleted = Asked { operation: Operation::Delete, namespace: "a", name: "a", ..namespace };
    check(team(), &deleted, none(), none(), Ok(true));

    let object = || json!({ "objectSelector": { "matchExpressions": [{ "key": "k", "operator": "In", "values": ["v"] }] } });
    check(object(), &POD, json!({ "k": "v" }), none(), Ok(true));
    check(object(), &POD, json!({}), json!({ "k": "v" }), Ok(true));
    check(object(), &POD, json!({}), json!({}), Ok(false));
    check(object(), &POD, none(), none(), Ok(false));
    check(json!({ "objectSelector": {} }), &POD, none(), none(), Ok(true));
    // What would not be asked anyway is not hurt by a namespace that is not there.
    let mut both = team();
    object::patch::merge::apply(&mut both, &object());
    check(both, &Asked { namespace: "gone", ..POD }, json!({}), none(), Ok(false));
}
