//! Subresources that are the object itself with fewer fields to write: `pods/ephemeralcontainers`, `pods/resize`
//! (`pkg/registry/core/pod/storage/storage.go`), `certificatesigningrequests/approval`
//! (`pkg/registry/certificates/certificates/storage/storage.go` ApprovalREST). The kind's strategy knows which fields those are.

use super::Handler;
use crate::call::{Call, Response, Target};
use crate::{verbs, write};
use async_trait::async_trait;
use object::StatusError;

pub struct Whole;

#[async_trait]
impl Handler for Whole {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        match call.info.verb.as_str() {
            "get" => verbs::get(call, target).await,
            "update" => write::update(call, target).await,
            "patch" => write::patch(call, target).await,
            _ => Err(StatusError::method_not_allowed()),
        }
    }
}
