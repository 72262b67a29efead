//! Subresources with a body of their own, and connections: what is told is the body, not the object that the path names.

use super::form::Form;
use super::round::{About, Round};
use crate::call::{Call, Target};
use interfaces::admit::Operation;
use object::{Gvk, Map, Object, StatusError, Value, json};
use registry::Kind;
use std::sync::Arc;

/// Hooks about a body that is created at a subresource: Binding, Eviction, TokenRequest.
pub async fn admit_body(
    call: &Call,
    row: &Arc<Kind>,
    subresource: &str,
    kind: &Gvk,
    name: &str,
    dry_run: bool,
    body: &mut Value,
) -> Result<(), StatusError> {
    let about = About { row, subresource, body: Some(kind.clone()), operation: Operation::Create, name, dry_run };
    let mut options = json!({ "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions" });
    if dry_run {
        options["dryRun"] = json!(["All"]);
    }
    run(call, about, kind, options, body).await
}

/// Hooks about a connection to a container or an object: its options are told as an object.
pub async fn connect(call: &Call, target: &Target) -> Result<(), StatusError> {
    let Some(kind) = target.subresource.as_ref().and_then(|s| s.gvk.clone()) else { return Ok(()) };
    let subresource = call.info.subresource.as_str();
    let about = About {
        row: &target.kind,
        subresource,
        body: Some(kind.clone()),
        operation: Operation::Connect,
        name: &call.info.name,
        dry_run: false,
    };
    let mut options = Map::new();
    for flag in ["stdin", "stdout", "stderr", "tty"] {
        if let Ok(true) = call.query.get(flag).parse() {
            options.insert(flag.to_owned(), json!(true));
        }
    }
    for text in ["container", "path"] {
        if call.query.has(text) {
            options.insert(text.to_owned(), json!(call.query.get(text)));
        }
    }
    let command: Vec<&str> = call.query.all("command").collect();
    if !command.is_empty() {
        options.insert("command".to_owned(), json!(command));
    }
    run(call, about, &kind, Value::Null, &mut Value::Object(options)).await
}

async fn run(call: &Call, about: About<'_>, kind: &Gvk, options: Value, body: &mut Value) -> Result<(), StatusError> {
    let Some(mut round) = Round::new(call, Form::Body(call, kind), about, || options) else { return Ok(()) };
    let mut object = Object::from_value(std::mem::take(body)).unwrap_or_default();
    object.set_at(&["apiVersion"], kind.api_version().into());
    object.set_at(&["kind"], kind.kind.clone().into());
    round.mutate(Some(&mut object), None).await?;
    if round.repeats() {
        round.mutate(Some(&mut object), None).await?;
    }
    round.validate(Some(&object), None).await?;
    *body = object.into_value();
    Ok(())
}
