//! One HTTPS request to a webhook: by URL, or by the Service that stands before it
//! (`k8s.io/apiserver/pkg/util/webhook/client.go`, `pkg/util/proxy`).

use crate::server::Shared;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use object::{Object, Value};
use registry::custom::{ServiceReference, Webhook};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For the whole exchange: upstream's default of a webhook's client.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Lists are converted in one answer; what is larger would not fit in a request either, ten times over.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Where a request goes.
struct Place {
    /// As errors tell it.
    url: String,
    host: String,
    port: u16,
    path: String,
    /// What to connect to, when it is not the host.
    address: Option<(IpAddr, u16)>,
}

/// Posts JSON and reads JSON. The error is one line, as Go's client words it.
pub async fn post(shared: &Shared, webhook: &Webhook, body: &Value) -> Result<Value, String> {
    let place = match (&webhook.url, &webhook.service) {
        (Some(url), _) => of_url(url)?,
        (None, Some(service)) => of_service(shared, service)?,
        (None, None) => return Err("webhook configuration must have either service or URL".to_owned()),
    };
    let told = |cause: String| format!("Post {:?}: {cause}", place.url);
    let exchanged = tokio::time::timeout(TIMEOUT, exchange(&place, webhook, body)).await;
    let answer = match exchanged {
        Ok(answer) => answer.map_err(told)?,
        Err(_) => return Err(told("context deadline exceeded".to_owned())),
    };
    serde_json::from_slice(&answer).map_err(|error| format!("the answer is no JSON: {error}"))
}

async fn exchange(place: &Place, webhook: &Webhook, body: &Value) -> Result<Bytes, String> {
    let tls = TlsConnector::from(Arc::new(trusting(&webhook.ca_bundle)?));
    let stream = match place.address {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect((place.host.as_str(), place.port)).await,
    };
    let stream = stream.map_err(|e| format!("dial tcp {}:{}: {e}", place.host, place.port))?;
    let name = ServerName::try_from(place.host.clone()).map_err(|e| format!("{}: {e}", place.host))?;
    let stream = tls.connect(name, stream).await.map_err(|e| format!("tls: failed to verify certificate: {e}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let mut request = Request::new(Full::new(Bytes::from(body.to_string())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = place.path.parse().map_err(|e| format!("{}: {e}", place.path))?;
    let host = HeaderValue::from_str(&format!("{}:{}", place.host, place.port)).map_err(|e| e.to_string())?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answered = async {
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|e| e.to_string())?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let told: String = String::from_utf8_lossy(&body).chars().take(256).collect();
        Err(format!("the server responded with the status code {} and {told:?}", status.as_u16()))
    };
    // The connection lives as long as its one exchange.
    tokio::select! {
        answered = answered => answered,
        ended = connection => Err(ended.err().map_or_else(|| "EOF".to_owned(), |e| e.to_string())),
    }
}

/// TLS that trusts a bundle (PEM in base64), or the public authorities when there is none.
fn trusting(bundle: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if bundle.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    } else {
        let dense: String = bundle.split_ascii_whitespace().collect();
        let pem = STANDARD.decode(dense).map_err(|e| format!("caBundle: {e}"))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|e| format!("caBundle: {e}"))?;
            roots.add(certificate).map_err(|e| format!("caBundle: {e}"))?;
        }
        if roots.is_empty() {
            return Err("unable to load root certificates: unable to parse bytes as PEM block".to_owned());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn of_url(url: &str) -> Result<Place, String> {
    let rest = url.strip_prefix("https://").ok_or_else(|| format!("{url}: unsupported protocol scheme"))?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, rest) = v6.split_once(']').ok_or_else(|| format!("{url}: missing ']' in host"))?;
            (host, rest.strip_prefix(':').unwrap_or("443"))
        }
        None => authority.split_once(':').unwrap_or((authority, "443")),
    };
    let port = port.parse().map_err(|_| format!("{url}: invalid port"))?;
    Ok(Place { url: url.to_owned(), host: host.to_owned(), port, path: path.to_owned(), address: None })
}

fn of_service(shared: &Shared, service: &ServiceReference) -> Result<Place, String> {
    let host = format!("{}.{}.svc", service.name, service.namespace);
    let slash = if service.path.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{}", service.path);
    let url = format!("https://{host}:{}{path}", service.port);
    let key = format!("{}/{}", service.namespace, service.name);
    let object = lookup(shared, "", "v1", "services", &key).ok_or_else(|| format!("service {:?} not found", service.name))?;
    let address = resolve(shared, &object, service.port)?;
    Ok(Place { url, host, port: service.port, path, address: Some(address) })
}

