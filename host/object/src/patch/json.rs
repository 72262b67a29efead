//! JSON patch, RFC 6902, with what upstream's library (`evanphx/json-patch`) adds: negative indices count from the end.

use super::PatchError;
use serde_json::{Map, Value};
use std::io;

/// More operations are refused, as `endpoints/handlers/patch.go` does.
pub const MAX_OPERATIONS: usize = 10_000;
/// Bytes that `copy` may add in all: a few doubling copies would otherwise fill the memory (upstream's
/// `JSONPatchMaxCopyBytes`).
const MAX_COPIED: usize = 3 * 1024 * 1024;
/// No deeper than what a reader takes (serde_json's recursion limit). Operations build on each other, so a small patch could make
/// a tree that exhausts the stack of whoever walks it, or that is stored and cannot be read again.
const MAX_DEPTH: usize = 127;

/// Carries out the operations in order, all or none.
pub fn apply(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let Value::Array(operations) = patch else {
        return Err(PatchError::Malformed("a JSON patch is an array of operations".to_owned()));
    };
    if operations.len() > MAX_OPERATIONS {
        let told = format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", operations.len());
        return Err(PatchError::TooLarge(told));
    }
    let mut document = target.clone();
    let mut copied = 0;
    for operation in operations {
        one(&mut document, operation, &mut copied)?;
    }
    *target = document;
    Ok(())
}

