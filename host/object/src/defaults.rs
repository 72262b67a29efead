//! Defaults of the schema: upstream's `+default=…` markers and the `default` of CRDs' schemas
//! (`apiextensions-apiserver/pkg/apiserver/schema/defaulting`). What upstream defaults in code is not here.

use crate::schema::{Schema, Shape};
use serde_json::Value;

/// Sets absent fields to their defaults, wherever their parent is present. A null that the field does not allow counts as
/// absent. Defaults may bring in parents, whose own fields are then defaulted too.
pub fn apply(value: &mut Value, schema: Schema<'_>) {
    match (schema.shape(), value) {
        (Shape::Struct(shape), Value::Object(map)) => {
            for field in &shape.fields {
                let Some(default) = &field.default else { continue };
                let absent = map.get(field.name.as_ref()).is_none_or(|v| v.is_null() && !field.nullable);
                if absent {
                    map.insert(field.name.to_string(), default.clone());
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(field) = shape.field(key) {
                    apply(value, schema.graph.at(field.ty));
                }
            }
        }
        (Shape::Map { value: inner, .. }, Value::Object(map)) => {
            let inner = schema.graph.at(*inner);
            if !matches!(inner.shape(), Shape::Scalar(_) | Shape::Any) {
                map.iter_mut().for_each(|(_, value)| apply(value, inner));
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            let inner = schema.graph.at(list.item);
            if !matches!(inner.shape(), Shape::Scalar(_) | Shape::Any) {
                items.iter_mut().for_each(|item| apply(item, inner));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use serde_json::json;

    #[test]
    fn sets_what_is_absent() {
        let graph = fixture::build(&json!({
            "Port": {"fields": {"port": "int", "protocol": "string"}, "defaults": {"protocol": "TCP"}},
            "Root": {"fields": {"ports": {"list": "Port"}, "byName": {"map": "Port"}, "one": "Port", "two": "Port", "n": "int"},
                "defaults": {"one": {}, "n": 0}}
        }));
        let check = |input: Value, expect: Value| {
            let mut value = input;
            apply(&mut value, graph.named("Root").unwrap());
            assert_eq!(value, expect);
        };
        check(json!({}), json!({"one": {"protocol": "TCP"}, "n": 0}));
        check(
            json!({"n": 5, "one": null, "ports": [{"port": 1}, {"protocol": "UDP"}], "byName": {"a": {}}}),
            json!({"n": 5, "one": {"protocol": "TCP"}, "ports": [{"port": 1, "protocol": "TCP"}, {"protocol": "UDP"}],
                "byName": {"a": {"protocol": "TCP"}}}),
        );
        check(json!("x"), json!("x"));
    }
}
