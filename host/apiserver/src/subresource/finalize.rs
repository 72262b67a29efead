//! `namespaces/finalize`: the only way to change `spec.finalizers`; the last one gone ends the namespace.

use super::Handler;
use crate::call::{Call, Response, Target};
use crate::write;
use async_trait::async_trait;
use object::StatusError;

pub struct Finalize;

#[async_trait]
impl Handler for Finalize {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        write::update(call, target).await
    }
}