fn lookup(shared: &Shared, group: &str, version: &str, resource: &str, key: &str) -> Option<Object> {
    let row = shared.registry.resource_by_name(group, version, resource)?;
    Some(shared.caches.of(&row).ok()?.get(key)?.object())
}

/// A ready endpoint of the Service's port: the server need not be on a node that knows cluster addresses. Without
/// endpoints, the cluster address.
fn resolve(shared: &Shared, service: &Object, port: u16) -> Result<(IpAddr, u16), String> {
    let empty = Vec::new();
    let ports = service.at(&["spec", "ports"]).and_then(Value::as_array).unwrap_or(&empty);
    let asked = ports.iter().find(|p| p.get("port").and_then(Value::as_u64) == Some(u64::from(port)));
    let asked = asked.ok_or_else(|| format!("no service port {port} found for service {:?}", service.name()))?;
    let name = asked.get("name").and_then(Value::as_str).unwrap_or_default();
    if let Some(endpoint) = ready(shared, service, name) {
        return Ok(endpoint);
    }
    let ip =
        service.str_at(&["spec", "clusterIP"]).parse().map_err(|_| format!("no endpoints available for service {:?}", service.name()))?;
    Ok((ip, port))
}

fn ready(shared: &Shared, service: &Object, port_name: &str) -> Option<(IpAddr, u16)> {
    let row = shared.registry.resource_by_name("discovery.k8s.io", "v1", "endpointslices")?;
    let cache = shared.caches.of(&row).ok()?;
    let list = |value: &Object, field: &str| value.at(&[field]).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for item in cache.snapshot(service.namespace(), None, 0, |_| true).items {
        let slice = item.object();
        if slice.label("kubernetes.io/service-name") != Some(service.name()) {
            continue;
        }
        let port = list(&slice, "ports").into_iter().find(|p| p.get("name").and_then(Value::as_str).unwrap_or_default() == port_name);
        let port = port.and_then(|p| p.get("port").and_then(Value::as_u64)).and_then(|p| u16::try_from(p).ok());
        for endpoint in list(&slice, "endpoints") {
            let is_ready = endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
            let ip = endpoint.pointer("/addresses/0").and_then(Value::as_str).and_then(|a| a.parse().ok());
            if let (true, Some(ip), Some(port)) = (is_ready, ip, port) {
                found.push((ip, port));
            }
        }
    }
    let at = rand::random_range(0..found.len().max(1));
    found.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn services_are_places() {
        let api = crate::tests::Fixture::new().await;
        let service = serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"},
            "spec": {"ports": [{"name": "web", "port": 443, "targetPort": 8443}]}});
        let made = api.post("/api/v1/namespaces/default/services", &service).await.expect(201);
        let ip: IpAddr = made["spec"]["clusterIP"].as_str().unwrap().parse().unwrap();
        let shared = api.service.shared();
        let reference = |port| ServiceReference { namespace: "default".to_owned(), name: "hook".to_owned(), path: "/c".to_owned(), port };
        shared.caches.current().await.unwrap();
        let place = of_service(shared, &reference(443)).unwrap();
        assert_eq!((place.url.as_str(), place.host.as_str()), ("https://hook.default.svc:443/c", "hook.default.svc"));
        assert_eq!(place.address, Some((ip, 443)), "nothing is ready behind it");
        assert!(of_service(shared, &reference(80)).is_err_and(|e| e == "no service port 80 found for service \"hook\""));
        let slice = serde_json::json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
            "ports": [{"name": "web", "port": 8443}],
            "endpoints": [{"addresses": ["10.1.2.3"]}, {"addresses": ["10.1.2.4"], "conditions": {"ready": false}}]});
        api.post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", &slice).await.expect(201);
        shared.caches.current().await.unwrap();
        assert_eq!(of_service(shared, &reference(443)).unwrap().address, Some((IpAddr::from([10, 1, 2, 3]), 8443)));
    }

    #[test]
    fn urls_are_places() {
        let check = |url: &str, host: &str, port: u16, path: &str| {
            let place = of_url(url).unwrap();
            assert_eq!((place.host.as_str(), place.port, place.path.as_str()), (host, port, path));
        };
        check("https://a.b/c?d=e", "a.b", 443, "/c?d=e");
        check("https://127.0.0.1:8443", "127.0.0.1", 8443, "/");
        check("https://[::1]:8443/x", "::1", 8443, "/x");
        assert!(of_url("http://a").is_err() && of_url("https://a:b/").is_err());
    }
}
