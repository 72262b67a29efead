//! World `controller`: a case has an `object` or the `key` of one that is gone, which `controller` is asked (the first that is declared, if
//! it does not say), and how many `failures` there were. The object is stored before, so that it has all that a stored one has; with
//! `metadata.deletionTimestamp` it is being deleted.

use super::super::bed::Bed;
use super::super::cases::Case;
use anyhow::{Result, bail};
use interfaces::reconcile::{Key, Outcome, ReconcileError, Request};
use object::{Object, Value, json};
use serde_json::Map;
use wasm::plugins::controllers::{ControllerRow, cut};

pub async fn ask(bed: &Bed, row: &ControllerRow, case: &Case) -> Result<Map<String, Value>> {
    let object = super::object(case, "object")?.map(|object| bed.stored(&object));
    if object.is_none() && case.given.get("key").is_none() {
        bail!("{}: it has neither `object` nor `key`", case.name);
    }
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
    let name = case.given.get("controller").and_then(Value::as_str);
    let declaration = match name {
        None => declared.first(),
        Some(name) => declared.iter().find(|declaration| declaration.name == name),
    };
    let Some(declaration) = declaration else {
        let names: Vec<&str> = declared.iter().map(|declaration| declaration.name.as_str()).collect();
        bail!("{}: there is no controller {}; it declares {}", case.name, name.unwrap_or_default(), names.join(", "));
    };
    let failures = case.given.get("failures").and_then(Value::as_u64).and_then(|failures| u32::try_from(failures).ok());
    let deleting = object.as_ref().is_some_and(Object::is_deleting);
    let (controller, fields) = (declaration.name.clone(), &declaration.primary.fields);
    let object = object.map(|object| cut(&object, fields));
    let request = Request { controller, key, object, deleting, failures: failures.unwrap_or_default() };
    Ok(match row.plugin.reconcile(request).await {
        Ok(Outcome::Done) => answer("outcome", json!("done")),
        Ok(Outcome::RequeueAfter(after)) => answer("requeueAfterMilliseconds", json!(after.as_millis())),
        Err(ReconcileError::Retry(cause)) => answer("retry", json!(cause)),
        Err(ReconcileError::Final(cause)) => answer("final", json!(cause)),
        Err(ReconcileError::Plugin(error)) => answer("error", json!(error.to_string())),
    })
}
