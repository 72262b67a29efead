//! Custom objects between versions: by name, or by the definition's webhook
//! (`pkg/apiserver/conversion/{nop,webhook}_converter.go`).

use super::webhook;
use crate::cache::Item;
use crate::server::Shared;
use object::field::{ErrorList, Path};
use object::{Map, Object, Reason, StatusError, Value, json};
use registry::Kind;
use registry::custom::{Family, Webhook};
use std::sync::Arc;

/// Review versions that this server speaks.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];

/// One object in a row's version.
pub async fn object(shared: &Shared, kind: &Kind, object: Object) -> Result<Object, StatusError> {
    let converted = objects(shared, kind, &kind.api_version(), vec![object]).await?;
    converted.into_iter().next().ok_or_else(|| StatusError::internal("a conversion lost its object"))
}

/// Objects in a version; those that are of it already stay as they are. One call of the webhook for all.
pub async fn objects(shared: &Shared, kind: &Kind, api_version: &str, mut objects: Vec<Object>) -> Result<Vec<Object>, StatusError> {
    let Some(custom) = &kind.custom else { return Ok(objects) };
    let Some(webhook) = &custom.family.webhook else {
        for object in objects.iter_mut().filter(|o| o.api_version() != api_version) {
            object.set_at(&["apiVersion"], json!(api_version));
        }
        return Ok(objects);
    };
    let places: Vec<usize> = objects.iter().enumerate().filter(|(_, o)| o.api_version() != api_version).map(|(at, _)| at).collect();
    if places.is_empty() {
        return Ok(objects);
    }
    let asked: Vec<Object> = places.iter().filter_map(|at| objects.get(*at)).cloned().collect();
    let answered = ask(shared, &custom.family, webhook, api_version, &asked).await?;
    let version = custom.family.version_of(api_version);
    for (at, object) in places.into_iter().zip(answered) {
        let mut value = object.into_value();
        if let Some(version) = version {
            version.prune(&mut value);
        }
        if let (Some(place), Some(object)) = (objects.get_mut(at), Object::from_value(value)) {
            *place = object;
        }
    }
    Ok(objects)
}

/// Stored items as a row shows them.
pub async fn items(shared: &Shared, kind: &Kind, mut items: Vec<Arc<Item>>) -> Result<Vec<Arc<Item>>, StatusError> {
    let api_version = kind.api_version();
    let places: Vec<usize> = items.iter().enumerate().filter(|(_, item)| !item.is_of(&api_version)).map(|(at, _)| at).collect();
    if places.is_empty() {
        return Ok(items);
    }
    let some = places.iter().filter_map(|at| items.get(*at)).map(|item| item.object()).collect();
    let converted = objects(shared, kind, &api_version, some).await?;
    for (at, object) in places.into_iter().zip(&converted) {
        if let Some(item) = items.get_mut(at) {
            *item = Arc::new(item.with(object).map_err(StatusError::internal)?);
        }
    }
    Ok(items)
}

fn failed(message: String) -> StatusError {
    StatusError::new(500, Reason::Unknown, message)
}

async fn ask(shared: &Shared, family: &Family, webhook: &Webhook, to: &str, objects: &[Object]) -> Result<Vec<Object>, StatusError> {
    let of = objects.first().map(|o| format!("{}, Kind={}", o.api_version(), o.kind())).unwrap_or_default();
    let fails = |cause: String| failed(format!("conversion webhook for {of} failed: {cause}"));
    let known = webhook.review_versions.iter().find(|v| REVIEWS.contains(&v.as_str()));
    let Some(review) = known else {
        return Err(failed(format!("no supported ConversionReview versions [{}]", webhook.review_versions.join(" "))));
    };
    let uid = uuid::Uuid::new_v4().to_string();
    let body = json!({
        "kind": "ConversionReview", "apiVersion": format!("{}/{review}", super::GROUP),
        "request": { "uid": uid, "desiredAPIVersion": to, "objects": objects },
    });
    tracing::debug!(definition = %family.definition, to, objects = objects.len(), "conversion webhook");
    let answer = webhook::post(shared, webhook, &body).await.map_err(fails)?;
    let converted = converted(&answer, review, &uid).map_err(fails)?;
    if converted.len() != objects.len() {
        let told = format!("conversion webhook for {of} returned {} objects, expected {}", converted.len(), objects.len());
        return Err(failed(told));
    }
    let mut done = Vec::with_capacity(objects.len());
    for (index, (original, converted)) in objects.iter().zip(converted).enumerate() {
        let invalid = |what: &str, cause: String| failed(format!("conversion webhook for {of} returned {what} at index {index}: {cause}"));
        let Some(mut converted) = Object::from_value(converted) else {
            return Err(invalid("invalid converted object", "not an object".to_owned()));
        };
        check(original, &converted, to).map_err(|cause| invalid("invalid converted object", cause))?;
        restore_metadata(original, &mut converted).map_err(|cause| invalid("invalid metadata in object", cause))?;
        done.push(converted);
    }
    Ok(done)
}

