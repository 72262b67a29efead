//! Ingresses and their classes.

use super::{ingress_points, segment};
use crate::strategy::at::At;
use crate::strategy::net;
use crate::strategy::pod_spec::words::domain_prefixed_path;
use crate::strategy::read::{immutable, items, number, text};
use crate::strategy::{Context, Strategy};
use object::field::{ErrorList, Path};
use object::{Object, Value, json, names};

pub struct IngressStrategy;
pub struct IngressClassStrategy;

/// `maxLenIngressClassController`.
const CONTROLLER_MAX: usize = 250;
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

impl Strategy for IngressStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "loadBalancer": {} }));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        let default = spec.get("defaultBackend").filter(|b| b.is_object());
        if items(spec, "rules").next().is_none() && default.is_none() {
            errors.invalid(&path, spec.get("rules").cloned().unwrap_or_default(), "either `defaultBackend` or `rules` must be specified");
        }
        if let Some(default) = default {
            backend(default, &path.child("defaultBackend"), errors);
        }
        for (at, rule) in items(spec, "rules") {
            let path = path.child("rules").index(at);
            host(text(rule, "host"), &path.child("host"), errors);
            let Some(http) = rule.get("http").filter(|h| h.is_object()) else { continue };
            let path = path.child("http").child("paths");
            if items(http, "paths").next().is_none() {
                errors.required(&path, "");
            }
            for (at, found) in items(http, "paths") {
                http_path(found, &path.index(at), errors);
            }
        }
        for (at, tls) in items(spec, "tls") {
            let path = path.child("tls").index(at);
            for (at, host) in items(tls, "hosts") {
                let host = host.as_str().unwrap_or_default();
                errors.invalid_all(&path.child("hosts").index(at), host, host_faults(host));
            }
            let secret = text(tls, "secretName");
            if !secret.is_empty() {
                errors.invalid_all(&path.child("secretName"), secret, names::dns1123_subdomain(secret));
            }
        }
        if let Some(class) = spec.get("ingressClassName").and_then(Value::as_str) {
            errors.invalid_all(&path.child("ingressClassName"), class, names::dns1123_subdomain(class));
        }
    }

    fn validate_create(&self, new: &Object, errors: &mut ErrorList) {
        let class = new.at(&["spec", "ingressClassName"]).and_then(Value::as_str);
        if let (Some(told), Some(class)) = (new.annotation(CLASS_ANNOTATION), class)
            && told != class
        {
            let path = Path::new("annotations").child(CLASS_ANNOTATION);
            errors.invalid(&path, told, "must match `ingressClassName` when both are specified");
        }
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        if let Some(balancer) = new.at(&["status", "loadBalancer"]) {
            ingress_points(balancer, &Path::new("status").child("loadBalancer"), errors);
        }
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        if new.annotation(CLASS_ANNOTATION).is_some() {
            return vec![format!("annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead")];
        }
        Vec::new()
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

fn host_faults(host: &str) -> Vec<String> {
    if host.contains('*') { names::wildcard_dns1123_subdomain(host) } else { names::dns1123_subdomain(host) }
}

fn host(host: &str, path: &Path, errors: &mut ErrorList) {
    if host.is_empty() {
        return;
    }
    if net::parse_ip(host).is_some() {
        errors.invalid(path, host, "must be a DNS name, not an IP address");
    }
    errors.invalid_all(path, host, host_faults(host));
}

fn http_path(found: &Value, path: &Path, errors: &mut ErrorList) {
    let value = text(found, "path");
    let at = path.child("path");
    let absolute = value.starts_with('/');
    match found.get("pathType").and_then(Value::as_str) {
        None => return errors.required(&path.child("pathType"), "pathType must be specified"),
        Some("Exact" | "Prefix") => {
            if !absolute {
                errors.invalid(&at, value, "must be an absolute path");
            }
            for sequence in ["//", "/./", "/../", "%2f", "%2F"] {
                if value.contains(sequence) {
                    errors.invalid(&at, value, &format!("must not contain '{sequence}'"));
                }
            }
            for suffix in ["/..", "/."] {
                if value.ends_with(suffix) {
                    errors.invalid(&at, value, &format!("cannot end with '{suffix}'"));
                }
            }
        }
        Some("ImplementationSpecific") => {
            if !value.is_empty() && !absolute {
                errors.invalid(&at, value, "must be an absolute path");
            }
        }
        Some(other) => errors.not_supported(&path.child("pathType"), other, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    let empty = json!({});
    backend(found.get("backend").unwrap_or(&empty), &path.child("backend"), errors);
}

fn backend(backend: &Value, path: &Path, errors: &mut ErrorList) {
    let given = |field: &str| backend.get(field).filter(|v| v.is_object());
    match (given("resource"), given("service")) {
        (Some(_), Some(_)) => errors.invalid(path, "", "cannot set both resource and service backends"),
        (Some(resource), None) => reference(resource, &path.child("resource"), errors),
        (None, Some(service)) => {
            let name = text(service, "name");
            let at = path.child("service");
            if name.is_empty() {
                errors.required(&at.child("name"), "");
            } else {
                errors.invalid_all(&at.child("name"), name, names::dns1035_label(name));
            }
            let empty = Value::Null;
            let port = service.get("port").unwrap_or(&empty);
            let (name, value) = (text(port, "name"), number(port, "number").unwrap_or(0));
            match (name.is_empty(), value) {
                (false, 0) => errors.invalid_all(&at.child("port").child("name"), name, names::port_name(name)),
                (false, _) => errors.invalid(path, "", "cannot set both port name & port number"),
                (true, 0) => errors.required(path, "port name or number is required"),
                (true, value) => {
                    let path = at.child("port").child("number");
                    names::port_number(value).iter().for_each(|detail| errors.invalid(&path, value, detail));
                }
            }
        }
        (None, None) => errors.invalid(path, "", "resource or service backend is required"),
    }
}

/// `validateIngressTypedLocalObjectReference`.
fn reference(reference: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(group) = reference.get("apiGroup").and_then(Value::as_str) {
        errors.invalid_all(&path.child("apiGroup"), group, names::dns1123_subdomain(group));
    }
    segment(text(reference, "kind"), "kind is required", &path.child("kind"), errors);
    segment(text(reference, "name"), "name is required", &path.child("name"), errors);
}

impl Strategy for IngressClassStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let controller = new.str_at(&["spec", "controller"]);
        if controller.len() > CONTROLLER_MAX {
            errors.too_long(&path.child("controller"), CONTROLLER_MAX);
        }
        domain_prefixed_path(controller, &At::of(&path.child("controller")), errors);
        let Some(parameters) = new.at(&["spec", "parameters"]).filter(|p| p.is_object()) else { return };
        let path = path.child("parameters");
        reference(parameters, &path, errors);
        let namespace = parameters.get("namespace").and_then(Value::as_str);
        match parameters.get("scope").and_then(Value::as_str) {
            None => errors.required(&path.child("scope"), ""),
            Some("Cluster") => {
                if namespace.is_some() {
                    errors.forbidden(&path.child("namespace"), "`parameters.scope` is set to 'Cluster'");
                }
            }
            Some("Namespace") => match namespace {
                None => errors.required(&path.child("namespace"), "`parameters.scope` is set to 'Namespace'"),
                Some(name) => errors.invalid_all(&path.child("namespace"), name, names::dns1123_label(name)),
            },
            Some(other) => errors.not_supported(&path.child("scope"), other, &["Cluster", "Namespace"]),
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec").child("controller");
        immutable(new.at(&["spec", "controller"]), old.at(&["spec", "controller"]), &path, errors);
    }
}
