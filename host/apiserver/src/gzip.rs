//! Compression of large answers (`k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/writers.go`).

use crate::call::Response;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use std::io::{Read, Write};

/// `defaultGzipThresholdBytes`: below it, the time costs more than the bytes.
const THRESHOLD: u64 = 128 * 1024;
/// `defaultGzipContentEncodingLevel`: lists are compressed once for each reader, so speed counts.
const LEVEL: u32 = 1;

/// Whether the client takes gzip.
pub fn accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).any(|clause| {
        let mut parts = clause.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let refused = parts.filter_map(|p| p.strip_prefix("q=")).any(|q| q.parse::<f32>() == Ok(0.0));
        matches!(coding, "gzip" | "*") && !refused
    })
}

/// Compresses a large answer. Streams have no length and are left alone.
pub async fn answer(response: Response) -> Response {
    let large = response.body().size_hint().exact().is_some_and(|size| size > THRESHOLD);
    if !large || !response.status().is_success() || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The body is in memory already: this waits for nothing.
    let whole = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be read");
            Bytes::new()
        }
    };
    let plain = whole.clone();
    // Megabytes take a while, and the runtime has others to serve.
    let Ok(packed) = tokio::task::spawn_blocking(move || pack(&plain, LEVEL)).await else {
        return Response::from_parts(parts, Body::from(whole));
    };
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

/// Compressed well, for what is kept.
pub fn whole(text: &[u8]) -> Bytes {
    pack(text, 6)
}

fn pack(text: &[u8], level: u32) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::new(level));
    // Writing to memory cannot fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default().into()
}

pub fn undo(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_gzip() {
        let check = |value: &str, expect: bool| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(accepted(&headers), expect, "{value}");
        };
        check("gzip", true);
        check("deflate, gzip;q=0.5", true);
        check("gzip;q=0, br", false);
        check("*", true);
        check("identity", false);
        check("", false);
        assert!(!accepted(&HeaderMap::new()));
    }
}
