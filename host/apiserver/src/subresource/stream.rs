//! `exec`, `attach`, `portforward` and `proxy`: known to clients, and refused in words until they are served.

use super::Handler;
use crate::admission::hooks;
use crate::call::{Call, Response, Target};
use async_trait::async_trait;
use object::{Reason, StatusError};

pub struct Stream;

#[async_trait]
impl Handler for Stream {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        hooks::connect(call, target).await?;
        let what = format!("{}/{}", target.kind.resource, call.info.subresource);
        Err(StatusError::new(501, Reason::Unknown, format!("{what} is not served by this server")))
    }
}
