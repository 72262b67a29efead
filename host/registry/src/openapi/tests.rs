use super::*;
use std::collections::HashSet;

/// Every reference leads somewhere and no operation is named twice.
fn closed(document: &Value, place: &str, definitions: &Value) {
    let text = document.to_string();
    for reference in text.split(&format!("#/{place}/")).skip(1).filter_map(|t| t.split('"').next()) {
        assert!(definitions.get(reference).is_some(), "{reference}");
    }
    let mut ids = HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}"));
            assert!(ids.insert(id.to_owned()), "{id} of {method} {path}");
            let told = format!("{}{}", item["parameters"], operation["parameters"]);
            for name in path.split('{').skip(1).filter_map(|t| t.split('}').next()) {
                assert!(told.contains(&format!("\"name\":\"{name}\"")), "{method} {path}");
            }
        }
    }
}

#[test]
fn documents_are_closed_and_carry_what_clients_look_for() {
    let registry = Registry::builtin();
    let index = v3_index(&registry);
    assert!(index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().starts_with("/openapi/v3/apis/apps/v1?hash="));
    for path in v3_paths(&registry) {
        let document = v3_document(&registry, &path).unwrap_or_else(|| panic!("{path}"));
        closed(&document, "components/schemas", &document["components"]["schemas"]);
    }
    for kind in registry.kinds() {
        let path = if kind.group.is_empty() { format!("api/{}", kind.version) } else { format!("apis/{}/{}", kind.group, kind.version) };
        let document = v3_document(&registry, &path).unwrap();
        let definition = &document["components"]["schemas"][&kind.schema];
        assert_eq!(definition["x-kubernetes-group-version-kind"][0]["kind"], json!(kind.kind));
    }
    let core = v3_document(&registry, "api/v1").unwrap();
    let containers = &core["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    assert!(containers["description"].as_str().unwrap().starts_with("List of containers"));
    let patch = &core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Pod");
    assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"));
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
    assert!(v3_document(&registry, "apis/apps/v2").is_none());
    assert!(v3_document(&registry, "apis/apps/v1/x").is_none());
}

#[test]
fn operations_have_upstreams_names() {
    let registry = Registry::builtin();
    let swagger = v2(&registry);
    closed(&swagger, "definitions", &swagger["definitions"]);
    let check = |method: &str, path: &str, id: &str, action: &str, tag: &str| {
        let operation = &swagger["paths"][path][method];
        assert_eq!(
            (&operation["operationId"], &operation["x-kubernetes-action"], &operation["tags"][0]),
            (&json!(id), &json!(action), &json!(tag)),
            "{method} {path}"
        );
    };
    let pods = "/api/v1/namespaces/{namespace}/pods";
    check("get", pods, "listCoreV1NamespacedPod", "list", "core_v1");
    check("get", "/api/v1/pods", "listCoreV1PodForAllNamespaces", "list", "core_v1");
    check("delete", pods, "deleteCoreV1CollectionNamespacedPod", "deletecollection", "core_v1");
    check("get", &format!("{pods}/{{name}}/log"), "readCoreV1NamespacedPodLog", "get", "core_v1");
    check("post", &format!("{pods}/{{name}}/exec"), "connectCoreV1PostNamespacedPodExec", "connect", "core_v1");
    check("post", &format!("{pods}/{{name}}/eviction"), "createCoreV1NamespacedPodEviction", "post", "core_v1");
    check("get", "/api/v1/watch/namespaces/{namespace}/pods", "watchCoreV1NamespacedPodList", "watchlist", "core_v1");
    check(
        "patch",
        "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
        "patchAppsV1NamespacedDeploymentScale",
        "patch",
        "apps_v1",
    );
    check(
        "put",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}",
        "replaceRbacAuthorizationV1ClusterRole",
        "put",
        "rbacAuthorization_v1",
    );
    assert_eq!(swagger["paths"]["/apis/apps/"]["get"]["operationId"], "getAppsAPIGroup");
    assert_eq!(swagger["paths"]["/apis/apps/"]["get"]["tags"], json!(["apps"]));
    assert_eq!(swagger["paths"]["/api/v1/"]["get"]["operationId"], "getCoreV1APIResources");
    let pod = &swagger["definitions"]["io.k8s.api.core.v1.Pod"];
    assert_eq!(pod["properties"]["spec"]["$ref"], "#/definitions/io.k8s.api.core.v1.PodSpec");
    assert!(pod["properties"]["spec"]["description"].is_string());
    assert_eq!(swagger["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]["type"], "string");
}

fn custom(schema: Value) -> Vec<Arc<Kind>> {
    let definition = object::Object::from_value(json!({
        "metadata": { "name": "widgets.example.com", "uid": "u" },
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": { "plural": "widgets", "kind": "Widget" },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema },
                "selectableFields": [{ "jsonPath": ".spec.color" }],
            }],
        },
        "status": { "acceptedNames": { "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "Widgets" } },
    }));
    let definition = definition.unwrap();
    crate::custom::rows::of(&definition, &Arc::new(crate::custom::rows::family(&definition)))
}

#[test]
fn custom_kinds_come_out_of_the_same_code() {
    let registry = Registry::builtin();
    let before = v3_index(&registry);
    registry.replace_custom(custom(json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })));
    let first = v3_hash(&registry, "apis/example.com/v1").unwrap();
    assert_eq!(v3_hash(&registry, "apis/example.com/v1").unwrap(), first);
    let schema = json!({ "type": "object", "description": "A widget.", "properties": { "spec": { "type": "object", "properties": {
        "size": { "type": "integer", "minimum": 1, "nullable": true }, "any": { "anyOf": [{ "type": "string" }] }
    } } } });
    registry.replace_custom(custom(schema));
    assert_ne!(v3_hash(&registry, "apis/example.com/v1").unwrap(), first);
    let document = v3_document(&registry, "apis/example.com/v1").unwrap();
    closed(&document, "components/schemas", &document["components"]["schemas"]);
    let widget = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(widget["description"], "A widget.");
    assert_eq!(widget["x-kubernetes-group-version-kind"][0]["kind"], "Widget");
    assert_eq!(widget["properties"]["spec"]["properties"]["size"]["minimum"], 1);
    assert_eq!(widget["x-kubernetes-selectable-fields"], json!([{ "fieldPath": ".spec.color" }]));
    assert!(document["components"]["schemas"]["com.example.v1.Widgets"].is_object());
    let patch = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"];
    assert!(patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_none());
    let swagger = v2(&registry);
    closed(&swagger, "definitions", &swagger["definitions"]);
    let spec = &swagger["definitions"]["com.example.v1.Widget"]["properties"]["spec"]["properties"];
    assert_eq!(spec, &json!({ "size": { "minimum": 1 }, "any": {} }));
    registry.replace_custom(Vec::new());
    assert_eq!(v3_index(&registry), before);
}
