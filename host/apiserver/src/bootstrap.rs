//! What every cluster has from its first moment: namespaces, the RuntimeClass of wasm, and the `kubernetes`
//! Service with its endpoints
//! (`kubernetes/pkg/controlplane`). Made by the one road, as any client would make it.

use crate::config::Config;
use crate::server::{ApiService, Error};
use crate::strategy::net;
use crate::strategy::priority::SYSTEM;
use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use interfaces::authorize::UserInfo;
use object::{StatusError, Value, json};
use std::sync::Arc;
use std::time::Duration;

const RETRY: Duration = Duration::from_secs(10);
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

pub async fn bootstrap(service: &ApiService, config: &Config) -> Result<(), Error> {
    for name in NAMESPACES {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        create(service, "/api/v1/namespaces", &namespace).await?;
    }
    // The class that sends a pod's containers to the wasm runtime.
    let class = json!({ "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": { "name": "wasm" }, "handler": "wasm" });
    create(service, "/apis/node.k8s.io/v1/runtimeclasses", &class).await?;
    for (name, value) in SYSTEM {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": name }, "value": value,
            "description": "For pods that the cluster itself cannot do without.",
        });
        create(service, "/apis/scheduling.k8s.io/v1/priorityclasses", &class).await?;
    }
    service_range(service, config).await?;
    let Some((ip, port)) = config.advertise else { return Ok(()) };
    let address = service.first_service_ip();
    let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
    let backing = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "kubernetes", "labels": labels },
        "spec": {
            "clusterIP": address, "type": "ClusterIP", "sessionAffinity": "None",
            "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": port }],
        },
    });
    create(service, "/api/v1/namespaces/default/services", &backing).await?;
    if config.peers {
        // The endpoints are everyone's.
        return crate::peers::Peers::default().reconcile(service, config).await;
    }
    let ports = json!([{ "name": "https", "port": port, "protocol": "TCP" }]);
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": { "name": "kubernetes", "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } },
        "subsets": [{ "addresses": [{ "ip": ip.to_string() }], "ports": ports }],
    });
    replace(service, "/api/v1/namespaces/default/endpoints", &endpoints).await?;
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": "kubernetes", "labels": { "kubernetes.io/service-name": "kubernetes" } },
        "addressType": if ip.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{ "addresses": [ip.to_string()], "conditions": { "ready": true } }], "ports": ports,
    });
    replace(service, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", &slice).await
}

/// The range that Services get their addresses from, as an object that says so
/// (`pkg/controlplane/controller/defaultservicecidr`). Another range at a later start does not change it, as upstream.
async fn service_range(service: &ApiService, config: &Config) -> Result<(), Error> {
    let (base, bits) = config.service_cidr;
    let range = net::Cidr { ip: base.into(), bits }.masked().to_string();
    let path = "/apis/networking.k8s.io/v1/servicecidrs";
    let object = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": { "name": "kubernetes" }, "spec": { "cidrs": [range] } });
    create(service, path, &object).await?;
    let (_, mut live) = send(service, Method::GET, &format!("{path}/kubernetes"), &Value::Null).await;
    if live.pointer("/status/conditions/0").is_some() {
        return Ok(());
    }
    let condition = json!({
        "type": "Ready", "status": "True", "lastTransitionTime": object::time::now(), "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
    });
    live["status"] = json!({ "conditions": [condition] });
    let answer = send(service, Method::PUT, &format!("{path}/kubernetes/status"), &live).await;
    // Someone else of the cluster was quicker.
    if answer.0 == 409 { Ok(()) } else { checked(&object, answer) }
}

/// Makes the `kubernetes` Service and its endpoints again whenever one of them is gone
/// (`pkg/controlplane/controller/kubernetesservice`).
pub async fn keep(service: ApiService, config: Config) {
    let mut changes = service.changes(&[("", "services"), ("", "endpoints"), ("discovery.k8s.io", "endpointslices")]);
    loop {
        let any = changes.iter_mut().map(|(_, changed)| Box::pin(changed.changed()));
        if futures::future::select_all(any).await.0.is_err() {
            return;
        }
        let gone = changes.iter_mut().any(|(cache, changed)| {
            changed.borrow_and_update();
            cache.get("default/kubernetes").is_none()
        });
        if gone && let Err(error) = bootstrap(&service, &config).await {
            tracing::warn!(%error, "the kubernetes Service");
            // Nothing tells when the cause is over: look again soon.
            tokio::time::sleep(RETRY).await;
            changes.iter_mut().for_each(|(_, changed)| changed.mark_changed());
        }
    }
}

/// Creates; one that is there already is fine. It is looked for first: a Service's fixed address would be refused as taken
/// before its name is.
async fn create(service: &ApiService, path: &str, object: &Value) -> Result<(), Error> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if send(service, Method::GET, &format!("{path}/{name}"), &Value::Null).await.0 == 200 {
        return Ok(());
    }
    match send(service, Method::POST, path, object).await {
        (409, _) => Ok(()),
        // Another server that starts now may have made it in between.
        answer => match send(service, Method::GET, &format!("{path}/{name}"), &Value::Null).await.0 {
            200 => Ok(()),
            _ => checked(object, answer),
        },
    }
}

/// Creates, or makes the one that is there equal: the address may have changed since the last start.
pub async fn replace(service: &ApiService, path: &str, object: &Value) -> Result<(), Error> {
    match send(service, Method::POST, path, object).await {
        (409, _) => {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            checked(object, send(service, Method::PUT, &format!("{path}/{name}"), object).await)
        }
        answer => checked(object, answer),
    }
}

pub fn checked(object: &Value, (code, body): (u16, Value)) -> Result<(), Error> {
    if (200..300).contains(&code) {
        return Ok(());
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let what = format!("{} {}", text("/kind"), text("/metadata/name"));
    Err(Error::Bootstrap { what, source: StatusError::from_value(code, &body) })
}

pub async fn send(service: &ApiService, method: Method, path: &str, object: &Value) -> (u16, Value) {
    send_as(service, &Arc::new(UserInfo::master("system:apiserver")), method, path, object).await
}

/// One request by a part of this server.
pub async fn send_as(service: &ApiService, user: &Arc<UserInfo>, method: Method, path: &str, object: &Value) -> (u16, Value) {
    let mut request = Request::new(if object.is_null() { Body::empty() } else { Body::from(object.to_string()) });
    if method == Method::PATCH {
        request.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/merge-patch+json"));
    }
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert(http::header::USER_AGENT, http::HeaderValue::from_static("coracle-apiserver"));
    request.extensions_mut().insert(user.clone());
    let response = service.handle(request).await;
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    (code, serde_json::from_slice(&body).unwrap_or_default())
}
