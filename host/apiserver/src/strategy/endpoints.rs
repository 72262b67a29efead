//! Endpoints and EndpointSlices (`ValidateEndpoints` of `pkg/apis/core/validation`, `pkg/apis/discovery/validation`,
//! `pkg/registry/discovery/endpointslice/strategy.go`).

use super::read::{immutable, is_empty, items, label, number, one_of, text};
use super::{Context, Strategy, net};
use crate::write::meta;
use object::field::{ErrorList, Path};
use object::{Object, Value, json, names};
use std::collections::HashSet;

pub struct EndpointsStrategy;
pub struct EndpointSliceStrategy;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// The endpoints of the server itself may be on the loopback: a cluster on one machine without a network. Upstream's server
/// refuses to start there.
fn is_own(object: &Object) -> bool {
    object.namespace() == "default" && object.name() == "kubernetes"
}

fn reachable(own: bool, value: &str, path: &Path, errors: &mut ErrorList) {
    if !(own && net::parse_ip(value).is_some_and(|ip| ip.is_loopback())) {
        net::non_special(value, path, errors);
    }
}

impl Strategy for EndpointsStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let own = is_own(new);
        for (at, subset) in items(new.as_map(), "subsets") {
            let path = Path::new("subsets").index(at);
            if is_empty(subset.get("addresses")) && is_empty(subset.get("notReadyAddresses")) {
                errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
            }
            for list in ["addresses", "notReadyAddresses"] {
                for (at, address) in items(subset, list) {
                    self::address(own, address, &path.child(list).index(at), errors);
                }
            }
            let several = items(subset, "ports").count() > 1;
            for (at, port) in items(subset, "ports") {
                let path = path.child("ports").index(at);
                let (name, value) = (text(port, "name"), number(port, "port").unwrap_or(0));
                if several && name.is_empty() {
                    errors.required(&path.child("name"), "");
                } else if !name.is_empty() {
                    label(name, &path.child("name"), errors);
                }
                names::port_number(value).iter().for_each(|detail| errors.invalid(&path.child("port"), value, detail));
                one_of(text(port, "protocol"), &PROTOCOLS, &path.child("protocol"), errors);
                app_protocol(port, &path, errors);
            }
        }
    }
}

fn address(own: bool, address: &Value, path: &Path, errors: &mut ErrorList) {
    let ip = text(address, "ip");
    net::ip(ip, &path.child("ip"), errors);
    let host = text(address, "hostname");
    if !host.is_empty() {
        errors.invalid_all(&path.child("hostname"), host, names::dns1123_label(host));
    }
    node_name(address, path, errors);
    reachable(own, ip, &path.child("ip"), errors);
}

fn node_name(endpoint: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(node) = endpoint.get("nodeName").and_then(Value::as_str) {
        errors.invalid_all(&path.child("nodeName"), node, names::dns1123_subdomain(node));
    }
}

fn app_protocol(port: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
        errors.invalid_all(&path.child("appProtocol"), protocol, names::qualified_name(protocol));
    }
}

/// `maxEndpoints`, `maxPorts`, `maxAddresses`, `maxTopologyLabels`, `maxZoneHints` of upstream's validation.
const MAX_ENDPOINTS: usize = 1000;
const MAX_PORTS: usize = 20_000;
const MAX_ADDRESSES: usize = 100;
const MAX_TOPOLOGY: usize = 16;
const MAX_HINTS: usize = 8;

