//! GET of one object, from the cache.

use crate::call::{Call, Response, Target};
use crate::{convert, negotiate, respond, transform};
use object::StatusError;

/// A resourceVersion of 0 reads what the cache has; another one waits for it; none waits for everything committed.
pub async fn get(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let accept = negotiate::accept_of(call.header("accept"), &target.kind)?;
    let caches = &call.shared.caches;
    match call.query.get("resourceVersion") {
        "" => caches.current().await?,
        text => {
            let revision = text.parse().map_err(|_| StatusError::bad_request(format!("invalid resource version: \"{text}\"")))?;
            caches.wait_for(revision).await?;
        }
    }
    let key = crate::server::object_key(&target.kind, &call.info.namespace, &call.info.name);
    let found = caches.of(&target.kind)?.get(&key);
    let item = found.ok_or_else(|| StatusError::not_found(&target.kind.group_resource(), &call.info.name))?;
    let include = transform::include_object(&call.query)?;
    let item = convert::item(&call.shared, &target.stored, &target.kind, item).await?;
    respond::item(&accept, &target.kind, include, &item)
}
