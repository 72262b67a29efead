//! Bodies of answers.

use crate::cache::Item;
use crate::call::Response;
use crate::negotiate::{Accept, Encoding, Form, Wish};
use crate::pieces::Pieces;
use crate::transform::ListMeta;
use crate::{protobuf, transform};
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use object::{StatusError, Value, json};
use registry::columns::IncludeObject;
use registry::{Kind, Registry};
use sha2::{Digest, Sha512};
use std::sync::Arc;

pub const JSON: &str = "application/json";

/// An answer of the API that is JSON so far: [`finish`] makes of it what the client accepts.
#[derive(Clone)]
struct Made {
    json: Pieces,
    /// When a handler has negotiated; else the client's wish is for a plain object.
    accept: Option<Accept>,
}

pub fn bytes(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Answers are per identity and change at any time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// What changes with the text: upstream's hash of discovery and OpenAPI documents, without quotes.
pub fn etag(text: &[u8]) -> String {
    Sha512::digest(text).iter().map(|b| format!("{b:02X}")).collect()
}

/// Whether an `If-None-Match` value names a quoted tag. Proxies that compress make tags weak.
pub fn names(value: &str, tag: &str) -> bool {
    value.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

pub fn text(status: StatusCode, body: impl Into<String>) -> Response {
    bytes(status, "text/plain; charset=utf-8", Bytes::from(body.into()))
}

pub fn json_value(status: StatusCode, value: &Value) -> Response {
    let body = transform::bytes(value);
    let mut response = bytes(status, JSON, body.clone());
    // Other documents, like the version, are JSON for everybody.
    if value.get("kind").is_some() {
        response.extensions_mut().insert(Made { json: body.into(), accept: None });
    }
    response
}

/// JSON bytes or pieces, for the form that the client accepts.
pub fn encoded(status: StatusCode, accept: &Accept, json: impl Into<Pieces>) -> Response {
    let json = json.into();
    let mut response = bytes(status, JSON, Bytes::new());
    *response.body_mut() = Body::new(json.clone());
    response.extensions_mut().insert(Made { json, accept: Some(*accept) });
    response
}

/// One object of a kind, from its JSON.
pub fn object(status: StatusCode, accept: &Accept, kind: &Kind, include: IncludeObject, json: &Bytes) -> Result<Response, StatusError> {
    if (accept.encoding, accept.form) == (Encoding::Protobuf, Form::Object) {
        let message = protobuf::message(kind.schema(), json)?;
        return Ok(bytes(status, protobuf::MEDIA, protobuf::body(&kind.api_version(), &kind.kind, &message)));
    }
    Ok(encoded(status, accept, transform::object(kind, accept.form, include, json, true)))
}

/// One object of a kind, from the cache.
pub fn item(accept: &Accept, kind: &Kind, include: IncludeObject, item: &Item) -> Result<Response, StatusError> {
    if (accept.encoding, accept.form) == (Encoding::Protobuf, Form::Object) {
        let body = protobuf::body(&kind.api_version(), &kind.kind, &item.protobuf(kind)?);
        return Ok(bytes(StatusCode::OK, protobuf::MEDIA, body));
    }
    object(StatusCode::OK, accept, kind, include, &item.json)
}

/// A list of a kind. The plain forms are spliced from the items' bytes.
pub fn list(accept: &Accept, kind: &Kind, include: IncludeObject, items: &[Arc<Item>], meta: &ListMeta) -> Result<Response, StatusError> {
    if accept.encoding != Encoding::Protobuf {
        return Ok(encoded(StatusCode::OK, accept, transform::list(kind, accept.form, include, items, meta)));
    }
    let body = match accept.form {
        Form::Partial => {
            let partial = protobuf::partial_metadata()?;
            let parts = items.iter().map(|item| protobuf::message(partial, &item.partial())).collect::<Result<Vec<_>, _>>()?;
            protobuf::list("meta.k8s.io/v1", "PartialObjectMetadataList", &parts, &meta.to_value())?
        }
        _ => {
            let parts = items.iter().map(|item| item.protobuf(kind)).collect::<Result<Vec<_>, _>>()?;
            protobuf::list(&kind.api_version(), &format!("{}List", kind.kind), &parts, &meta.to_value())?
        }
    };
    Ok(bytes(StatusCode::OK, protobuf::MEDIA, body))
}

/// The last step of an answer: JSON becomes what the client accepts. What it cannot get is refused, but an error is told in
/// JSON to whoever accepts nothing else (`k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/writers.go`).
pub fn finish(registry: &Registry, wish: &Wish, mut response: Response) -> Response {
    let Some(made) = response.extensions_mut().remove::<Made>() else { return response };
    let status = response.status();
    let failed = !status.is_success();
    let accept = match made.accept.map_or_else(|| wish.plain(), Ok) {
        Ok(accept) => accept,
        Err(_) if failed => return response,
        Err(refusal) => return error(&refusal),
    };
    let converted = match accept.encoding {
        Encoding::Json if wish.pretty || accept.pretty => {
            let value = serde_json::from_slice::<Value>(&made.json.whole());
            value.and_then(|value| serde_json::to_vec_pretty(&value)).map_err(StatusError::internal)
        }
        Encoding::Json => return response,
        Encoding::Yaml => {
            let value = serde_json::from_slice::<Value>(&made.json.whole()).map_err(StatusError::internal);
            value.and_then(|value| serde_yaml_ng::to_string(&value).map(String::into_bytes).map_err(StatusError::internal))
        }
        Encoding::Protobuf => protobuf::any(registry, &made.json.whole()),
    };
    match converted {
        Ok(body) => {
            *response.body_mut() = Body::from(body);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(accept.encoding.media_type()));
            response
        }
        Err(_) if failed => response,
        Err(refusal) => error(&refusal),
    }
}

pub fn error(error: &StatusError) -> Response {
    let status = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_value(status, &error.to_value());
    if error.retry_after_seconds > 0 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(error.retry_after_seconds));
    }
    response
}

/// `Status` of a finished delete.
pub fn success(details: Value) -> Response {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
    json_value(StatusCode::OK, &status)
}

/// Adds a `Warning` header as `k8s.io/apimachinery/pkg/util/net/http.go` writes it: `299 - "text"`.
pub fn warn(response: &mut Response, text: &str) {
    let mut quoted = String::with_capacity(text.len() + 10);
    quoted.push_str("299 - \"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    if let Ok(value) = HeaderValue::from_str(&quoted).or_else(|_| HeaderValue::from_bytes(quoted.as_bytes())) {
        response.headers_mut().append(http::header::WARNING, value);
    }
}
