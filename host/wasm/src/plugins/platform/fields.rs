//! Projections: an object with the fields that were asked for.

use object::{Map, Value};

/// What is always there of the metadata.
const IDENTITY: [&str; 4] = ["name", "namespace", "uid", "resourceVersion"];

/// `object` with `paths` only, and what identifies it. No paths: the whole object. A path goes through lists.
pub fn project(object: Value, paths: &[String]) -> Value {
    if paths.is_empty() {
        return object;
    }
    let mut projected = Map::new();
    for key in ["apiVersion", "kind"] {
        if let Some(value) = object.get(key) {
            projected.insert(key.to_owned(), value.clone());
        }
    }
    let mut projected = Value::Object(projected);
    for key in IDENTITY {
        take(&object, &mut projected, &["metadata", key]);
    }
    for path in paths {
        let path: Vec<&str> = path.split('.').collect();
        take(&object, &mut projected, &path);
    }
    projected
}

fn take(from: &Value, into: &mut Value, path: &[&str]) {
    let Some((key, rest)) = path.split_first() else {
        *into = from.clone();
        return;
    };
    match from {
        Value::Object(map) => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            let Some(value) = map.get(*key) else { return };
            if let Some(into) = into.as_object_mut() {
                take(value, into.entry(*key).or_insert(Value::Null), rest);
            }
        }
        Value::Array(items) => {
            if !into.is_array() {
                *into = Value::Array(vec![Value::Object(Map::new()); items.len()]);
            }
            if let Some(into) = into.as_array_mut() {
                items.iter().zip(into).for_each(|(item, into)| take(item, into, path));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn check(paths: &[&str], expect: Value) {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "u", "labels": {"a.b/c": "1"}},
            "spec": {"nodeName": "n", "containers": [{"name": "x", "image": "i"}, {"name": "y", "image": "j"}]}});
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut whole = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "u"}});
        object::patch::merge::apply(&mut whole, &expect);
        assert_eq!(project(pod, &paths), whole, "{paths:?}");
    }

    #[test]
    fn paths() {
        check(&["spec.nodeName"], json!({"spec": {"nodeName": "n"}}));
        check(&["spec.containers.image"], json!({"spec": {"containers": [{"image": "i"}, {"image": "j"}]}}));
        check(
            &["spec.containers.image", "spec.containers.name"],
            json!({"spec": {"containers": [{"image": "i", "name": "x"}, {"image": "j", "name": "y"}]}}),
        );
        check(&["metadata.labels"], json!({"metadata": {"labels": {"a.b/c": "1"}}}));
        check(&["status.phase", "spec.none"], json!({"spec": {}}));
    }
}
