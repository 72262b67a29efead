//! `pods/log`: streamed through from the agent of the pod's node (`pkg/registry/core/pod/strategy.go` LogLocation).

use super::Handler;
use crate::call::{Call, Response, Target};
use crate::strategy::read::{items, text};
use async_trait::async_trait;
use axum::body::Body;
use futures::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use object::{GroupKind, Object, StatusCause, StatusError, Value};
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub struct Log;

/// A node that does not answer by then is taken for dead.
const CONNECT: Duration = Duration::from_secs(5);
/// Errors of the agent are a line of text.
const ERROR_MAX: usize = 64 * 1024;
const OPTIONS: [&str; 7] = ["follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes"];

#[async_trait]
impl Handler for Log {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError> {
        let caches = &call.shared.caches;
        caches.current().await?;
        let (namespace, name) = (call.info.namespace.as_str(), call.info.name.as_str());
        let missing = || StatusError::not_found(&target.kind.group_resource(), name);
        let pod = caches.of(&target.kind)?.get(&format!("{namespace}/{name}")).ok_or_else(missing)?.object();
        check_options(call)?;
        let container = container(&pod, call.query.get("container"))?;
        let node = pod.str_at(&["spec", "nodeName"]);
        if node.is_empty() {
            // Nothing runs yet, so nothing was said yet.
            return Ok(plain(Body::empty()));
        }
        let nodes = call.shared.registry.resource_by_name("", "v1", "nodes").ok_or_else(StatusError::no_such_path)?;
        let resource = object::GroupResource { group: String::new(), resource: "nodes".to_owned() };
        let node = caches.of(&nodes)?.get(node).ok_or_else(|| StatusError::not_found(&resource, node))?.object();
        let mut path = format!("/containerLogs/{namespace}/{name}/{container}");
        let options: Vec<String> =
            OPTIONS.iter().filter(|o| call.query.has(o)).map(|o| format!("{o}={}", escape(call.query.get(o)))).collect();
        if !options.is_empty() {
            path = format!("{path}?{}", options.join("&"));
        }
        let response = fetch(call, &node, &path).await?;
        let status = response.status();
        if !status.is_success() {
            let body = Limited::new(response.into_body(), ERROR_MAX).collect().await.map(|b| b.to_bytes()).unwrap_or_default();
            let told = String::from_utf8_lossy(&body).trim().to_owned();
            return Err(match status {
                StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => StatusError::bad_request(told),
                _ => StatusError::internal(told),
            });
        }
        let chunks = response.into_body().into_data_stream();
        let drain = call.drain.clone().unwrap_or_default();
        Ok(plain(Body::from_stream(chunks.take_until(drain.cancelled_owned()))))
    }
}

fn plain(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// `ValidatePodLogOptions`.
fn check_options(call: &Call) -> Result<(), StatusError> {
    let mut causes = Vec::new();
    let mut refuse = |field: &str, message: String| {
        causes.push(StatusCause { reason: "FieldValueInvalid".to_owned(), message, field: field.to_owned() });
    };
    for (field, least) in [("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)] {
        if let Some(value) = call.query.integer(field)?.filter(|v| *v < least) {
            let detail = if least == 0 { "must be greater than or equal to 0" } else { "must be greater than 0" };
            refuse(field, format!("Invalid value: {value}: {detail}"));
        }
    }
    if call.query.has("sinceSeconds") && call.query.has("sinceTime") {
        refuse("", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned());
    }
    if causes.is_empty() {
        return Ok(());
    }
    let kind = GroupKind { group: String::new(), kind: "PodLogOptions".to_owned() };
    Err(StatusError::invalid(&kind, &call.info.name, causes))
}

/// The asked container, or the only one.
fn container(pod: &Object, asked: &str) -> Result<String, StatusError> {
    let empty = Value::Null;
    let spec = pod.at(&["spec"]).unwrap_or(&empty);
    let names = |list: &str| -> Vec<String> { items(spec, list).map(|(_, c)| text(c, "name").to_owned()).collect() };
    let (main, init, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    if asked.is_empty() {
        return match main.as_slice() {
            [only] => Ok(only.clone()),
            _ => {
                let mut told = format!("a container name must be specified for pod {}, choose one of: [{}]", pod.name(), main.join(" "));
                if !init.is_empty() {
                    told.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
                }
                Err(StatusError::bad_request(told))
            }
        };
    }
    if [main, init, ephemeral].iter().flatten().any(|name| name == asked) {
        return Ok(asked.to_owned());
    }
    Err(StatusError::bad_request(format!("container {asked} is not valid for pod {}", pod.name())))
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// One request to a node's agent, on a connection of its own: it ends with the stream.
async fn fetch(call: &Call, node: &Object, path: &str) -> Result<http::Response<hyper::body::Incoming>, StatusError> {
    let failed = |told: String| StatusError::internal(format!("Get \"https://{}{path}\": {told}", node.name()));
    let tls = call.shared.config.node_client.clone().ok_or_else(|| failed("this server has no certificate for nodes".to_owned()))?;
    let addresses = node.at(&["status", "addresses"]).and_then(Value::as_array);
    let address = addresses.into_iter().flatten().find(|a| text(*a, "type") == "InternalIP").map(|a| text(a, "address"));
    let ip: IpAddr =
        address.and_then(|a| a.parse().ok()).ok_or_else(|| failed("no preferred addresses found; known addresses: []".to_owned()))?;
    let port = node.at(&["status", "daemonEndpoints", "kubeletEndpoint", "Port"]).and_then(Value::as_u64);
    let port = port.and_then(|p| u16::try_from(p).ok()).unwrap_or(10250);
    let connected = async {
        let stream = TcpStream::connect((ip, port)).await?;
        TlsConnector::from(tls).connect(ip.into(), stream).await
    };
    let stream = match tokio::time::timeout(CONNECT, connected).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(failed(format!("dial tcp {ip}:{port}: {error}"))),
        Err(_) => return Err(failed(format!("dial tcp {ip}:{port}: i/o timeout"))),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(e.to_string()))?;
    // Owned by the response: it ends when the body is read or dropped.
    tokio::spawn(connection);
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().map_err(|_| StatusError::bad_request("the log's path is no URI"))?;
    let host = HeaderValue::from_str(&format!("{ip}:{port}")).map_err(|e| failed(e.to_string()))?;
    request.headers_mut().insert(HOST, host);
    sender.send_request(request).await.map_err(|e| failed(e.to_string()))
}
