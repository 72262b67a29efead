//! Paths that are no resource: health, version, metrics, discovery, OpenAPI.

mod health;
mod version;

use crate::call::{Call, Response};
use crate::{negotiate, respond};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderValue, Method, StatusCode};
use object::{StatusError, Value, json};
use registry::discovery::{self, Aggregated};

pub async fn answer(call: &Call) -> Result<Response, StatusError> {
    let path = call.info.path.trim_end_matches('/');
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let known = known(&segments);
    if !known {
        // API clients read Status; everything else gets what Go's mux says.
        return if matches!(segments.first(), Some(&"api" | &"apis")) {
            Err(StatusError::no_such_path())
        } else {
            Ok(respond::text(StatusCode::NOT_FOUND, "404 page not found\n"))
        };
    }
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(StatusError::method_not_allowed());
    }
    let registry = &call.shared.registry;
    let aggregated = negotiate::aggregated(call.header("accept"));
    match (segments.as_slice(), aggregated) {
        ([""], _) => Ok(respond::json_value(StatusCode::OK, &json!({ "paths": paths(call) }))),
        (["version"], _) => Ok(respond::json_value(StatusCode::OK, &version::document())),
        ([path @ ("healthz" | "livez" | "readyz"), rest @ ..], _) => health::answer(call, path, rest).await,
        (["metrics"], _) => Ok(metrics(call)),
        (["api"], Some(form)) => Ok(tagged(call, form, &discovery::aggregated(registry, true, form))),
        (["apis"], Some(form)) => Ok(tagged(call, form, &discovery::aggregated(registry, false, form))),
        (["api"], None) => {
            let address = call.shared.config.advertise.map(|(ip, port)| format!("{ip}:{port}")).unwrap_or_default();
            shown(call, Some(discovery::api_versions(registry, &address)))
        }
        (["apis"], None) => shown(call, Some(discovery::api_group_list(registry))),
        (["api", version], _) => shown(call, discovery::api_resource_list(registry, "", version)),
        (["apis", group], _) => shown(call, discovery::api_group(registry, group)),
        (["apis", group, version], _) => shown(call, discovery::api_resource_list(registry, group, version)),
        (["openapi", rest @ ..], _) => crate::openapi::answer(call, rest).await,
        ([".well-known", "openid-configuration"], _) => discovery_of_issuer(call),
        (["openid", "v1", "jwks"], _) => key_set(call),
        _ => Err(StatusError::no_such_path()),
    }
}

fn known(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["" | "version" | "metrics" | "api" | "apis"]
            | ["healthz" | "livez" | "readyz", ..]
            | ["api", _]
            | ["apis", _]
            | ["apis", _, _]
            | ["openapi", "v2"]
            | ["openapi", "v3", ..]
            | [".well-known", "openid-configuration"]
            | ["openid", "v1", "jwks"]
    )
}

/// `pkg/serviceaccount/openidmetadata.go`: how others verify the cluster's service account tokens.
fn discovery_of_issuer(call: &Call) -> Result<Response, StatusError> {
    let tokens = call.shared.config.tokens.as_ref().ok_or_else(StatusError::no_such_path)?;
    let (address, port) = call.shared.config.advertise.map_or_else(Default::default, |(ip, port)| (ip.to_string(), port));
    let address = if address.contains(':') { format!("[{address}]") } else { address };
    let document = json!({
        "issuer": tokens.issuer(), "jwks_uri": format!("https://{address}:{port}/openid/v1/jwks"),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    Ok(public("application/json", &document))
}

fn key_set(call: &Call) -> Result<Response, StatusError> {
    let tokens = call.shared.config.tokens.as_ref().ok_or_else(StatusError::no_such_path)?;
    Ok(public("application/jwk-set+json", &tokens.key_set()))
}

/// May be kept for an hour by whoever reads it.
fn public(content_type: &'static str, document: &Value) -> Response {
    let mut response = respond::bytes(StatusCode::OK, content_type, document.to_string().into());
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// In JSON or YAML, as the client likes.
fn shown(call: &Call, document: Option<Value>) -> Result<Response, StatusError> {
    let document = document.ok_or_else(StatusError::no_such_path)?;
    let accept = negotiate::accept(call.header("accept"))?;
    Ok(respond::encoded(StatusCode::OK, &accept, Bytes::from(serde_json::to_vec(&document).unwrap_or_default())))
}

/// With an ETag, so that clients revalidate their discovery cache for nothing
/// (`k8s.io/apiserver/pkg/endpoints/discovery/aggregated/etag.go`).
fn tagged(call: &Call, form: Aggregated, document: &Value) -> Response {
    let body = serde_json::to_vec(document).unwrap_or_default();
    let tag = format!("\"{}\"", respond::etag(&body));
    let known = call.headers.get_all(IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).any(|v| respond::names(v, &tag));
    let mut response =
        if known { respond::empty(StatusCode::NOT_MODIFIED) } else { respond::bytes(StatusCode::OK, respond::JSON, body.into()) };
    let headers = response.headers_mut();
    let media = format!("application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", form.version());
    for (name, value) in [(CONTENT_TYPE, media.as_str()), (ETAG, &tag), (VARY, "Accept"), (CACHE_CONTROL, "public")] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn paths(call: &Call) -> Vec<String> {
    let registry = &call.shared.registry;
    let mut paths: Vec<String> = ["/healthz", "/livez", "/metrics", "/openapi/v2", "/readyz", "/version"].map(str::to_owned).to_vec();
    paths.extend(health::paths());
    for path in registry::openapi::v3_paths(registry) {
        paths.push(format!("/openapi/v3/{path}"));
        if path.starts_with("api") {
            paths.push(format!("/{path}"));
        }
    }
    paths.push("/openapi/v3".to_owned());
    paths.sort();
    paths
}

fn metrics(call: &Call) -> Response {
    let caches = call.shared.caches.all();
    let objects = caches.iter().map(|c| (c.kind.group.clone(), c.kind.resource.clone(), c.len()));
    let mut body = call.shared.metrics.render(objects);
    call.shared.config.metrics.iter().for_each(|more| body.push_str(&more()));
    respond::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body.into())
}
