//! Paths of a kind: the collection and the item, with the verbs of the row.

use super::{group_version_kind, list_definition, reference};
use crate::kind::{Kind, Verb};
use object::{Value, json};

const PATCHES: [&str; 5] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
];

pub(super) fn of(kind: &Kind) -> Vec<(String, Value)> {
    let root = if kind.group.is_empty() { format!("/api/{}", kind.version) } else { format!("/apis/{}/{}", kind.group, kind.version) };
    let namespace = if kind.is_namespaced() { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{root}{namespace}/{}", kind.resource);
    let item = format!("{collection}/{{name}}");
    let mut paths = vec![(collection, collection_operations(kind)), (item, item_operations(kind))];
    if kind.is_namespaced() {
        let everywhere = operations(kind, &[("get", Verb::List)], &[]);
        paths.push((format!("{root}/{}", kind.resource), everywhere));
    }
    paths
}

fn collection_operations(kind: &Kind) -> Value {
    let verbs = [("get", Verb::List), ("post", Verb::Create), ("delete", Verb::DeleteCollection)];
    let names: &[&str] = if kind.is_namespaced() { &["namespace"] } else { &[] };
    operations(kind, &verbs, names)
}

fn item_operations(kind: &Kind) -> Value {
    let verbs = [("get", Verb::Get), ("put", Verb::Update), ("patch", Verb::Patch), ("delete", Verb::Delete)];
    let names: &[&str] = if kind.is_namespaced() { &["name", "namespace"] } else { &["name"] };
    operations(kind, &verbs, names)
}

fn operations(kind: &Kind, verbs: &[(&str, Verb)], names: &[&str]) -> Value {
    let mut item = json!({});
    for (method, verb) in verbs.iter().filter(|(_, verb)| kind.verbs.contains(verb)) {
        item[*method] = operation(kind, *verb);
    }
    let parameter =
        |name: &&str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "uniqueItems": true } });
    let parameters: Vec<Value> = names.iter().map(parameter).collect();
    if !parameters.is_empty() {
        item["parameters"] = Value::Array(parameters);
    }
    item
}

fn operation(kind: &Kind, verb: Verb) -> Value {
    let answer = match verb {
        Verb::List => list_definition(kind),
        Verb::Delete | Verb::DeleteCollection => "io.k8s.apimachinery.pkg.apis.meta.v1.Status".to_owned(),
        _ => kind.schema.clone(),
    };
    let action = if verb == Verb::Create { "post" } else { verb.as_str() };
    let mut operation = json!({
        "x-kubernetes-action": if verb == Verb::Update { "put" } else { action },
        "x-kubernetes-group-version-kind": group_version_kind(kind, &kind.kind),
        "parameters": query(verb).iter().map(|(name, ty)| json!({ "name": name, "in": "query", "schema": { "type": ty, "uniqueItems": true } })).collect::<Vec<_>>(),
        "responses": { "200": { "description": "OK", "content": { "application/json": { "schema": reference(&answer) } } } },
    });
    let body = match verb {
        Verb::Create | Verb::Update => json!({ "*/*": { "schema": reference(&kind.schema) } }),
        Verb::Patch => {
            let schema = json!({ "schema": reference("io.k8s.apimachinery.pkg.apis.meta.v1.Patch") });
            Value::Object(PATCHES.iter().map(|p| ((*p).to_owned(), schema.clone())).collect())
        }
        _ => return operation,
    };
    operation["requestBody"] = json!({ "content": body, "required": true });
    operation
}

fn query(verb: Verb) -> &'static [(&'static str, &'static str)] {
    match verb {
        Verb::Create | Verb::Update => &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")],
        Verb::Patch => &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")],
        Verb::Delete => &[("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")],
        Verb::List | Verb::Watch | Verb::DeleteCollection => &[
            ("continue", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("timeoutSeconds", "integer"),
            ("watch", "boolean"),
        ],
        Verb::Get => &[],
    }
}
