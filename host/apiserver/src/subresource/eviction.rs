//! `pods/eviction`: a delete that disruption budgets may refuse (`pkg/registry/core/pod/storage/eviction.go`).

mod budget;

use super::Handler;
use crate::admission::hooks;
use crate::call::{Call, Response, Target};
use crate::respond;
use crate::stored;
use crate::write::{self, DeleteOptions, Write, delete_one};
use async_trait::async_trait;
use http::StatusCode;
use object::{Gvk, Object, Reason, StatusError, Value, json};

pub struct Eviction;

/// Every lost race is progress of someone else; the bound only keeps a broken engine from spinning.
const ATTEMPTS: usize = 1000;

#[async_trait]
impl Handler for Eviction {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let mut write = Write::new(call, target)?;
        let mut body = write::required_body(call, "Eviction")?;
        let name = call.info.name.as_str();
        if body.pointer("/metadata/name").and_then(Value::as_str) != Some(name) {
            return Err(StatusError::bad_request("name in URL does not match name in Eviction object"));
        }
        let options = body.get("deleteOptions").map(|options| DeleteOptions::of_value(call, options)).transpose()?.unwrap_or_default();
        write.options.dry_run |= options.dry_run;
        let kind = Gvk::new("policy", "v1", "Eviction");
        hooks::admit_body(call, &target.kind, "eviction", &kind, name, write.options.dry_run, &mut body).await?;
        evict(&write, name, &options).await?;
        let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
        Ok(respond::json_value(StatusCode::CREATED, &status))
    }
}

async fn evict(write: &Write<'_>, name: &str, options: &DeleteOptions) -> Result<(), StatusError> {
    let Some(pod) = unguarded(write, name, options).await? else { return Ok(()) };
    let decision = budget::ask(write, &pod).await?;
    let mut with = options.clone();
    if let budget::Decision::Unready(_) = decision {
        // It must still be unready when it goes.
        with.resource_version = pod.resource_version().to_owned();
    }
    match (delete_one(write, name, &with).await, decision) {
        // Whoever did not insist on a revision is to ask again.
        (Err(error), budget::Decision::Unready(budget)) if error.is(Reason::Conflict) && options.resource_version.is_empty() => {
            Err(budget::busy(&budget))
        }
        (deleted, _) => deleted.map(|_| ()),
    }
}

/// Deletes a pod that no budget guards: it runs nothing, or not any more. Otherwise the pod as it was read.
async fn unguarded(write: &Write<'_>, name: &str, options: &DeleteOptions) -> Result<Option<Object>, StatusError> {
    for _ in 0..ATTEMPTS {
        let entry = write.read(name).await?.ok_or_else(|| StatusError::not_found(&write.kind.group_resource(), name))?;
        let pod = stored::decode(&entry.value, entry.mod_revision).map_err(StatusError::internal)?;
        let phase = pod.str_at(&["status", "phase"]);
        let over = matches!(phase, "Succeeded" | "Failed") || pod.is_deleting();
        if !over && phase != "Pending" {
            return Ok(Some(pod));
        }
        let mut with = options.clone();
        // A waiting pod may begin to run meanwhile.
        if !over && options.resource_version.is_empty() {
            with.resource_version = pod.resource_version().to_owned();
        }
        match delete_one(write, name, &with).await {
            Err(error) if error.is(Reason::Conflict) && options.resource_version.is_empty() => {}
            deleted => return deleted.map(|_| None),
        }
    }
    Err(StatusError::conflict(&write.kind.group_resource(), name, "the pod changes faster than it can be evicted"))
}