fn one(document: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), PatchError> {
    let Value::Object(operation) = operation else {
        return Err(PatchError::Malformed("a JSON patch operation is an object".to_owned()));
    };
    let name = operation.get("op").and_then(Value::as_str).unwrap_or_default();
    let path = pointer(operation, "path", name)?;
    let value = || operation.get("value").cloned().ok_or_else(|| PatchError::Malformed(format!("{name} operation needs a value")));
    let fits = |path: &[String], value: &Value| {
        if path.len() + depth(value) > MAX_DEPTH {
            return Err(PatchError::TooLarge(format!("{name} operation makes a document deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    };
    let missing =
        |path: &[String]| PatchError::DoesNotApply(format!("{name} operation does not apply: doc is missing path: /{}", path.join("/")));
    match name {
        "add" => {
            let value = value()?;
            fits(&path, &value)?;
            add(document, &path, value).ok_or_else(|| missing(&path))
        }
        "remove" => remove(document, &path).map(drop).ok_or_else(|| missing(&path)),
        "replace" => {
            let slot = find_mut(document, &path).ok_or_else(|| missing(&path))?;
            let value = value()?;
            fits(&path, &value)?;
            *slot = value;
            Ok(())
        }
        "test" => {
            let wanted = operation.get("value").unwrap_or(&Value::Null);
            // Upstream takes an absent member for null.
            let got = find(document, &path).unwrap_or(&Value::Null);
            if got == wanted {
                Ok(())
            } else {
                Err(PatchError::DoesNotApply(format!("testing value /{} failed: test failed", path.join("/"))))
            }
        }
        "copy" => {
            let from = pointer(operation, "from", name)?;
            let found = find(document, &from).ok_or_else(|| missing(&from))?.clone();
            fits(&path, &found)?;
            *copied += size(&found);
            if *copied > MAX_COPIED {
                let told = format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {MAX_COPIED}"
                );
                return Err(PatchError::TooLarge(told));
            }
            add(document, &path, found).ok_or_else(|| missing(&path))
        }
        "move" => {
            let from = pointer(operation, "from", name)?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err(PatchError::DoesNotApply("move operation does not apply: a value cannot move into itself".to_owned()));
            }
            let found = remove(document, &from).ok_or_else(|| missing(&from))?;
            fits(&path, &found)?;
            add(document, &path, found).ok_or_else(|| missing(&path))
        }
        other => Err(PatchError::Malformed(format!("Unexpected kind: {other}"))),
    }
}

/// The steps of a JSON pointer, unescaped.
fn pointer(operation: &Map<String, Value>, member: &str, name: &str) -> Result<Vec<String>, PatchError> {
    let Some(text) = operation.get(member).and_then(Value::as_str) else {
        return Err(PatchError::Malformed(format!("{name} operation needs a {member}")));
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some(text) = text.strip_prefix('/') else {
        return Err(PatchError::Malformed(format!("{name} operation: {member} {text:?} does not start with /")));
    };
    Ok(text.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// A list's index; `len` is what negative ones count from.
fn index(step: &str, len: usize) -> Option<usize> {
    let number: i64 = step.parse().ok()?;
    if number < 0 { len.checked_sub(usize::try_from(number.unsigned_abs()).ok()?) } else { usize::try_from(number).ok() }
}

fn find<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(map) => map.get(step),
        Value::Array(items) => items.get(index(step, items.len())?),
        _ => None,
    })
}

fn find_mut<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(map) => map.get_mut(step),
        Value::Array(items) => {
            let at = index(step, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    })
}

fn add(document: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *document = value;
        return Some(());
    };
    match find_mut(document, parents)? {
        Value::Object(map) => {
            map.insert(last.clone(), value);
        }
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { index(last, items.len() + 1)? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &[String]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    match find_mut(document, parents)? {
        Value::Object(map) => map.remove(last),
        Value::Array(items) => {
            let at = index(last, items.len())?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}

/// Levels of maps and lists. The value is a reader's or was checked, so this recursion ends well.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn size(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations() {
        let ok = |target: Value, patch: Value, expect: Value| {
            let mut got = target.clone();
            apply(&mut got, &patch).unwrap();
            assert_eq!(got, expect, "{target} + {patch}");
        };
        ok(json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": [1]}]), json!({"a": 1, "b": [1]}));
        ok(json!({"a": [1, 3]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2, 3]}));
        ok(json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]}));
        ok(json!({"a": [1]}), json!([{"op": "add", "path": "/a/-1", "value": 2}]), json!({"a": [1, 2]}));
        ok(json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]}));
        ok(
            json!({"a": {"b/c": 1, "~": 2}}),
            json!([{"op": "remove", "path": "/a/b~1c"}, {"op": "replace", "path": "/a/~0", "value": 3}]),
            json!({"a": {"~": 3}}),
        );
        ok(json!({"a": {"b": 1}}), json!([{"op": "move", "from": "/a/b", "path": "/c"}]), json!({"a": {}, "c": 1}));
        ok(json!({"a": {"b": 1}}), json!([{"op": "copy", "from": "/a", "path": "/a/d"}]), json!({"a": {"b": 1, "d": {"b": 1}}}));
        ok(
            json!({"a": 1}),
            json!([{"op": "test", "path": "/a", "value": 1}, {"op": "test", "path": "/x", "value": null}]),
            json!({"a": 1}),
        );
        ok(json!({"a": 1}), json!([{"op": "replace", "path": "", "value": {"b": 2}}]), json!({"b": 2}));
        ok(json!({"": 1}), json!([{"op": "replace", "path": "/", "value": 2}]), json!({"": 2}));
    }

    #[test]
    fn refusals_change_nothing() {
        let table = [
            (json!({}), "a JSON patch is an array of operations"),
            (json!([1]), "a JSON patch operation is an object"),
            (
                json!([{"op": "add", "path": "/x", "value": 1}, {"op": "remove", "path": "/y"}]),
                "remove operation does not apply: doc is missing path: /y",
            ),
            (json!([{"op": "replace", "path": "/x/y", "value": 1}]), "replace operation does not apply: doc is missing path: /x/y"),
            (json!([{"op": "add", "path": "/l/5", "value": 1}]), "add operation does not apply: doc is missing path: /l/5"),
            (json!([{"op": "add", "path": "/l/-4", "value": 1}]), "add operation does not apply: doc is missing path: /l/-4"),
            (json!([{"op": "test", "path": "/a", "value": 2}]), "testing value /a failed: test failed"),
            (json!([{"op": "add", "path": "x", "value": 1}]), "add operation: path \"x\" does not start with /"),
            (json!([{"op": "add", "path": "/x"}]), "add operation needs a value"),
            (json!([{"op": "copy", "path": "/x"}]), "copy operation needs a from"),
            (json!([{"op": "zap", "path": "/x"}]), "Unexpected kind: zap"),
            (json!([{"op": "move", "from": "/m", "path": "/m/x"}]), "move operation does not apply: a value cannot move into itself"),
        ];
        for (patch, expect) in table {
            let document = json!({"a": 1, "l": [1, 2], "m": {}});
            let mut got = document.clone();
            assert_eq!(apply(&mut got, &patch).unwrap_err().to_string(), expect);
            assert_eq!(got, document);
        }
    }

    #[test]
    fn doubling_copies_are_stopped() {
        let doubling: Vec<Value> = (0..64).map(|n| json!({"op": "copy", "from": "", "path": format!("/k{n}")})).collect();
        let mut document = json!({"a": "x"});
        assert!(matches!(apply(&mut document, &Value::Array(doubling)), Err(PatchError::TooLarge(_))));
    }

    #[test]
    fn deep_documents_are_stopped() {
        let deep = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"a": inner}));
        // Each operation hangs a tree below the deepest place of the last one, or the document into itself.
        let adds: Vec<Value> = (0..40).map(|n| json!({"op": "add", "path": "/a".repeat(n * 100 + 1), "value": deep(100)})).collect();
        let copies: Vec<Value> = (0..200).map(|_| json!({"op": "copy", "from": "", "path": "/a"})).collect();
        let moves: Vec<Value> = (0..200)
            .flat_map(|_| {
                [
                    json!({"op": "add", "path": "/b", "value": {}}),
                    json!({"op": "move", "from": "/a", "path": "/b/a"}),
                    json!({"op": "move", "from": "/b", "path": "/a"}),
                ]
            })
            .collect();
        for patch in [adds, copies, moves] {
            let mut document = json!({"a": {}});
            let error = apply(&mut document, &Value::Array(patch)).unwrap_err();
            assert!(matches!(&error, PatchError::TooLarge(told) if told.contains("deeper")), "{error}");
            assert_eq!(document, json!({"a": {}}));
        }
        let mut document = json!({});
        apply(&mut document, &json!([{"op": "add", "path": "/a", "value": deep(125)}])).unwrap();
        let text = document.to_string();
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }

    /// List edits against a plain vector.
    #[test]
    fn agrees_with_a_vector() {
        let mut seed = 3u64;
        for _ in 0..500 {
            let mut model: Vec<u64> = (0..5).collect();
            let mut operations = Vec::new();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (pick, value) = ((seed >> 40) as usize, seed >> 50);
                if pick % 3 == 0 && !model.is_empty() {
                    let at = pick % model.len();
                    model.remove(at);
                    operations.push(json!({"op": "remove", "path": format!("/l/{at}")}));
                } else {
                    let at = pick % (model.len() + 1);
                    model.insert(at, value);
                    operations.push(json!({"op": "add", "path": format!("/l/{at}"), "value": value}));
                }
            }
            let mut document = json!({"l": [0, 1, 2, 3, 4]});
            apply(&mut document, &Value::Array(operations)).unwrap();
            assert_eq!(document, json!({"l": model}));
        }
    }
}
