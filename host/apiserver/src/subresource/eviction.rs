//! `pods/eviction`: a delete that disruption budgets may refuse (`pkg/registry/core/pod/storage/eviction.go`). There are no
//! budgets yet, so every eviction is a delete.

use super::Handler;
use crate::call::{Call, Response, Target};
use crate::respond;
use crate::write::{self, DeleteOptions, Write, delete_one};
use async_trait::async_trait;
use http::StatusCode;
use object::{StatusError, Value, json};

pub struct Eviction;

#[async_trait]
impl Handler for Eviction {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let mut write = Write::new(call, target)?;
        let body = write::required_body(call, "Eviction")?;
        let name = call.info.name.as_str();
        let given = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if !given.is_empty() && given != name {
            return Err(StatusError::bad_request(format!("name in URL does not match name in Eviction object: {name} != {given}")));
        }
        let options = body.get("deleteOptions").map(|options| DeleteOptions::of_value(call, options)).transpose()?.unwrap_or_default();
        write.options.dry_run |= options.dry_run;
        delete_one(&write, name, &options).await?;
        let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
        Ok(respond::json_value(StatusCode::CREATED, &status))
    }
}
