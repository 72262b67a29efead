//! `ValidateService`, `ValidateServiceUpdate` (`pkg/apis/core/validation/validation.go`).

use crate::strategy::read::{int_or_string_port, is_empty, items, label, number, one_of, text};
use crate::write::meta;
use object::field::{ErrorList, Path};
use object::{Object, Value, names};
use std::collections::HashSet;

pub fn validate(service: &Object, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let empty = Value::Null;
    let spec = service.at(&["spec"]).unwrap_or(&empty);
    let ty = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    if items(spec, "ports").next().is_none() && !headless && ty != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    match ty {
        "LoadBalancer" | "NodePort" if headless => {
            errors.invalid(&path.child("clusterIPs").index(0), "None", &format!("may not be set to 'None' for {ty} services"));
        }
        "ExternalName" => {
            let clean = |field: &str| is_empty(spec.get(field));
            if !clean("clusterIP") || !clean("clusterIPs") {
                errors.forbidden(&path.child("clusterIPs"), "may not be set when `type` is 'ExternalName'");
            }
            let name = text(spec, "externalName").trim_end_matches('.');
            if name.is_empty() {
                errors.required(&path.child("externalName"), "");
            } else {
                errors.invalid_all(&path.child("externalName"), name, names::dns1123_subdomain(name));
            }
        }
        _ => {}
    }
    ports(spec, ty, &path.child("ports"), errors);
    meta::labels(spec.get("selector").and_then(Value::as_object), &path.child("selector"), errors);
    one_of(text(spec, "sessionAffinity"), &["ClientIP", "None"], &path.child("sessionAffinity"), errors);
    one_of(ty, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], &path.child("type"), errors);
    for (at, ip) in items(spec, "clusterIPs") {
        let ip = ip.as_str().unwrap_or_default();
        if !matches!(ip, "" | "None") {
            crate::strategy::read::ip(ip, &path.child("clusterIPs").index(at), errors);
        }
    }
    let (first, one) = (spec.get("clusterIPs").and_then(|l| l.get(0)).and_then(Value::as_str), text(spec, "clusterIP"));
    if first.is_some_and(|first| first != one) {
        errors.invalid(
            &path.child("clusterIPs"),
            spec.get("clusterIPs").cloned().unwrap_or_default(),
            "first value must match `clusterIP`",
        );
    }
    for (at, ip) in items(spec, "externalIPs") {
        crate::strategy::read::ip(ip.as_str().unwrap_or_default(), &path.child("externalIPs").index(at), errors);
    }
    let policy = text(spec, "externalTrafficPolicy");
    if !policy.is_empty() && !super::externally_accessible(service) {
        errors.invalid(&path.child("externalTrafficPolicy"), policy, "may only be set for externally-accessible services");
    }
    for field in ["externalTrafficPolicy", "internalTrafficPolicy"] {
        let value = text(spec, field);
        if !matches!(value, "" | "Cluster" | "Local") {
            errors.not_supported(&path.child(field), value, &["Cluster", "Local"]);
        }
    }
}

fn ports(spec: &Value, ty: &str, path: &Path, errors: &mut ErrorList) {
    let several = items(spec, "ports").count() > 1;
    let (mut names_seen, mut ports_seen) = (HashSet::new(), HashSet::new());
    let mut node_ports_seen = HashSet::new();
    for (at, port) in items(spec, "ports") {
        let path = path.index(at);
        let name = text(port, "name");
        if name.is_empty() {
            if several {
                errors.required(&path.child("name"), "");
            }
        } else {
            label(name, &path.child("name"), errors);
            if !names_seen.insert(name) {
                errors.duplicate(&path.child("name"), name);
            }
        }
        let value = number(port, "port").unwrap_or(0);
        names::port_number(value).iter().for_each(|detail| errors.invalid(&path.child("port"), value, detail));
        let protocol = text(port, "protocol");
        one_of(protocol, &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
        if let Some(target) = port.get("targetPort") {
            int_or_string_port(target, &path.child("targetPort"), errors);
        }
        if !ports_seen.insert((value, protocol)) {
            errors.duplicate(&path, object::json!({ "port": value, "protocol": protocol }));
        }
        let node_port = number(port, "nodePort").unwrap_or(0);
        if node_port == 0 {
            continue;
        }
        names::port_number(node_port).iter().for_each(|detail| errors.invalid(&path.child("nodePort"), node_port, detail));
        if matches!(ty, "ClusterIP" | "ExternalName") {
            errors.forbidden(&path.child("nodePort"), &format!("may not be used when `type` is '{ty}'"));
        }
        // One number may serve several protocols, but each only once.
        if !node_ports_seen.insert((node_port, protocol)) {
            errors.duplicate(&path.child("nodePort"), node_port);
        }
    }
}

pub fn validate_update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let ty = |o: &Object| o.str_at(&["spec", "type"]).to_owned();
    let ip = |o: &Object| o.str_at(&["spec", "clusterIP"]).to_owned();
    let external = "ExternalName";
    if ty(old) != external && ty(new) != external && !ip(old).is_empty() && ip(old) != ip(new) {
        errors.invalid(&Path::new("spec").child("clusterIPs").index(0), Value::Array(vec![ip(new).into()]), "may not change once set");
    }
}
