//! Lists of type `set` and `map` hold nothing twice (`apiextensions-apiserver/pkg/apiserver/schema/listtype`).

use super::props::Props;
use object::field::{ErrorList, Path};
use object::{Map, Value};
use std::collections::HashMap;

/// Duplicates in the lists of an object.
pub fn validate(map: &Map<String, Value>, schema: &Props, at: &Path, errors: &mut ErrorList) {
    for (key, value) in map {
        match (schema.properties.get(key), schema.additional_schema()) {
            (Some(property), _) => below(value, property, &at.child(key), errors),
            (None, Some(additional)) => below(value, additional, &at.key(key), errors),
            _ => {}
        }
    }
}

fn below(value: &Value, schema: &Props, at: &Path, errors: &mut ErrorList) {
    match value {
        Value::Object(map) => validate(map, schema, at, errors),
        Value::Array(items) => {
            match schema.list_type.as_deref() {
                Some("set") => {
                    for (index, item) in repeated(items.iter().map(Value::to_string)).zip_items(items) {
                        errors.duplicate(&at.index(index), item.clone());
                    }
                }
                Some("map") => map_list(items, schema, at, errors),
                _ => {}
            }
            if let Some(item_schema) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    below(item, item_schema, &at.index(index), errors);
                }
            }
        }
        _ => {}
    }
}

fn map_list(items: &[Value], schema: &Props, at: &Path, errors: &mut ErrorList) {
    if let Some((index, item)) = items.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null()) {
        errors.invalid(&at.index(index), item.clone(), "must be an object for an array of list-type map");
        return;
    }
    let keys = |item: &Value| -> Value {
        let names = schema.list_map_keys.iter();
        Value::Object(names.filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect())
    };
    let keys: Vec<Value> = items.iter().map(keys).collect();
    for (index, key) in repeated(keys.iter().map(Value::to_string)).zip_items(&keys) {
        errors.duplicate(&at.index(index), key.clone());
    }
}

/// Indexes at which something occurs for the second time.
struct Repeated(Vec<usize>);

fn repeated(items: impl Iterator<Item = String>) -> Repeated {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for (index, item) in items.enumerate() {
        let times = seen.entry(item).or_insert(0);
        *times += 1;
        if *times == 2 {
            found.push(index);
        }
    }
    Repeated(found)
}

impl Repeated {
    fn zip_items(self, items: &[Value]) -> impl Iterator<Item = (usize, &Value)> {
        self.0.into_iter().filter_map(|index| Some((index, items.get(index)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn duplicates_are_told_once() {
        let schema = Props::read(&json!({"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "one": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object"}},
            "two": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"], "items": {"type": "object"}},
            "deep": {"type": "object", "additionalProperties": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}}},
        }}));
        let check = |value: Value, expect: &[&str]| {
            let mut errors = ErrorList::new();
            validate(value.as_object().unwrap(), &schema, &Path::root(), &mut errors);
            let got: Vec<String> = errors.causes().iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
            assert_eq!(got, expect);
        };
        check(json!({"set": ["a", "b", "a", "a"]}), &[r#"set[2]: Duplicate value: "a""#]);
        check(json!({"one": [{"k": "x"}, {"k": "y"}, {"k": "x", "v": 1}]}), &[r#"one[2]: Duplicate value: {"k":"x"}"#]);
        check(json!({"one": [{}, {}]}), &["one[1]: Duplicate value: {}"]);
        check(json!({"one": ["s"]}), &[r#"one[0]: Invalid value: "s": must be an object for an array of list-type map"#]);
        check(
            json!({"two": [{"k": "x", "p": 1}, {"k": "x", "p": 2}, {"k": "x", "p": 1}]}),
            &[r#"two[2]: Duplicate value: {"k":"x","p":1}"#],
        );
        check(json!({"deep": {"a": [1, 1]}}), &["deep[a][1]: Duplicate value: 1"]);
    }
}
