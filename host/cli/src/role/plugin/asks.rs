//! What is asked of a plugin, by its world: from a case to a call of the loaded product, and from its answer to JSON.

mod adapter;
mod admission;
mod cloud;
mod controller;
mod middleware;
mod scheduler;

use super::bed::Bed;
use super::cases::Case;
use anyhow::{Context, Result};
use object::{Object, Value};
use serde_json::Map;
use wasm::plugins::worlds::Product;

/// Asks the plugin, and gives its answer with what it wrote meanwhile (`writes`).
///
/// # Errors
/// The case makes no sense. That the plugin failed is an answer, under `error`.
pub async fn ask(bed: &Bed, case: &Case) -> Result<Map<String, Value>> {
    let mut answer = match &bed.prepared.loaded.product {
        Product::Scheduler(row) => scheduler::ask(row, case).await?,
        Product::Admission(row) => admission::ask(bed, row, case).await?,
        Product::Adapter(row) => adapter::ask(row, case).await?,
        Product::Middleware(row) => middleware::ask(row, case).await?,
        Product::Cloud(row) => cloud::ask(row, case).await?,
        Product::Controller(row) => controller::ask(bed, row, case).await?,
    };
    let writes = bed.writes();
    if !writes.is_empty() {
        answer.insert("writes".to_owned(), Value::Array(writes));
    }
    match bed.steady(Value::Object(answer)) {
        Value::Object(answer) => Ok(answer),
        _ => Ok(Map::new()),
    }
}

/// The object under `key`.
fn object(case: &Case, key: &str) -> Result<Option<Object>> {
    match case.given.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Object::from_value(value.clone()).map(Some).with_context(|| format!("{}: `{key}` is not an object", case.name)),
    }
}

/// What is in the cluster when the plugin is asked: `objects`, and the `object` that a controller is asked about.
pub fn present(case: &Case) -> Result<Vec<Object>> {
    let mut all = objects(case, "objects")?;
    if let Some(object) = object(case, "object")?
        && !all.iter().any(|other| same(other, &object))
    {
        all.push(object);
    }
    Ok(all)
}

/// Headers as a mapping of names to texts; a name that occurs several times has a list.
pub fn headers<'a>(all: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Map<String, Value> {
    let mut shown: Map<String, Value> = Map::new();
    for (name, value) in all {
        let value = Value::from(String::from_utf8_lossy(value));
        match shown.get_mut(name) {
            None => drop(shown.insert(name.to_owned(), value)),
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    shown
}

/// Whether two objects are of one kind and name.
pub fn same(one: &Object, other: &Object) -> bool {
    (one.gvk(), one.namespace(), one.name()) == (other.gvk(), other.namespace(), other.name())
}

/// The objects under `key`.
fn objects(case: &Case, key: &str) -> Result<Vec<Object>> {
    let list = case.given.get(key).and_then(Value::as_array).into_iter().flatten();
    list.map(|value| Object::from_value(value.clone()).with_context(|| format!("{}: `{key}` has something that is no object", case.name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn headers_that_repeat_are_a_list() {
        let all: [(&str, &[u8]); 4] = [("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"4")];
        assert_eq!(Value::Object(headers(all)), json!({"a": ["1", "3", "4"], "b": "2"}));
    }
}
