//! The one road of a request. Order matters only here; compare `DefaultBuildHandlerChain` in
//! `k8s.io/apiserver/pkg/server/config.go`.

use crate::call::{Call, Response, Target};
use crate::metrics::Labels;
use crate::negotiate::Wish;
use crate::query::Query;
use crate::request::RequestInfo;
use crate::server::Shared;
use crate::{auth, crd, gzip, nonresource, respond, subresource, verbs, virtual_kind, watch, write};
use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http::{HeaderValue, Method};
use http_body_util::BodyExt;
use interfaces::authorize::{MASTERS, UserInfo};
use object::{Reason, StatusError, names};
use registry::Verb;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `MaxRequestBodyBytes` of upstream's server: what an object may weigh in etcd, with room for JSON.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// What a client that exceeds the limit may still send: it reads the answer only when it has sent its body, and a connection
/// that is closed before loses the answer.
const BODY_DROPPED: usize = 16 * 1024 * 1024;

/// How long a request waits for one of the places in flight.
const QUEUE: Duration = Duration::from_secs(15);
/// How long a client may take to send its body: upstream's `--request-timeout`.
const BODY_TIME: Duration = Duration::from_secs(60);

/// Answers a request; never fails and never panics.
pub async fn handle(shared: Arc<Shared>, request: http::Request<Body>) -> Response {
    let started = Instant::now();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let info = RequestInfo::parse(request.method(), request.uri().path(), query.flag("watch"));
    // Named before anything can go wrong, so that every answer and log line can be found by it.
    let id = request.headers().get("audit-id").cloned().unwrap_or_else(new_id);
    let method = request.method().clone();
    let takes_gzip = gzip::accepted(request.headers());
    let labels = labels(&shared, &request, &info, &query);
    let wish = Wish::of(request.headers(), &query);
    let told = info.clone();
    // A panic ends one request, not the server.
    let answer = AssertUnwindSafe(answer(shared.clone(), request, info, query)).catch_unwind().await;
    let mut response = answer.unwrap_or_else(|_| {
        tracing::error!(path = %told.path, verb = %told.verb, "a request panicked");
        respond::error(&StatusError::internal("the server panicked while handling the request"))
    });
    response = respond::finish(&shared.registry, &wish, response);
    response.headers_mut().insert("audit-id", id);
    if takes_gzip {
        response = gzip::answer(response).await;
    }
    let elapsed = started.elapsed();
    shared.metrics.request(labels, response.status().as_u16(), elapsed, response.body().size_hint().exact());
    tracing::debug!(verb = %told.verb, path = %told.path, code = response.status().as_u16(), ?elapsed);
    // HEAD is GET without its body.
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

/// What the request is counted as.
fn labels(shared: &Shared, request: &http::Request<Body>, info: &RequestInfo, query: &Query) -> Labels {
    let known = info.is_resource && shared.registry.resource_by_name(&info.group, &info.version, &info.resource).is_some();
    let media = request.headers().get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    Labels::new(info, known, query.has("dryRun"), media.starts_with("application/apply-patch"))
}

fn new_id() -> HeaderValue {
    HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

async fn answer(shared: Arc<Shared>, request: http::Request<Body>, info: RequestInfo, query: Query) -> Response {
    let (parts, body) = request.into_parts();
    // Who, as whom, and whether: before the body is read, so that a stranger cannot make the server buffer anything.
    let user = match identify(&shared, &parts, &info, &query).await {
        Ok(user) => user,
        Err(refusal) => return respond::error(&refusal),
    };
    // How many: after authorization, so that strangers take no one's place. Long-running requests are not counted.
    let _permit = if info.is_long_running() {
        None
    } else {
        // A burst waits its turn; a standstill is told.
        match tokio::time::timeout(QUEUE, shared.in_flight.acquire()).await {
            Ok(Ok(permit)) => Some((permit, shared.metrics.in_flight(&info))),
            _ => return respond::error(&too_many()),
        }
    };
    // How much: the body is read whole, within the limit.
    let read = tokio::time::timeout(BODY_TIME, read(body));
    let body = match read.await.unwrap_or_else(|_| Err(StatusError::bad_request("reading the request body failed: timed out"))) {
        Ok(body) => body,
        Err(refusal) => return respond::error(&refusal),
    };
    let call = Call::new(shared.clone(), user, info, &parts, query, body);
    let mut response = match dispatch(&call).await {
        Ok(response) => response,
        Err(refusal) => respond::error(&refusal),
    };
    for (key, value) in call.take_annotations() {
        let (user, code) = (call.user.name.as_str(), response.status().as_u16());
        tracing::info!(target: "audit", user, verb = call.info.verb, path = call.info.path, code, annotation = key, "{value}");
    }
    // Last, as every step may warn, also one that then refused.
    for warning in call.take_warnings() {
        respond::warn(&mut response, &warning);
    }
    response
}

/// The identity under which a request may go on.
async fn identify(shared: &Shared, parts: &http::request::Parts, info: &RequestInfo, query: &Query) -> Result<Arc<UserInfo>, StatusError> {
    let requestor = auth::authenticate(shared, parts).await?;
    // Masters pay for no rule.
    if requestor.is_in(MASTERS) && !auth::impersonates(&parts.headers) {
        return Ok(requestor);
    }
    let fields = auth::fields(info, query);
    let user = auth::impersonate(shared, requestor.clone(), &parts.headers, &auth::Ask::of(&requestor, info, fields.as_ref())).await?;
    auth::authorize(shared, &requestor, &auth::Ask::of(&user, info, fields.as_ref())).await?;
    Ok(user)
}

/// The body, or 413 when it is over the limit.
async fn read(mut body: Body) -> Result<Bytes, StatusError> {
    let (mut whole, mut size) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| StatusError::bad_request(format!("reading the request body failed: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size > BODY_LIMIT + BODY_DROPPED {
            break;
        }
        if size > BODY_LIMIT {
            whole = BytesMut::new();
        } else {
            whole.extend_from_slice(&data);
        }
    }
    if size > BODY_LIMIT {
        return Err(StatusError::too_large(format!("Request entity too large: limit is {BODY_LIMIT}")));
    }
    Ok(whole.freeze())
}

fn too_many() -> StatusError {
    let mut error = StatusError::new(429, Reason::TooManyRequests, "Too many requests, please try again later.");
    error.retry_after_seconds = 1;
    error
}

async fn dispatch(call: &Call) -> Result<Response, StatusError> {
    if !call.info.is_resource {
        return nonresource::answer(call).await;
    }
    let target = match resolve(call) {
        // A definition that was just written may not have its rows yet.
        Err(missing) if missing.is(Reason::NotFound) && may_be_custom(call) => {
            crd::settle(&call.shared).await;
            resolve(call)?
        }
        found => found?,
    };
    target.kind.deprecation.iter().for_each(|told| call.warn(told.as_str()));
    if let Some(custom) = &target.kind.custom {
        custom.version.deprecation.iter().for_each(|told| call.warn(told.as_str()));
    }
    if target.kind.is_virtual {
        return virtual_kind::answer(call, &target).await;
    }
    // Nothing is decided on a world that is not loaded yet.
    call.shared.caches.ready(&target.stored).await?;
    if target.subresource.as_ref().is_some_and(|s| s.name != "status") {
        return subresource::answer(call, &target).await;
    }
    let verb = call.info.verb.as_str();
    let answer = match verb {
        "get" => verbs::get(call, &target).await,
        "list" => verbs::list(call, &target).await,
        "watch" => watch::watch(call, &target).await,
        "create" => write::create(call, &target).await,
        "update" => write::update(call, &target).await,
        "patch" => write::patch(call, &target).await,
        "delete" => write::delete(call, &target).await,
        "deletecollection" => write::delete_collection(call, &target).await,
        _ => Err(StatusError::method_not_allowed()),
    };
    // Rows follow a definition before its writer is answered; the keeper itself writes its status only.
    if target.kind.group == crd::GROUP && target.subresource.is_none() && !matches!(verb, "get" | "list" | "watch") {
        crd::settle(&call.shared).await;
    }
    answer
}

/// Groups of definitions have a dot, and their rows come and go.
fn may_be_custom(call: &Call) -> bool {
    call.info.group.contains('.')
}

/// The row, subresource and verb that the path names, or why there are none.
fn resolve(call: &Call) -> Result<Target, StatusError> {
    let info = &call.info;
    let kind = call.shared.registry.resource_by_name(&info.group, &info.version, &info.resource);
    let kind = kind.filter(|_| info.rest == 0).ok_or_else(StatusError::no_such_path)?;
    // What can be no name is told so, as upstream's key functions do.
    let faults = names::path_segment(&info.name);
    if !info.name.is_empty() && !faults.is_empty() {
        return Err(StatusError::bad_request(format!("Name parameter invalid: {:?}: {}", info.name, faults.join(";"))));
    }
    // Namespaced resources are written below a namespace; cluster resources never are.
    let in_namespace = !info.namespace.is_empty() && info.resource != "namespaces";
    if in_namespace && !kind.is_namespaced() {
        return Err(StatusError::no_such_path());
    }
    if !info.subresource.is_empty() {
        let subresource = kind.subresource(&info.subresource).cloned().ok_or_else(StatusError::no_such_path)?;
        if !subresource.verbs.iter().any(|v| v.as_str() == info.verb) {
            return Err(StatusError::method_not_allowed());
        }
        if kind.is_namespaced() && !in_namespace {
            return Err(StatusError::no_such_path());
        }
        return Ok(Target { stored: call.shared.registry.stored(&kind), kind, subresource: Some(subresource) });
    }
    let verb = info.verb.as_str();
    if !kind.verbs.iter().any(|v: &Verb| v.as_str() == verb) {
        if kind.custom.as_ref().is_some_and(|c| c.terminating) {
            let told = format!("{verb} not allowed while custom resource definition is terminating");
            return Err(StatusError::new(405, Reason::MethodNotAllowed, told));
        }
        return Err(StatusError::method_not_allowed());
    }
    if kind.is_namespaced() && !in_namespace && !matches!(verb, "list" | "watch") {
        // `/api/v1/pods` takes only lists and watches; `/api/v1/pods/x` is no path at all.
        let known = info.name.is_empty();
        return Err(if known { StatusError::method_not_allowed() } else { StatusError::no_such_path() });
    }
    if verb == "create" && !info.name.is_empty() {
        return Err(StatusError::method_not_allowed());
    }
    if matches!(verb, "update" | "patch") && info.name.is_empty() {
        return Err(StatusError::method_not_allowed());
    }
    Ok(Target { stored: call.shared.registry.stored(&kind), kind, subresource: None })
}
