//! World `controller`: a case has an `object` or the `key` of one that is gone, which `controller` is asked (the first that is declared, if
//! it does not say), and how many `failures` there were.

use crate::role::plugin::cases::Case;
use anyhow::Result;
use interfaces::reconcile::{Key, Outcome, ReconcileError, Request};
use object::{Object, Value, json};
use serde_json::Map;
use wasm::plugins::controllers::ControllerRow;

pub async fn ask(row: &ControllerRow, case: &Case) -> Result<Map<String, Value>> {
    let object = super::object(case, "object")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = match (&object, case.given.get("key")) {
        (Some(object), None) => Key { namespace: object.namespace().to_owned(), name: object.name().to_owned() },
        (_, key) => Key { namespace: text(key.and_then(|k| k.get("namespace"))), name: text(key.and_then(|k| k.get("name"))) },
    };
    let answer = |field: &str, value: Value| Map::from_iter([(field.to_owned(), value)]);
    let declared = match row.plugin.declare().await {
        Ok(declared) => declared,
        Err(error) => return Ok(answer("error", json!(error.to_string()))),
    };
    let controller = match case.given.get("controller") {
        None => declared.first().map(|declaration| declaration.name.clone()).unwrap_or_default(),
        name => text(name),
    };
    let failures = case.given.get("failures").and_then(Value::as_u64).and_then(|failures| u32::try_from(failures).ok());
    let deleting = object.as_ref().is_some_and(Object::is_deleting);
    let request = Request { controller, key, object, deleting, failures: failures.unwrap_or_default() };
    Ok(match row.plugin.reconcile(request).await {
        Ok(Outcome::Done) => answer("outcome", json!("done")),
        Ok(Outcome::RequeueAfter(after)) => answer("requeueAfterMilliseconds", json!(after.as_millis())),
        Err(ReconcileError::Retry(cause)) => answer("retry", json!(cause)),
        Err(ReconcileError::Final(cause)) => answer("final", json!(cause)),
        Err(ReconcileError::Plugin(error)) => answer("error", json!(error.to_string())),
    })
}
