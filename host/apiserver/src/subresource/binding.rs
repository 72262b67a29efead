//! `pods/binding`: the scheduler's decision (`pkg/registry/core/pod/storage/storage.go` BindingREST).

use super::Handler;
use crate::admission::hooks;
use crate::call::{Call, Response, Target};
use crate::respond;
use crate::write::{self, Edit, Write, edit};
use async_trait::async_trait;
use http::StatusCode;
use object::{Gvk, Object, StatusCause, StatusError, Value, json};

pub struct Binding;

/// `bindings`: the same by the body's name (`pkg/registry/core/pod/storage/storage.go` LegacyBindingREST).
pub struct Bindings;

#[async_trait]
impl Handler for Bindings {
    async fn answer(&self, call: &Call, _: &Target) -> Result<Response, StatusError> {
        let body = write::required_body(call, "Binding")?;
        let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            return Err(StatusError::bad_request("name is required"));
        }
        let pods = call.shared.registry.resource_by_name("", "v1", "pods").ok_or_else(StatusError::no_such_path)?;
        call.shared.caches.ready(&pods).await?;
        let subresource = pods.subresource("binding").cloned();
        bind(call, &Target { kind: pods.clone(), stored: pods, subresource }, name).await
    }
}

#[async_trait]
impl Handler for Binding {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        bind(call, target, &call.info.name).await
    }
}

async fn bind(call: &Call, target: &Target, name: &str) -> Result<Response, StatusError> {
    let write = Write::new(call, target)?;
    let mut body = write::required_body(call, "Binding")?;
    let binding = Gvk::new("", "v1", "Binding");
    hooks::admit_body(call, &target.kind, "binding", &binding, name, write.options.dry_run, &mut body).await?;
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let node = text("/target/name");
    let given = text("/metadata/name");
    if !given.is_empty() && given != name {
        return Err(StatusError::bad_request(format!("name in URL does not match name in Binding object: {name} != {given}")));
    }
    let kind = object::GroupKind { group: String::new(), kind: "Binding".to_owned() };
    if !matches!(text("/target/kind"), "" | "Node") {
        let message = format!("Unsupported value: \"{}\": supported values: \"Node\", \"<empty>\"", text("/target/kind"));
        let cause = StatusCause { reason: "FieldValueNotSupported".to_owned(), message, field: "target.kind".to_owned() };
        return Err(StatusError::invalid(&kind, name, vec![cause]));
    }
    if node.is_empty() {
        let message = "Required value".to_owned();
        let cause = StatusCause { reason: "FieldValueRequired".to_owned(), message, field: "target.name".to_owned() };
        return Err(StatusError::invalid(&kind, name, vec![cause]));
    }
    let (uid, version) = (text("/metadata/uid"), text("/metadata/resourceVersion"));
    let annotations = body.pointer("/metadata/annotations").and_then(Value::as_object).cloned().unwrap_or_default();
    let topology = topology(call, node);
    edit(&write, name, false, &|old| {
        let resource = object::GroupResource { group: String::new(), resource: "pods/binding".to_owned() };
        let pod = old.ok_or_else(|| StatusError::not_found(&write.kind.group_resource(), name))?;
        let conflict = |cause: &str| Err(StatusError::conflict(&resource, name, cause));
        if !uid.is_empty() && uid != pod.uid() {
            return conflict(&format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", pod.uid()));
        }
        if !version.is_empty() && version != pod.resource_version() {
            return conflict(&format!(
                "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}",
                pod.resource_version()
            ));
        }
        if pod.is_deleting() {
            return conflict(&format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        let host = pod.str_at(&["spec", "nodeName"]);
        if !host.is_empty() {
            return conflict(&format!("pod {name} is already assigned to node \"{host}\""));
        }
        if pod.at(&["spec", "schedulingGates"]).and_then(Value::as_array).is_some_and(|g| !g.is_empty()) {
            return conflict(&format!("pod {name} has non-empty .spec.schedulingGates"));
        }
        let mut object = pod.clone();
        object.set_at(&["spec", "nodeName"], json!(node));
        for (key, value) in &annotations {
            object.set_at(&["metadata", "annotations", key], value.clone());
        }
        for (key, value) in &topology {
            object.set_at(&["metadata", "labels", key], value.clone());
        }
        scheduled(&mut object);
        Ok(Edit { object, owned: false })
    })
    .await?;
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    Ok(respond::json_value(StatusCode::CREATED, &status))
}

/// Where the node is, told to the pod (`PodTopologyLabels` admission, KEP-4742). A node that is not known tells nothing.
fn topology(call: &Call, node: &str) -> Vec<(&'static str, Value)> {
    let row = call.shared.registry.resource_by_name("", "v1", "nodes");
    let found = row.and_then(|row| call.shared.caches.of(&row).ok()).and_then(|cache| Some((cache.get(node)?, cache)));
    let Some((node, cache)) = found else { return Vec::new() };
    let labels = node.facts(&cache.kind).labels.as_ref();
    let keys = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];
    keys.into_iter().filter_map(|key| Some((key, labels?.get(key)?.clone()))).collect()
}

/// The condition `PodScheduled` becomes true, and no node is nominated any more.
fn scheduled(pod: &mut Object) {
    let mut conditions = pod.at(&["status", "conditions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let is = |c: &Value, field: &str, value: &str| c.get(field).and_then(Value::as_str) == Some(value);
    let place = conditions.iter().position(|c| is(c, "type", "PodScheduled"));
    let since = place.and_then(|at| conditions.get(at)).filter(|c| is(c, "status", "True")).and_then(|c| c.get("lastTransitionTime"));
    let since = since.cloned().unwrap_or_else(|| json!(object::time::now()));
    let condition =
        json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": since, "observedGeneration": pod.generation() });
    match place.and_then(|at| conditions.get_mut(at)) {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
    pod.set_at(&["status", "conditions"], Value::Array(conditions));
    pod.remove_at(&["status", "nominatedNodeName"]);
}
