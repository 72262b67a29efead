//! `metrics.k8s.io`: use of nodes and pods. Nothing measures yet, so lists are empty and no object is found, as the metrics
//! server answers before its first scrape.

use crate::call::{Call, Response, Target};
use crate::subresource::Handler;
use crate::transform::ListMeta;
use crate::{negotiate, respond, transform};
use async_trait::async_trait;
use http::StatusCode;
use object::StatusError;

pub struct Metrics;

#[async_trait]
impl Handler for Metrics {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        if !call.info.name.is_empty() {
            return Err(StatusError::not_found(&target.kind.group_resource(), &call.info.name));
        }
        let accept = negotiate::accept(call.header("accept"))?;
        let include = transform::include_object(&call.query)?;
        let meta = ListMeta { revision: call.shared.caches.applied(), ..ListMeta::default() };
        let body = transform::list(&target.kind, accept.form, include, &[], &meta);
        Ok(respond::encoded(StatusCode::OK, &accept, body))
    }
}
