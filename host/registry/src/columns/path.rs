//! Cells by JSON path: dotted names with optional `[n]`, `[*]` not among them.

use super::age;
use super::jsonpath::JsonPath;
use object::{Object, Value, json};

/// The cell at a path. A `date` column shows the time since then; maps and lists are shown as JSON, as
/// `apiextensions-apiserver/pkg/registry/customresource/tableconvertor` does.
pub(crate) fn cell(item: &Object, path: &str, ty: &str) -> Value {
    let Some(found) = lookup(item, path) else { return Value::Null };
    match (ty, found) {
        ("date", Value::String(text)) => json!(age::since(text)),
        ("string", Value::String(_)) | ("integer" | "number", Value::Number(_)) | ("boolean", Value::Bool(_)) => found.clone(),
        ("string", other) => json!(other.to_string()),
        _ => Value::Null,
    }
}

/// The first value that a custom column's path finds, as `apiextensions-apiserver`'s table converter shows it.
pub(crate) fn json_cell(item: &Object, path: &JsonPath, ty: &str) -> Value {
    // The tree is cheap to look into only as a value; rows of custom kinds are few per request.
    let root = item.to_value();
    let found = path.find(&root);
    let Some(first) = found.first().filter(|v| !v.is_null()) else { return Value::Null };
    match (ty, first) {
        ("string", Value::String(text)) => json!(text),
        ("string", other) => json!(other.to_string()),
        ("integer", Value::Number(n)) => n.as_i64().map_or_else(|| truncated(n.as_f64()), Value::from),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => (*first).clone(),
        ("date", Value::String(text)) => json!(if object::time::parse(text).is_some() { age::since(text) } else { "<invalid>".to_owned() }),
        _ => Value::Null,
    }
}

/// As Go's conversion of a float to an integer.
#[allow(clippy::cast_possible_truncation)]
fn truncated(number: Option<f64>) -> Value {
    number.map_or(Value::Null, |n| Value::from(n as i64))
}

/// The value at a dotted path with optional `[n]` after a name; a leading dot is allowed.
pub(crate) fn lookup<'a>(item: &'a Object, path: &str) -> Option<&'a Value> {
    let mut parts = path.trim_start_matches('.').split('.');
    let mut here = step_object(item, parts.next()?)?;
    for part in parts {
        let (name, rest) = split_index(part);
        here = indexed(here.get(name)?, rest)?;
    }
    Some(here)
}

fn step_object<'a>(item: &'a Object, part: &str) -> Option<&'a Value> {
    let (name, rest) = split_index(part);
    indexed(item.as_map().get(name)?, rest)
}

fn split_index(part: &str) -> (&str, &str) {
    part.find('[').map_or((part, ""), |at| part.split_at(at))
}

fn indexed<'a>(mut value: &'a Value, mut rest: &str) -> Option<&'a Value> {
    while let Some(tail) = rest.strip_prefix('[') {
        let (index, after) = tail.split_once(']')?;
        value = value.get(index.parse::<usize>().ok()?)?;
        rest = after;
    }
    rest.is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_maps_and_lists() {
        let item = Object::from_value(json!({"spec": {"a": [{"b": "x"}], "n": 3, "t": "2000-01-01T00:00:00Z"}})).unwrap();
        let check = |path: &str, ty: &str, expect: Value| assert_eq!(cell(&item, path, ty), expect, "{path}");
        check("spec.a[0].b", "string", json!("x"));
        check(".spec.n", "integer", json!(3));
        check("spec.n", "string", json!("3"));
        check("spec.a", "string", json!(r#"[{"b":"x"}]"#));
        check("spec.a[1].b", "string", Value::Null);
        check("spec.missing", "string", Value::Null);
        assert!(cell(&item, "spec.t", "date").as_str().unwrap().ends_with('y') || cell(&item, "spec.t", "date").is_string());
    }
}
