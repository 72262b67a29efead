//! Paths that are no resource: health, version, metrics, discovery, OpenAPI.

use crate::call::{Call, Response};
use crate::config::GIT_VERSION;
use crate::{negotiate, respond};
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderValue, Method, StatusCode};
use object::{StatusError, Value, json};
use sha2::{Digest, Sha256};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

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
    let aggregated = negotiate::wants_aggregated(call.header("accept"));
    match segments.as_slice() {
        [""] => Ok(respond::json_value(StatusCode::OK, &json!({ "paths": paths(call) }))),
        ["version"] => Ok(respond::json_value(StatusCode::OK, &version())),
        ["healthz" | "livez" | "readyz", rest @ ..] => health(call, rest),
        ["metrics"] => Ok(metrics(call)),
        ["api"] if aggregated => Ok(tagged(call, AGGREGATED, &registry::discovery::aggregated(registry, true))),
        ["api"] => {
            let address = call.shared.config.advertise.map(|(ip, port)| format!("{ip}:{port}")).unwrap_or_default();
            Ok(respond::json_value(StatusCode::OK, &registry::discovery::api_versions(&address)))
        }
        ["apis"] if aggregated => Ok(tagged(call, AGGREGATED, &registry::discovery::aggregated(registry, false))),
        ["apis"] => Ok(respond::json_value(StatusCode::OK, &registry::discovery::api_group_list(registry))),
        ["api", version] => found(registry::discovery::api_resource_list(registry, "", version)),
        ["apis", group] => found(registry::discovery::api_group(registry, group)),
        ["apis", group, version] => found(registry::discovery::api_resource_list(registry, group, version)),
        [".well-known", "openid-configuration"] => discovery_of_issuer(call),
        ["openid", "v1", "jwks"] => key_set(call),
        ["openapi", rest @ ..] => crate::openapi::answer(call, rest),
        _ => Err(StatusError::no_such_path()),
    }
}

fn known(segments: &[&str]) -> bool {
    match segments {
        ["" | "version" | "metrics" | "api" | "apis"] => true,
        ["healthz" | "livez" | "readyz", ..] => segments.len() <= 2,
        ["api", _] | ["apis", _] | ["apis", _, _] => true,
        ["openapi", "v2" | "v3", ..] => true,
        [".well-known", "openid-configuration"] | ["openid", "v1", "jwks"] => true,
        _ => false,
    }
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

fn found(document: Option<Value>) -> Result<Response, StatusError> {
    document.map(|d| respond::json_value(StatusCode::OK, &d)).ok_or_else(StatusError::no_such_path)
}

/// With an ETag, so that clients revalidate their discovery cache for nothing.
fn tagged(call: &Call, content_type: &'static str, document: &Value) -> Response {
    let body = serde_json::to_vec(document).unwrap_or_default();
    let digest = Sha256::digest(&body);
    let tag = format!("\"{}\"", digest.iter().map(|b| format!("{b:02X}")).collect::<String>());
    let mut response = if call.header("if-none-match") == tag {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        respond::bytes(StatusCode::OK, content_type, body.into())
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, value);
    }
    response.headers_mut().insert(http::header::VARY, HeaderValue::from_static("Accept"));
    response
}

fn paths(call: &Call) -> Vec<String> {
    let mut paths: Vec<String> =
        ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
            .map(str::to_owned)
            .to_vec();
    let registry = &call.shared.registry;
    for group in registry::discovery::groups(registry).into_iter().filter(|g| !g.is_empty()) {
        for version in registry::discovery::versions(registry, &group) {
            paths.push(format!("/apis/{group}/{version}"));
        }
        paths.push(format!("/apis/{group}"));
    }
    paths.sort();
    paths
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "37", "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
        "platform": format!("linux/{}", match std::env::consts::ARCH { "x86_64" => "amd64", "aarch64" => "arm64", other => other }),
        "emulationMajor": "1", "emulationMinor": "37", "minCompatibilityMajor": "1", "minCompatibilityMinor": "36",
    })
}

/// Checks by name; `?verbose` lists them, `?exclude=` leaves some out.
fn health(call: &Call, rest: &[&str]) -> Result<Response, StatusError> {
    let path = call.info.path.trim_matches('/').split('/').next().unwrap_or_default();
    let mut checks = vec![("ping", true)];
    if path != "livez" {
        checks.push(("watch-cache", call.shared.caches.is_loaded()));
    }
    if let [name] = rest {
        return match checks.iter().find(|(check, _)| check == name) {
            Some((_, true)) => Ok(respond::text(StatusCode::OK, "ok")),
            Some((_, false)) => Ok(respond::text(StatusCode::INTERNAL_SERVER_ERROR, "internal server error: not ready\n")),
            None => Ok(respond::text(StatusCode::NOT_FOUND, "404 page not found\n")),
        };
    }
    let excluded: Vec<&str> = call.query.all("exclude").collect();
    let mut told = String::new();
    let mut healthy = true;
    for (check, fine) in checks {
        if excluded.contains(&check) {
            told.push_str(&format!("[+]{check} excluded: ok\n"));
        } else if fine {
            told.push_str(&format!("[+]{check} ok\n"));
        } else {
            healthy = false;
            told.push_str(&format!("[-]{check} failed: reason withheld\n"));
        }
    }
    let verdict = if healthy { "passed" } else { "failed" };
    let status = if healthy { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let body = if healthy && !call.query.has("verbose") { "ok".to_owned() } else { format!("{told}{path} check {verdict}\n") };
    Ok(respond::text(status, body))
}

fn metrics(call: &Call) -> Response {
    let objects = call.shared.caches.all().into_iter().map(|c| (c.kind.group_resource().to_string(), c.len()));
    let body = call.shared.metrics.render(objects);
    respond::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body.into())
}
