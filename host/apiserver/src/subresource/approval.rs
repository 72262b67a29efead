//! `certificatesigningrequests/approval`: the whole object, of which only the approval's conditions are written
//! (`pkg/registry/certificates/certificates/storage/storage.go` ApprovalREST). Its strategy knows which those are.

use super::Handler;
use crate::call::{Call, Response, Target};
use crate::{verbs, write};
use async_trait::async_trait;
use object::StatusError;

pub struct Approval;

#[async_trait]
impl Handler for Approval {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        match call.info.verb.as_str() {
            "get" => verbs::get(call, target).await,
            "update" => write::update(call, target).await,
            "patch" => write::patch(call, target).await,
            _ => Err(StatusError::method_not_allowed()),
        }
    }
}
