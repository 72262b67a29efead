//! `scale`: the replicas of any kind that has them, as autoscaling/v1 Scale (`pkg/registry/apps/deployment/storage`).

use super::Handler;
use crate::call::{Call, Response, Target};
use crate::crd::{self, scale::Places};
use crate::respond;
use crate::write::{self, Edit, Patch, Updated, Write, edit};
use async_trait::async_trait;
use http::StatusCode;
use object::schema::{Schema, TypeId};
use object::selector::LabelSelector;
use object::{GroupKind, Object, StatusCause, StatusError, Value, json};

pub struct Scale;

#[async_trait]
impl Handler for Scale {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let write = Write::new(call, target)?;
        let name = call.info.name.as_str();
        let places = Places::of(&write.request);
        let missing = || StatusError::not_found(&write.kind.group_resource(), name);
        match call.info.verb.as_str() {
            "get" => {
                let entry = write.read(name).await?.ok_or_else(missing)?;
                let object = write.object_of(&entry).await?;
                let scale = view(&places, &object);
                Ok(respond::json_value(StatusCode::OK, &scale))
            }
            "update" => {
                let body = write::required_body(call, "Scale")?;
                let given = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                if !given.is_empty() && given != name {
                    return Err(StatusError::bad_request(format!(
                        "the name of the object ({given}) does not match the name on the URL ({name})"
                    )));
                }
                scaled(&write, &places, name, &|_| Ok(body.clone())).await
            }
            "patch" => {
                let patch = Patch::read(&write)?;
                if let Patch::Apply(applied) = &patch {
                    return apply(&write, &places, name, applied).await;
                }
                let graph = call.shared.registry.graph();
                let schema = graph.named("io.k8s.api.autoscaling.v1.Scale").unwrap_or(Schema { graph, id: TypeId(u32::MAX) });
                scaled(&write, &places, name, &|old| {
                    let mut scale = view(&places, old);
                    patch.carry_out(&mut scale, schema)?;
                    write::body_of(call, "Scale", scale)
                })
                .await
            }
            _ => Err(StatusError::method_not_allowed()),
        }
    }
}

/// Writes the replicas of the Scale that `make` makes of the object.
async fn scaled(
    write: &Write<'_>,
    places: &Places,
    name: &str,
    make: &(dyn Fn(&Object) -> Result<Value, StatusError> + Send + Sync),
) -> Result<Response, StatusError> {
    let updated = edit(write, name, false, &|old| {
        let old = old.ok_or_else(|| StatusError::not_found(&write.kind.group_resource(), name))?;
        let scale = make(old)?;
        let replicas = wanted(&scale, name)?.unwrap_or(0);
        let mut object = old.clone();
        crd::scale::set(&mut object, &places.spec_replicas, json!(replicas));
        let text = |pointer: &str| scale.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        object.set_at(&["metadata", "resourceVersion"], json!(text("/metadata/resourceVersion")));
        if !text("/metadata/uid").is_empty() {
            object.set_at(&["metadata", "uid"], json!(text("/metadata/uid")));
        }
        Ok(Edit { object, owned: false })
    })
    .await?;
    answer(places, &updated)
}

fn answer(places: &Places, updated: &Updated) -> Result<Response, StatusError> {
    let object: Object = serde_json::from_slice(&updated.committed().json).map_err(StatusError::internal)?;
    Ok(respond::json_value(StatusCode::OK, &view(places, &object)))
}

/// `ValidateScale`: the replicas of a Scale, when it tells them.
fn wanted(scale: &Value, name: &str) -> Result<Option<i64>, StatusError> {
    let replicas = match scale.pointer("/spec/replicas") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_i64().ok_or_else(|| {
            StatusError::bad_request("Scale in version \"v1\" cannot be handled as a Scale: json: spec.replicas must be an integer")
        })?,
    };
    if replicas < 0 {
        let kind = GroupKind { group: "autoscaling".to_owned(), kind: "Scale".to_owned() };
        let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        let cause = StatusCause { reason: "FieldValueInvalid".to_owned(), message, field: "spec.replicas".to_owned() };
        return Err(StatusError::invalid(&kind, name, vec![cause]));
    }
    Ok(Some(replicas))
}

/// Server-side apply of a Scale: of the object's own field for replicas, by a manager of the subresource
/// (`k8s.io/apimachinery/pkg/util/managedfields/scalehandler.go`, where the fields are carried over and back).
async fn apply(write: &Write<'_>, places: &Places, name: &str, applied: &[u8]) -> Result<Response, StatusError> {
    let body = serde_json::from_slice(applied).map_err(|e| StatusError::bad_request(e.to_string()))?;
    let scale = write::body_of(write.call, "Scale", body)?;
    let text = |pointer: &str| scale.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let given = text("/metadata/name");
    if !given.is_empty() && given != name {
        let told = format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(StatusError::bad_request(told));
    }
    if scale.pointer("/metadata/managedFields").is_some() {
        return Err(StatusError::bad_request("metadata.managedFields must be nil"));
    }
    let mut configuration = Object::default();
    configuration.set_at(&["apiVersion"], json!(write.request.api_version()));
    configuration.set_at(&["kind"], json!(write.request.kind));
    configuration.set_at(&["metadata", "name"], json!(name));
    if let Some(replicas) = wanted(&scale, name)? {
        crd::scale::set(&mut configuration, &places.spec_replicas, json!(replicas));
    }
    let updated = edit(write, name, false, &|old| {
        let old = old.ok_or_else(|| StatusError::not_found(&write.kind.group_resource(), name))?;
        let mut object = write.merge_applied(Some(old), &configuration)?;
        object.set_at(&["metadata", "resourceVersion"], json!(text("/metadata/resourceVersion")));
        Ok(Edit { object, owned: true })
    })
    .await?;
    answer(places, &updated)
}

/// The Scale of an object.
pub fn view(places: &Places, object: &Object) -> Value {
    let mut metadata = json!({
        "name": object.name(), "namespace": object.namespace(), "uid": object.uid(), "resourceVersion": object.resource_version(),
        "creationTimestamp": object.str_at(&["metadata", "creationTimestamp"]),
    });
    if object.namespace().is_empty()
        && let Some(map) = metadata.as_object_mut()
    {
        map.remove("namespace");
    }
    let count = |path: &[String]| crd::scale::at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let selector = match &places.selector {
        Some(path) => crd::scale::at(object, path).and_then(Value::as_str).map(str::to_owned),
        None if places.is_custom => None,
        // The first workload's selector is a plain map.
        None if object.kind() == "ReplicationController" => {
            Some(LabelSelector::from_map(object.at(&["spec", "selector"]).and_then(Value::as_object)).to_string())
        }
        None => object.at(&["spec", "selector"]).and_then(|s| LabelSelector::from_value(s).ok()).map(|s| s.to_string()),
    };
    let mut status = json!({ "replicas": count(&places.status_replicas) });
    if let Some(selector) = selector {
        status["selector"] = json!(selector);
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": { "replicas": count(&places.spec_replicas) }, "status": status,
    })
}
