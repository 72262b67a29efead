//! What decoding does to a custom object by its schema: unknown fields go, nulls go, defaults come
//! (`apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting,objectmeta}`).

use super::props::{Additional, Props};
use crate::graph;
use object::{Map, Value};

/// What every resource has beside its schema.
pub const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Definition of `metadata`.
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Removes fields that the schema does not know and returns their paths, sorted. The root of a resource has its meta
/// fields whether the schema names them or not.
pub fn prune(value: &mut Value, schema: &Props, is_root: bool) -> Vec<String> {
    let mut pruner = Pruner { unknown: Vec::new() };
    pruner.value(value, Some(schema), is_root || schema.embedded, &mut String::new());
    pruner.unknown.sort();
    pruner.unknown
}

struct Pruner {
    unknown: Vec<String>,
}

impl Pruner {
    fn value(&mut self, value: &mut Value, schema: Option<&Props>, resource: bool, path: &mut String) {
        let keeps = schema.is_some_and(Props::preserves);
        match value {
            Value::Object(map) => {
                let keys: Vec<String> = map.keys().cloned().collect();
                for key in keys {
                    if resource && META_FIELDS.contains(&key.as_str()) {
                        continue;
                    }
                    let declared = schema.and_then(|s| s.properties.get(&key));
                    let additional = schema.and_then(|s| s.additional.as_ref());
                    let below = match (declared, additional) {
                        (Some(property), _) => Some(Some(property)),
                        (None, Some(Additional::Schema(schema))) => Some(Some(schema.as_ref())),
                        (None, Some(Additional::Allowed(_))) => Some(None),
                        (None, None) => None,
                    };
                    match below {
                        Some(below) => {
                            let length = push_key(path, &key);
                            if let Some(value) = map.get_mut(&key) {
                                self.value(value, below, below.is_some_and(|b| b.embedded), path);
                            }
                            path.truncate(length);
                        }
                        None if keeps => {}
                        None => {
                            map.remove(&key);
                            // At the root these are known even where the schema prunes them.
                            if !path.is_empty() || !META_FIELDS.contains(&key.as_str()) {
                                let length = push_key(path, &key);
                                self.unknown.push(path.clone());
                                path.truncate(length);
                            }
                        }
                    }
                }
            }
            Value::Array(items) => {
                let below = schema.and_then(|s| s.items.as_deref());
                for (index, item) in items.iter_mut().enumerate() {
                    // Below a list that keeps unknown fields and describes no items, everything is kept.
                    if keeps && below.is_none() {
                        continue;
                    }
                    let length = path.len();
                    path.push_str(&format!("[{index}]"));
                    if keeps {
                        self.kept(item, below, path);
                    } else {
                        self.value(item, below, below.is_some_and(|b| b.embedded), path);
                    }
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }

    /// An item of a list that keeps unknown fields: only what its schema declares is pruned below.
    fn kept(&mut self, value: &mut Value, schema: Option<&Props>, path: &mut String) {
        let Some(schema) = schema else { return };
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    if schema.embedded && META_FIELDS.contains(&key.as_str()) {
                        continue;
                    }
                    let below = match (schema.properties.get(key), &schema.additional) {
                        (Some(property), _) => Some(property),
                        (None, Some(Additional::Schema(schema))) => Some(schema.as_ref()),
                        (None, Some(Additional::Allowed(_))) => None,
                        (None, None) => continue,
                    };
                    let length = push_key(path, key);
                    self.value(value, below, below.is_some_and(|b| b.embedded), path);
                    path.truncate(length);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let length = path.len();
                    path.push_str(&format!("[{index}]"));
                    self.kept(item, schema.items.as_deref(), path);
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }
}

/// Appends a key; returns the length before.
fn push_key(path: &mut String, key: &str) -> usize {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(key);
    length
}

/// Removes nulls that are not allowed and that no default replaces.
pub fn drop_nulls(value: &mut Value, schema: Option<&Props>) {
    match value {
        Value::Object(map) => map.retain(|key, value| {
            let below = schema.and_then(|s| s.of_field(key));
            if value.is_null() && below.is_some_and(|b| !b.nullable && b.default.is_none()) {
                return false;
            }
            drop_nulls(value, below);
            true
        }),
        Value::Array(items) => {
            let below = schema.and_then(|s| s.items.as_deref());
            items.iter_mut().for_each(|item| drop_nulls(item, below));
        }
        _ => {}
    }
}

/// Sets defaults wherever their parent is present; a null that is not allowed counts as absent.
pub fn default(value: &mut Value, schema: &Props) {
    let replaced = |value: &Value, schema: &Props| value.is_null() && !schema.nullable;
    match value {
        Value::Object(map) => {
            for (name, property) in &schema.properties {
                if let Some(default) = &property.default
                    && map.get(name).is_none_or(|v| replaced(v, property))
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(property) = schema.properties.get(key) {
                    default(value, property);
                } else if let Some(additional) = schema.additional_schema() {
                    if replaced(value, additional) {
                        *value = additional.default.clone().unwrap_or_default();
                    }
                    default(value, additional);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.items.as_deref() else { return };
            for item in list.iter_mut() {
                if replaced(item, items) {
                    *item = items.default.clone().unwrap_or_default();
                }
                default(item, items);
            }
        }
        _ => {}
    }
}

/// `metadata` of the wrong type, or a meta field that is no string.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{path}: Invalid value: {value}: {detail}")]
pub struct MetaError {
    pub path: String,
    pub value: Value,
    pub detail: String,
}

/// Checks and prunes `metadata` of embedded resources, and of the root when asked; returns paths of unknown fields, sorted.
pub fn coerce(value: &mut Value, schema: &Props, is_root: bool, at: &str) -> Result<Vec<String>, MetaError> {
    let mut unknown = Vec::new();
    coerce_value(value, schema, is_root || schema.embedded, at, &mut unknown)?;
    unknown.sort();
    Ok(unknown)
}

fn coerce_value(value: &mut Value, schema: &Props, resource: bool, at: &str, unknown: &mut Vec<String>) -> Result<(), MetaError> {
    match value {
        Value::Object(map) => {
            if resource {
                type_meta(map, at)?;
                let path = joined(at, "metadata");
                if let Some(metadata) = map.get_mut("metadata") {
                    unknown.extend(object_meta(metadata, &path)?);
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(property) = schema.properties.get(key) {
                    coerce_value(value, property, property.embedded, &joined(at, key), unknown)?;
                } else if let Some(additional) = schema.additional_schema() {
                    coerce_value(value, additional, additional.embedded, &format!("{at}[{key}]"), unknown)?;
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.items.as_deref() else { return Ok(()) };
            for (index, item) in list.iter_mut().enumerate() {
                coerce_value(item, items, items.embedded, &format!("{at}[{index}]"), unknown)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn joined(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn type_meta(map: &Map<String, Value>, at: &str) -> Result<(), MetaError> {
    for key in ["apiVersion", "kind"] {
        if let Some(value) = map.get(key).filter(|v| !v.is_string()) {
            return Err(MetaError { path: joined(at, key), value: value.clone(), detail: "must be a string".to_owned() });
        }
    }
    Ok(())
}

/// `metadata` as `metav1.ObjectMeta` decodes it; returns paths of unknown fields.
pub fn object_meta(metadata: &mut Value, at: &str) -> Result<Vec<String>, MetaError> {
    let Some(schema) = graph::builtin().named(OBJECT_META) else { return Ok(Vec::new()) };
    let decoded = object::decode::prune(std::mem::take(metadata), schema);
    if let Some(error) = decoded.errors.first() {
        return Err(MetaError { path: at.to_owned(), value: decoded.value, detail: error.clone() });
    }
    *metadata = decoded.value;
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    let name = |warning: &String| warning.strip_prefix("unknown field \"").and_then(|w| w.strip_suffix('"')).map(|f| format!("{at}.{f}"));
    Ok(decoded.warnings.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn props(value: Value) -> Props {
        Props::read(&value)
    }

    #[test]
    fn unknown_fields_go() {
        let schema = props(json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"a": {"type": "string"}, "list": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "string"}}}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"strict": {"type": "object", "properties": {"x": {"type": "integer"}}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"c": {"type": "string"}}}},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
        }}));
        let mut value = json!({
            "apiVersion": "v1", "kind": "A", "metadata": {"name": "n"}, "other": 1,
            "spec": {"a": "1", "z": 2, "list": [{"b": "x", "y": 1}]},
            "free": {"any": {"thing": 1}, "strict": {"x": 1, "y": 2}},
            "map": {"k": {"c": "1", "d": 2}},
            "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"u": 1}, "status": {}},
        });
        let unknown = prune(&mut value, &schema, true);
        assert_eq!(unknown, ["free.strict.y", "map.k.d", "other", "pod.spec.u", "pod.status", "spec.list[0].y", "spec.z"]);
        assert_eq!(
            value,
            json!({
                "apiVersion": "v1", "kind": "A", "metadata": {"name": "n"},
                "spec": {"a": "1", "list": [{"b": "x"}]},
                "free": {"any": {"thing": 1}, "strict": {"x": 1}},
                "map": {"k": {"c": "1"}},
                "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}},
            })
        );
    }

    #[test]
    fn nulls_and_defaults() {
        let schema = props(json!({"type": "object", "properties": {
            "a": {"type": "string", "default": "A"},
            "n": {"type": "string", "nullable": true, "default": "N"},
            "x": {"type": "string"},
            "o": {"type": "object", "default": {}, "properties": {"i": {"type": "integer", "default": 3}}},
            "p": {"type": "object", "properties": {"i": {"type": "integer", "default": 3}}},
            "l": {"type": "array", "items": {"type": "object", "properties": {"q": {"type": "string", "default": "Q"}}}},
            "m": {"type": "object", "additionalProperties": {"type": "string", "default": "M"}},
        }}));
        let check = |input: Value, expect: Value| {
            let mut value = input;
            drop_nulls(&mut value, Some(&schema));
            default(&mut value, &schema);
            assert_eq!(value, expect);
        };
        check(json!({}), json!({"a": "A", "n": "N", "o": {"i": 3}}));
        check(
            json!({"a": null, "n": null, "x": null, "p": {}, "l": [{}], "m": {"k": null}}),
            json!({"a": "A", "n": null, "o": {"i": 3}, "p": {"i": 3}, "l": [{"q": "Q"}], "m": {"k": "M"}}),
        );
    }

    #[test]
    fn metadata_of_embedded_resources() {
        let schema = props(json!({"type": "object", "properties": {
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}));
        let mut value = json!({"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "bad": 1, "creationTimestamp": null}}});
        assert_eq!(coerce(&mut value, &schema, false, "").unwrap(), ["pod.metadata.bad"]);
        assert_eq!(value["pod"]["metadata"], json!({"name": "a"}));
        let mut value = json!({"pod": {"apiVersion": 1}});
        assert_eq!(coerce(&mut value, &schema, false, "").unwrap_err().to_string(), "pod.apiVersion: Invalid value: 1: must be a string");
        let mut value = json!({"pod": {"metadata": {"labels": [1]}}});
        assert!(coerce(&mut value, &schema, false, "").is_err());
    }
}
