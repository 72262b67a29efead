//! NetworkPolicies.

use crate::strategy::Strategy;
use crate::strategy::net::{self, Cidr};
use crate::strategy::pod_spec::selector_of;
use crate::strategy::read::{items, number, text};
use object::field::{ErrorList, Path};
use object::{Object, Value, names};

pub struct NetworkPolicyStrategy;

impl Strategy for NetworkPolicyStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        if let Some(selector) = spec.get("podSelector") {
            selector_of(selector, &path.child("podSelector"), errors);
        }
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (at, rule) in items(spec, direction) {
                let path = path.child(direction).index(at);
                for (at, found) in items(rule, "ports") {
                    port(found, &path.child("ports").index(at), errors);
                }
                for (at, found) in items(rule, peers) {
                    peer(found, &path.child(peers).index(at), errors);
                }
            }
        }
        let path = path.child("policyTypes");
        if items(spec, "policyTypes").count() > 2 {
            let types = spec.get("policyTypes").cloned().unwrap_or_default();
            return errors.invalid(&path, types, "may not specify more than two policyTypes");
        }
        for (at, ty) in items(spec, "policyTypes") {
            let ty = ty.as_str().unwrap_or_default();
            if !matches!(ty, "Ingress" | "Egress") {
                errors.not_supported(&path.index(at), ty, &["Ingress", "Egress"]);
            }
        }
    }
}

fn port(found: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(protocol) = found.get("protocol").and_then(Value::as_str)
        && !matches!(protocol, "TCP" | "UDP" | "SCTP")
    {
        errors.not_supported(&path.child("protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    let end = number(found, "endPort");
    let end_path = path.child("endPort");
    match found.get("port").filter(|p| !p.is_null()) {
        None => {
            if let Some(end) = end {
                errors.invalid(&end_path, end, "may not be specified when `port` is not specified");
            }
        }
        Some(Value::String(name)) => {
            if let Some(end) = end {
                errors.invalid(&end_path, end, "may not be specified when `port` is non-numeric");
            }
            errors.invalid_all(&path.child("port"), name, names::port_name(name));
        }
        Some(value) => {
            let value = value.as_i64().unwrap_or(0);
            names::port_number(value).iter().for_each(|detail| errors.invalid(&path.child("port"), value, detail));
            if let Some(end) = end {
                if end < value {
                    errors.invalid(&end_path, value, "must be greater than or equal to `port`");
                }
                names::port_number(end).iter().for_each(|detail| errors.invalid(&end_path, end, detail));
            }
        }
    }
}

fn peer(peer: &Value, path: &Path, errors: &mut ErrorList) {
    let given = |field: &str| peer.get(field).filter(|v| v.is_object());
    let mut count = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = given(field) {
            count += 1;
            selector_of(selector, &path.child(field), errors);
        }
    }
    match given("ipBlock") {
        Some(block) => {
            ip_block(block, &path.child("ipBlock"), errors);
            if count > 0 {
                errors.forbidden(path, "may not specify both ipBlock and another peer");
            }
        }
        None if count == 0 => errors.required(path, "must specify a peer"),
        None => {}
    }
}

fn ip_block(block: &Value, path: &Path, errors: &mut ErrorList) {
    let value = text(block, "cidr");
    if value.is_empty() {
        return errors.required(&path.child("cidr"), "");
    }
    net::cidr(value, &path.child("cidr"), errors);
    let Some(outer) = Cidr::parse(value) else { return };
    for (at, except) in items(block, "except") {
        let (except, path) = (except.as_str().unwrap_or_default(), path.child("except").index(at));
        net::cidr(except, &path, errors);
        if let Some(inner) = Cidr::parse(except)
            && (!outer.contains(inner.masked().ip) || outer.bits >= inner.bits)
        {
            errors.invalid(&path, except, "must be a strict subset of `cidr`");
        }
    }
}
