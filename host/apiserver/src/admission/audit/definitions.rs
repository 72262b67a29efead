//! The kinds of reports, as CustomResourceDefinitions: whoever has tools for reports may install the definitions that come with those
//! instead, and the audit writes by them.

use super::report::{GROUP, VERSION};
use object::{Value, json};

pub fn all() -> [Value; 2] {
    [
        definition("PolicyReport", "policyreport", "polr", "Namespaced"),
        definition("ClusterPolicyReport", "clusterpolicyreport", "cpolr", "Cluster"),
    ]
}

fn definition(kind: &str, singular: &str, short: &str, scope: &str) -> Value {
    let plural = format!("{singular}s");
    let count = |name: &str| json!({ "name": capital(name), "type": "integer", "jsonPath": format!(".summary.{name}") });
    let about = |name: &str| json!({ "name": capital(name), "type": "string", "priority": 1, "jsonPath": format!(".scope.{name}") });
    let columns = json!([
        about("kind"), about("name"), count("pass"), count("fail"), count("warn"), count("error"), count("skip"),
        { "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" },
    ]);
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": format!("{plural}.{GROUP}") },
        "spec": {
            "group": GROUP, "scope": scope,
            "names": { "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular, "shortNames": [short] },
            "versions": [{
                "name": VERSION, "served": true, "storage": true, "additionalPrinterColumns": columns,
                "schema": { "openAPIV3Schema": schema() },
            }],
        },
    })
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn schema() -> Value {
    let string = || json!({ "type": "string" });
    let integer = || json!({ "type": "integer" });
    let reference = json!({
        "type": "object", "x-kubernetes-map-type": "atomic",
        "properties": {
            "apiVersion": string(), "kind": string(), "namespace": string(), "name": string(), "uid": string(), "resourceVersion": string(),
            "fieldPath": string(),
        },
    });
    let selector = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let result = json!({
        "type": "object", "required": ["policy"],
        "properties": {
            "source": string(), "policy": string(), "rule": string(), "category": string(), "message": string(),
            "severity": { "type": "string", "enum": ["critical", "high", "medium", "low", "info"] },
            "result": { "type": "string", "enum": ["pass", "fail", "warn", "error", "skip"] },
            "scored": { "type": "boolean" },
            "timestamp": {
                "type": "object", "required": ["seconds", "nanos"],
                "properties": { "seconds": { "type": "integer", "format": "int64" }, "nanos": { "type": "integer", "format": "int32" } },
            },
            "resources": { "type": "array", "items": reference },
            "resourceSelector": selector,
            "properties": { "type": "object", "additionalProperties": string() },
        },
    });
    json!({
        "type": "object",
        "properties": {
            "apiVersion": string(), "kind": string(), "metadata": { "type": "object" },
            "scope": reference, "scopeSelector": selector,
            "summary": {
                "type": "object",
                "properties": { "pass": integer(), "fail": integer(), "warn": integer(), "error": integer(), "skip": integer() },
            },
            "results": { "type": "array", "items": result },
        },
    })
}
