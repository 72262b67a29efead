//! What is asked of a plugin, by its world: from a case to a call of the loaded product, and from its answer to JSON.

mod adapter;
mod admission;
mod controller;
mod middleware;
mod scheduler;

use super::bed::Bed;
use super::cases::Case;
use anyhow::{Context, Result, bail};
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
        Product::Cloud(_) => bail!("a cloud provider is asked by the cloud controllers of a server, not by cases"),
        Product::Controller(row) => controller::ask(row, case).await?,
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

/// The objects under `key`.
pub fn objects(case: &Case, key: &str) -> Result<Vec<Object>> {
    let list = case.given.get(key).and_then(Value::as_array).into_iter().flatten();
    list.map(|value| Object::from_value(value.clone()).with_context(|| format!("{}: `{key}` has something that is no object", case.name)))
        .collect()
}
