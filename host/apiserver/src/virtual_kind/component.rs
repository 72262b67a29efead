//! `componentstatuses`: what the server can say of the parts below it (`pkg/registry/core/componentstatus/rest.go`). Clients
//! are told elsewhere how controllers and scheduler do: by their leases.

use crate::call::{Call, Response, Target};
use crate::subresource::Handler;
use crate::{negotiate, respond, transform};
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use object::{Object, StatusError, Value, json};
use registry::columns;

pub struct ComponentStatuses;

/// The only component: what all objects are kept in.
const STORE: &str = "store";

#[async_trait]
impl Handler for ComponentStatuses {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let accept = negotiate::accept(call.header("accept"))?;
        let include = transform::include_object(&call.query)?;
        let status = status(call).await;
        let body = match call.info.verb.as_str() {
            "get" if call.info.name == STORE => {
                let json = Bytes::from(status.to_string());
                transform::object(&target.kind, accept.form, include, &json, true)
            }
            "get" => return Err(StatusError::not_found(&target.kind.group_resource(), &call.info.name)),
            "list" => {
                let object = Object::from_value(status.clone()).unwrap_or_default();
                let list = |kind: &str, version: &str, item: Value| json!({ "kind": kind, "apiVersion": version, "metadata": {}, "items": [item] });
                transform::bytes(&match accept.form {
                    negotiate::Form::Table => columns::table(&target.kind, &[&object], include, json!({}), true),
                    negotiate::Form::Partial => list("PartialObjectMetadataList", "meta.k8s.io/v1", columns::partial_metadata(&object)),
                    negotiate::Form::Object => list("ComponentStatusList", "v1", status),
                })
            }
            _ => return Err(StatusError::method_not_allowed()),
        };
        Ok(respond::encoded(StatusCode::OK, &accept, body))
    }
}

async fn status(call: &Call) -> Value {
    // Any key will do: the question is whether there is an answer.
    let condition = match call.shared.store.get(b"/registry/health").await {
        Ok(_) => json!({ "type": "Healthy", "status": "True", "message": "ok" }),
        Err(error) => json!({ "type": "Healthy", "status": "False", "message": "", "error": error.to_string() }),
    };
    json!({ "apiVersion": "v1", "kind": "ComponentStatus", "metadata": { "name": STORE }, "conditions": [condition] })
}
