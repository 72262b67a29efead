//! Bodies of answers.

use crate::call::Response;
use crate::negotiate::Accept;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use object::{StatusError, Value, json};
use sha2::{Digest, Sha512};

pub const JSON: &str = "application/json";
pub const YAML: &str = "application/yaml";

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
    bytes(status, JSON, Bytes::from(serde_json::to_vec(value).unwrap_or_default()))
}

/// JSON bytes in the form that the client accepts.
pub fn encoded(status: StatusCode, accept: &Accept, body: Bytes) -> Response {
    if !accept.yaml {
        return bytes(status, JSON, body);
    }
    let yaml = serde_json::from_slice::<Value>(&body).ok().and_then(|value| serde_yaml_ng::to_string(&value).ok());
    bytes(status, YAML, yaml.map(Bytes::from).unwrap_or(body))
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