impl Strategy for EndpointSliceStrategy {
    fn prepare_update(&self, _: &Context, new: &mut Object, old: &Object) {
        // Labels say which Service a slice belongs to: a change of them is one of the slice.
        if new.labels() != old.labels() {
            new.set_at(&["metadata", "generation"], json!(old.generation() + 1));
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        let ty = text(tree, "addressType");
        one_of(ty, &["FQDN", "IPv4", "IPv6"], &Path::new("addressType"), errors);
        let count = items(tree, "endpoints").count();
        if count > MAX_ENDPOINTS {
            errors.too_many(&Path::new("endpoints"), count, MAX_ENDPOINTS);
        } else {
            let own = is_own(new);
            items(tree, "endpoints").for_each(|(at, e)| endpoint(own, ty, e, &Path::new("endpoints").index(at), errors));
        }
        let count = items(tree, "ports").count();
        if count > MAX_PORTS {
            return errors.too_many(&Path::new("ports"), count, MAX_PORTS);
        }
        let mut seen = HashSet::new();
        for (at, port) in items(tree, "ports") {
            let (name, path) = (text(port, "name"), Path::new("ports").index(at));
            if !name.is_empty() {
                errors.invalid_all(&path.child("name"), name, names::dns1123_label(name));
            }
            if !seen.insert(name) {
                errors.duplicate(&path.child("name"), name);
            }
            one_of(text(port, "protocol"), &PROTOCOLS, &path.child("protocol"), errors);
            app_protocol(port, &path, errors);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["addressType"]), old.at(&["addressType"]), &Path::new("addressType"), errors);
    }
}

fn endpoint(own: bool, ty: &str, endpoint: &Value, path: &Path, errors: &mut ErrorList) {
    let at = path.child("addresses");
    let count = items(endpoint, "addresses").count();
    if count == 0 {
        errors.required(&at, "must contain at least 1 address");
    } else if count > MAX_ADDRESSES {
        errors.too_many(&at, count, MAX_ADDRESSES);
    }
    for (index, address) in items(endpoint, "addresses") {
        let (address, at) = (address.as_str().unwrap_or_default(), at.index(index));
        match ty {
            "IPv4" | "IPv6" => {
                let Some(ip) = net::ip(address, &at, errors) else { continue };
                if ip.is_ipv4() != (ty == "IPv4") {
                    errors.invalid(&at, address, &format!("must be an {ty} address"));
                }
                reachable(own, address, &at, errors);
            }
            "FQDN" => domain(address, &at, errors),
            _ => {}
        }
    }
    node_name(endpoint, path, errors);
    let topology = endpoint.get("deprecatedTopology").and_then(Value::as_object);
    let at = path.child("deprecatedTopology");
    if let Some(count) = topology.map(object::Map::len).filter(|count| *count > MAX_TOPOLOGY) {
        errors.too_many(&at, count, MAX_TOPOLOGY);
    }
    meta::labels(topology, &at, errors);
    if let Some(host) = endpoint.get("hostname").and_then(Value::as_str) {
        errors.invalid_all(&path.child("hostname"), host, names::dns1123_label(host));
    }
    let Some(hints) = endpoint.get("hints") else { return };
    for (list, rule) in [("forZones", names::label_value as fn(&str) -> Vec<String>), ("forNodes", names::dns1123_subdomain)] {
        let path = path.child("hints").child(list);
        let count = items(hints, list).count();
        if count > MAX_HINTS {
            errors.too_many(&path, count, MAX_HINTS);
            continue;
        }
        let mut seen = HashSet::new();
        for (at, hint) in items(hints, list) {
            let (name, path) = (text(hint, "name"), path.index(at).child("name"));
            if !seen.insert(name) {
                errors.duplicate(&path, name);
            }
            errors.invalid_all(&path, name, rule(name));
        }
    }
}

/// `IsFullyQualifiedDomainName`.
fn domain(name: &str, path: &Path, errors: &mut ErrorList) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let faults = names::dns1123_subdomain(name);
    if !faults.is_empty() {
        return errors.invalid_all(path, name, faults);
    }
    if !name.contains('.') {
        errors.invalid(path, name, "should be a domain with at least two segments separated by dots");
    }
    for label in name.split('.') {
        let faults = names::dns1123_label(label);
        if !faults.is_empty() {
            errors.invalid(path, label, &faults.join(","));
        }
    }
}
