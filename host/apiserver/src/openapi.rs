//! OpenAPI documents: made by the registry on first use and kept compressed until the rows change
//! (`k8s.io/kube-openapi/pkg/handler`, `handler3`).

use crate::call::{Call, Response};
use crate::server::Shared;
use crate::{gzip, negotiate, respond};
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, IF_NONE_MATCH, LOCATION, VARY};
use http::{HeaderValue, StatusCode};
use object::StatusError;
use parking_lot::Mutex;
use registry::Registry;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What clients may keep of a document that its hash names: a year, which is for ever.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// How the protobuf form is named in answers.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// What clients may ask for; the second is what they mostly do.
const V2_FORMS: [&str; 3] = [respond::JSON, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", PROTOBUF];
const V3_FORMS: [&str; 1] = [respond::JSON];

/// Documents by path. They cost milliseconds to make and change with the registry only.
#[derive(Default)]
pub struct Documents {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Of the rows that the documents were made from.
    generation: u64,
    documents: HashMap<String, Document>,
}

/// One document: its text is large and almost every client takes it compressed.
#[derive(Clone)]
struct Document {
    gzip: Bytes,
    etag: String,
}

impl Documents {
    /// The rows are others.
    pub fn clear(&self) {
        let mut kept = self.kept.lock();
        kept.generation += 1;
        kept.documents.clear();
    }

    async fn get(&self, shared: &Arc<Shared>, path: &str, make: Make) -> Result<Option<Document>, StatusError> {
        let generation = {
            let kept = self.kept.lock();
            if let Some(document) = kept.documents.get(path) {
                return Ok(Some(document.clone()));
            }
            kept.generation
        };
        let (registry, name) = (shared.registry.clone(), path.to_owned());
        let made = tokio::task::spawn_blocking(move || {
            let (text, etag) = make(&registry, &name)?;
            Some(Document { gzip: gzip::whole(&text), etag })
        });
        let Some(document) = made.await.map_err(StatusError::internal)? else { return Ok(None) };
        let mut kept = self.kept.lock();
        if kept.generation == generation {
            kept.documents.insert(path.to_owned(), document.clone());
        }
        Ok(Some(document))
    }
}

/// Text and hash of a document by its path; `None` when there is none.
type Make = fn(&Registry, &str) -> Option<(Vec<u8>, String)>;

fn v2(registry: &Registry, _: &str) -> Option<(Vec<u8>, String)> {
    hashed(&registry::openapi::v2(registry))
}

fn v2_protobuf(registry: &Registry, _: &str) -> Option<(Vec<u8>, String)> {
    let bytes = registry::openapi::v2_protobuf(registry);
    let etag = respond::etag(&bytes);
    Some((bytes, etag))
}

fn index(registry: &Registry, _: &str) -> Option<(Vec<u8>, String)> {
    hashed(&registry::openapi::v3_index(registry))
}

fn v3(registry: &Registry, path: &str) -> Option<(Vec<u8>, String)> {
    let path = path.strip_prefix("v3/")?;
    let text = serde_json::to_vec(&registry::openapi::v3_document(registry, path)?).ok()?;
    Some((text, registry::openapi::v3_hash(registry, path)?))
}

fn hashed(document: &object::Value) -> Option<(Vec<u8>, String)> {
    let text = serde_json::to_vec(document).ok()?;
    let etag = respond::etag(&text);
    Some((text, etag))
}

pub async fn answer(call: &Call, rest: &[&str]) -> Result<Response, StatusError> {
    let path = rest.join("/");
    let is_v2 = rest == ["v2"];
    let form = negotiate::first_of(call.header("accept"), if is_v2 { &V2_FORMS } else { &V3_FORMS });
    let Some(media) = form else {
        return Ok(respond::text(StatusCode::NOT_ACCEPTABLE, ""));
    };
    let (make, key, media): (Make, _, _) = match rest {
        ["v2"] if media == respond::JSON => (v2, path.clone(), media),
        ["v2"] => (v2_protobuf, "v2/protobuf".to_owned(), PROTOBUF),
        ["v3"] => (index, path.clone(), media),
        ["v3", ..] => (v3, path.clone(), media),
        _ => return Err(StatusError::no_such_path()),
    };
    let found = call.shared.openapi.get(&call.shared, &key, make).await?;
    let Some(document) = found else {
        return Ok(respond::text(StatusCode::NOT_FOUND, "404 page not found\n"));
    };
    let asked = call.query.get("hash");
    if rest.len() > 1 && !asked.is_empty() && asked != document.etag {
        return Ok(redirect(&format!("/openapi/{path}?hash={}", document.etag)));
    }
    let tag = format!("\"{}\"", document.etag);
    let mut response = if call.headers.get_all(IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).any(|v| respond::names(v, &tag)) {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else if gzip::accepted(&call.headers) {
        let mut response = respond::bytes(StatusCode::OK, respond::JSON, document.gzip.clone());
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        let text = gzip::undo(&document.gzip).map_err(StatusError::internal)?;
        respond::bytes(StatusCode::OK, respond::JSON, text.into())
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, value);
    }
    if rest.len() > 1 && !asked.is_empty() {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
        if let Ok(value) = HeaderValue::from_str(&object::time::http_date(SystemTime::now() + FOREVER)) {
            headers.insert(EXPIRES, value);
        }
    }
    Ok(response)
}

fn redirect(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}
