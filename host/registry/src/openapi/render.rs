//! Path items of OpenAPI v3 and Swagger 2.0 from the same operations.

use super::Dialect;
use super::operations::{Answer, Operation};
use super::parameters::{self, Parameter};
use object::{Map, Value, json};
use std::collections::BTreeMap;

/// Path items by path.
pub(super) fn paths(operations: &[Operation], dialect: Dialect) -> Map<String, Value> {
    let mut by_path: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    operations.iter().for_each(|o| by_path.entry(&o.path).or_default().push(o));
    by_path.into_iter().map(|(path, operations)| (path.to_owned(), item(path, &operations, dialect))).collect()
}

fn item(path: &str, operations: &[&Operation], dialect: Dialect) -> Value {
    let mut item = Map::new();
    for operation in operations {
        item.insert(operation.method.to_owned(), of(operation, path, dialect));
    }
    let mut shared: Vec<Value> = placeholders(path).iter().map(|p| parameter(p, "path", dialect)).collect();
    if operations.iter().all(|o| o.pretty) {
        shared.push(parameter(&parameters::PRETTY, "query", dialect));
    }
    if !shared.is_empty() {
        item.insert("parameters".to_owned(), Value::Array(shared));
    }
    Value::Object(item)
}

fn placeholders(path: &str) -> Vec<Parameter> {
    let known = [parameters::NAME, parameters::NAMESPACE, parameters::PATH];
    known.into_iter().filter(|(name, _, _)| path.contains(&format!("{{{name}}}"))).collect()
}

fn of(operation: &Operation, path: &str, dialect: Dialect) -> Value {
    let taken = placeholders(path);
    let query = operation.query.iter().filter(|(name, _, _)| !taken.iter().any(|(other, _, _)| other == name));
    let mut parameters: Vec<Value> = query.map(|p| parameter(p, "query", dialect)).collect();
    let mut out = json!({ "description": operation.description, "operationId": operation.id, "tags": [operation.tag] });
    if !operation.action.is_empty() {
        out["x-kubernetes-action"] = json!(operation.action);
    }
    if let Some(gvk) = &operation.gvk {
        out["x-kubernetes-group-version-kind"] = json!({ "group": gvk.group, "version": gvk.version, "kind": gvk.kind });
    }
    if let Some(body) = &operation.body {
        let schema = dialect.reference(&body.definition);
        match dialect {
            Dialect::V2 => {
                let mut told = json!({ "in": "body", "name": "body", "schema": schema });
                if body.required {
                    told["required"] = json!(true);
                }
                parameters.insert(0, told);
            }
            Dialect::V3 => {
                let content: Map<String, Value> =
                    body.consumes.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect();
                out["requestBody"] = json!({ "content": content });
                if body.required {
                    out["requestBody"]["required"] = json!(true);
                }
            }
        }
    }
    if dialect == Dialect::V2 {
        out["schemes"] = json!(["https"]);
        out["produces"] = json!(operation.produces);
        out["consumes"] = json!(operation.body.as_ref().map_or(&["*/*"][..], |b| b.consumes));
    }
    if !parameters.is_empty() {
        out["parameters"] = Value::Array(parameters);
    }
    let mut responses: Map<String, Value> =
        operation.answers.iter().map(|a| (a.code.to_string(), answer(a, operation.produces, dialect))).collect();
    responses.insert("401".to_owned(), json!({ "description": "Unauthorized" }));
    out["responses"] = Value::Object(responses);
    out
}

fn answer(answer: &Answer, produces: &[&str], dialect: Dialect) -> Value {
    let description = match answer.code {
        201 => "Created",
        202 => "Accepted",
        _ => "OK",
    };
    let schema = answer.definition.as_ref().map_or_else(|| json!({ "type": "string" }), |d| dialect.reference(d));
    if dialect == Dialect::V2 {
        return json!({ "description": description, "schema": schema });
    }
    let content: Map<String, Value> = produces.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect();
    json!({ "description": description, "content": content })
}

fn parameter((name, ty, description): &Parameter, place: &str, dialect: Dialect) -> Value {
    let mut told = json!({ "name": name, "in": place, "description": description });
    match dialect {
        Dialect::V2 => {
            told["type"] = json!(ty);
            told["uniqueItems"] = json!(true);
        }
        Dialect::V3 => told["schema"] = json!({ "type": ty, "uniqueItems": true }),
    }
    if place == "path" {
        told["required"] = json!(true);
    }
    told
}
