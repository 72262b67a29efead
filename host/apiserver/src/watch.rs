//! WATCH: a stream of changes from a revision on, served from the cache's ring, or from the store's history when the
//! revision lies before it (`k8s.io/apiserver/pkg/endpoints/handlers/watch.go`, `storage/cacher`, KEP-3157).

mod stream;

use crate::call::{Call, Response, Target};
use crate::negotiate::Encoding;
use crate::selection::Selection;
use crate::{negotiate, protobuf, respond, transform};
use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use object::{GroupKind, StatusCause, StatusError};
use rand::Rng;
use std::time::Duration;
use stream::Watcher;

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Everything that is there as ADDED, then changes.
    State { initial_bookmark: bool },
    /// Changes after a revision.
    After(u64),
}

/// Without `timeoutSeconds` a watch ends after 30 to 60 minutes, so that clients spread over restarted servers.
const MIN_TIMEOUT: u64 = 1800;

pub async fn watch(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let accept = negotiate::accept_stream(call.header("accept"), &target.kind)?;
    let include = transform::include_object(&call.query)?;
    let mut selection = Selection::parse(&call.query, &target.kind)?;
    if !call.info.name.is_empty() && selection.name().is_none() {
        selection = selection.of_name(&call.info.name)?;
    }
    let bookmarks = call.query.flag("allowWatchBookmarks");
    let initial = call.query.optional_flag("sendInitialEvents");
    let version = call.query.get("resourceVersion");
    let caches = &call.shared.caches;
    let number = || {
        version.parse::<u64>().map_err(|_| {
            StatusError::bad_request(format!("Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"))
        })
    };
    if let Some(send) = initial {
        if call.query.get("resourceVersionMatch") != "NotOlderThan" {
            return Err(invalid(
                "resourceVersionMatch",
                "FieldValueForbidden",
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if send && !bookmarks {
            return Err(invalid("allowWatchBookmarks", "FieldValueForbidden", "Forbidden: sendInitialEvents requires allowWatchBookmarks"));
        }
    } else if !call.query.get("resourceVersionMatch").is_empty() {
        return Err(invalid(
            "resourceVersionMatch",
            "FieldValueForbidden",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ));
    }
    let start = match (initial, version) {
        (Some(true), "") => {
            caches.current().await?;
            Start::State { initial_bookmark: true }
        }
        (Some(true), _) => {
            caches.wait_for(number()?).await?;
            Start::State { initial_bookmark: true }
        }
        (Some(false), "") => {
            caches.current().await?;
            Start::After(caches.applied())
        }
        (None, "") => {
            caches.current().await?;
            Start::State { initial_bookmark: false }
        }
        (_, "0") => {
            caches.wait_for(0).await?;
            Start::State { initial_bookmark: false }
        }
        (_, _) => {
            let revision = number()?;
            // A revision of the future is waited for by the watch itself; the cache must only be loaded.
            caches.wait_for(0).await?;
            Start::After(revision)
        }
    };
    let timeout = match call.query.integer("timeoutSeconds")?.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0) {
        Some(seconds) => Duration::from_secs(seconds),
        None => Duration::from_secs(MIN_TIMEOUT + rand::rng().random_range(0..MIN_TIMEOUT)),
    };
    let media_type = if accept.encoding == Encoding::Protobuf { protobuf::STREAM } else { respond::JSON };
    let watcher = Watcher::new(call, target, selection, accept, include, start, bookmarks, timeout).await?;
    let mut response = Response::new(Body::from_stream(watcher.into_stream()));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

fn invalid(field: &str, reason: &str, message: &str) -> StatusError {
    let kind = GroupKind { group: "meta.k8s.io".to_owned(), kind: "ListOptions".to_owned() };
    let cause = StatusCause { reason: reason.to_owned(), message: message.to_owned(), field: field.to_owned() };
    StatusError::invalid(&kind, "", vec![cause])
}