/// The converted objects of a response, or why there are none.
fn converted(answer: &Value, review: &str, uid: &str) -> Result<Vec<Value>, String> {
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let expected = format!("{}/{review}", super::GROUP);
    if review == "v1" && (text(answer, "/apiVersion") != expected || text(answer, "/kind") != "ConversionReview") {
        let got = format!("{}, Kind={}", text(answer, "/apiVersion"), text(answer, "/kind"));
        return Err(format!("expected webhook response of {expected}, Kind=ConversionReview, got {got}"));
    }
    let response = answer.get("response").filter(|r| r.is_object()).ok_or("no response provided")?;
    if review == "v1" && text(response, "/uid") != uid {
        return Err(format!("expected response.uid={uid:?}, got {:?}", text(response, "/uid")));
    }
    let status = text(response, "/result/status");
    if status != "Success" {
        let message = text(response, "/result/message");
        return Err(if message.is_empty() { format!("response.result.status was '{status}', not 'Success'") } else { message });
    }
    Ok(response.get("convertedObjects").and_then(Value::as_array).cloned().unwrap_or_default())
}

fn check(original: &Object, converted: &Object, to: &str) -> Result<(), String> {
    if converted.api_version() != to {
        return Err(format!("invalid groupVersion (expected {to}, received {})", converted.api_version()));
    }
    let same = [
        ("kind", original.kind(), converted.kind()),
        ("name", original.name(), converted.name()),
        ("namespace", original.namespace(), converted.namespace()),
        ("UID", original.uid(), converted.uid()),
    ];
    match same.iter().find(|(_, a, b)| a != b) {
        Some((what, expected, got)) => Err(format!("must have the same {what}: {expected} != {got}")),
        None => Ok(()),
    }
}

/// A webhook may change labels and annotations, and nothing else of the metadata.
fn restore_metadata(original: &Object, converted: &mut Object) -> Result<(), String> {
    let answered = match converted.at(&["metadata"]) {
        Some(Value::Object(metadata)) => metadata.clone(),
        Some(_) => return Err("invalid metadata in converted object".to_owned()),
        None => return Err("missing metadata in converted object".to_owned()),
    };
    let mut metadata = original.at(&["metadata"]).and_then(Value::as_object).cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        let Some(value) = answered.get(field).filter(|v| !v.is_null()) else {
            metadata.remove(field);
            continue;
        };
        let Value::Object(map) = value else { return Err(format!("invalid metadata.{field} in converted object")) };
        if let Some((key, _)) = map.iter().find(|(_, v)| !v.is_string()) {
            return Err(format!("metadata.{field}[{key}] must be a string in converted object"));
        }
        if metadata.get(field) != Some(value) {
            valid(field, map)?;
        }
        metadata.insert(field.to_owned(), value.clone());
    }
    converted.set_at(&["metadata"], Value::Object(metadata));
    Ok(())
}

fn valid(field: &str, map: &Map<String, Value>) -> Result<(), String> {
    let mut errors = ErrorList::new();
    match field {
        "labels" => crate::write::meta::labels(Some(map), &Path::new("metadata.labels"), &mut errors),
        _ => crate::write::meta::annotations(Some(map), &Path::new("metadata.annotation"), &mut errors),
    }
    let told: Vec<String> = errors.causes().iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    if told.is_empty() { Ok(()) } else { Err(told.join(", ")) }
}
