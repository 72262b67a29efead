//! Nodes, leases, events, endpoints, RBAC objects, RuntimeClasses and wasm plugins: short rules each, by the upstream
//! validation of their groups.

use super::Strategy;
use super::read::{immutable, ip, is_empty, items, label, number, one_of, text};
use object::field::{ErrorList, Path};
use object::{Object, Value, names};

pub struct NodeStrategy;
pub struct LeaseStrategy;
pub struct EventStrategy;
pub struct EndpointsStrategy;
pub struct EndpointSliceStrategy;
pub struct RoleStrategy;
pub struct RoleBindingStrategy;
pub struct RuntimeClassStrategy;
pub struct WasmPluginStrategy;

impl Strategy for NodeStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        let mut seen = std::collections::HashSet::new();
        for (at, taint) in items(spec, "taints") {
            let path = Path::new("spec").child("taints").index(at);
            let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
            errors.invalid_all(&path.child("key"), key, names::qualified_name(key));
            errors.invalid_all(&path.child("value"), value, names::label_value(value));
            one_of(effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"], &path.child("effect"), errors);
            if !seen.insert((key, effect)) {
                errors.duplicate(&path, taint.clone());
            }
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        for field in ["podCIDR", "providerID"] {
            let (is, was) = (new.str_at(&["spec", field]), old.str_at(&["spec", field]));
            if !was.is_empty() && is != was {
                errors
                    .forbidden(&Path::new("spec").child(field), &format!("node updates may not change {field} except from \"\" to valid"));
            }
        }
    }

    fn creates_with_status(&self) -> bool {
        true
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

impl Strategy for LeaseStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        if let Some(seconds) = number(spec, "leaseDurationSeconds").filter(|s| *s <= 0) {
            errors.invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0");
        }
        super::read::non_negative(number(spec, "leaseTransitions"), &path.child("leaseTransitions"), errors);
    }
}

impl Strategy for EventStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let about = new.str_at(&["involvedObject", "namespace"]);
        let path = Path::new("involvedObject").child("namespace");
        // Events about cluster objects lie in `default`.
        if about.is_empty() {
            if !matches!(new.namespace(), "default" | "kube-system") {
                errors.invalid(&path, about, "does not match event.namespace");
            }
        } else if about != new.namespace() {
            errors.invalid(&path, about, "does not match event.namespace");
        }
    }
}

impl Strategy for EndpointsStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        for (at, subset) in items(tree, "subsets") {
            let path = Path::new("subsets").index(at);
            for list in ["addresses", "notReadyAddresses"] {
                for (at, address) in items(subset, list) {
                    ip(text(address, "ip"), &path.child(list).index(at).child("ip"), errors);
                }
            }
            if is_empty(subset.get("addresses")) && is_empty(subset.get("notReadyAddresses")) {
                errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
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
                one_of(text(port, "protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
            }
        }
    }
}

/// `maxEndpoints`, `maxPorts`, `maxAddresses` of upstream's validation.
const MAX_ENDPOINTS: usize = 1000;
const MAX_PORTS: usize = 20_000;
const MAX_ADDRESSES: usize = 100;

impl Strategy for EndpointSliceStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        let ty = text(tree, "addressType");
        one_of(ty, &["FQDN", "IPv4", "IPv6"], &Path::new("addressType"), errors);
        let count = items(tree, "endpoints").count();
        if count > MAX_ENDPOINTS {
            errors.too_many(&Path::new("endpoints"), count, MAX_ENDPOINTS);
        }
        let ports = items(tree, "ports").count();
        if ports > MAX_PORTS {
            errors.too_many(&Path::new("ports"), ports, MAX_PORTS);
        }
        for (at, endpoint) in items(tree, "endpoints") {
            let path = Path::new("endpoints").index(at).child("addresses");
            let addresses = items(endpoint, "addresses").count();
            if addresses == 0 {
                errors.required(&path, "must contain at least 1 address");
            } else if addresses > MAX_ADDRESSES {
                errors.too_many(&path, addresses, MAX_ADDRESSES);
            }
            for (at, address) in items(endpoint, "addresses") {
                let (address, path) = (address.as_str().unwrap_or_default(), path.index(at));
                match ty {
                    "IPv4" if address.parse::<std::net::Ipv4Addr>().is_err() => errors.invalid(&path, address, "must be an IPv4 address"),
                    "IPv6" if address.parse::<std::net::Ipv6Addr>().is_err() => errors.invalid(&path, address, "must be an IPv6 address"),
                    "FQDN" => errors.invalid_all(&path, address, names::dns1123_subdomain(address)),
                    _ => {}
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        for (at, port) in items(tree, "ports") {
            let (name, path) = (text(port, "name"), Path::new("ports").index(at));
            if !name.is_empty() {
                errors.invalid_all(&path.child("name"), name, names::dns1123_label(name));
            }
            if !seen.insert(name) {
                errors.duplicate(&path.child("name"), name);
            }
            one_of(text(port, "protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["addressType"]), old.at(&["addressType"]), &Path::new("addressType"), errors);
    }
}

impl Strategy for RoleStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        for (at, rule) in items(tree, "rules") {
            let path = Path::new("rules").index(at);
            if is_empty(rule.get("verbs")) {
                errors.required(&path.child("verbs"), "verbs must contain at least one value");
            }
            let urls = !is_empty(rule.get("nonResourceURLs"));
            if urls && !new.namespace().is_empty() {
                errors.invalid(
                    &path.child("nonResourceURLs"),
                    rule.get("nonResourceURLs").cloned().unwrap_or_default(),
                    "namespaced rules cannot apply to non-resource URLs",
                );
            }
            if !urls {
                if is_empty(rule.get("apiGroups")) {
                    errors.required(&path.child("apiGroups"), "resource rules must supply at least one api group");
                }
                if is_empty(rule.get("resources")) {
                    errors.required(&path.child("resources"), "resource rules must supply at least one resource");
                }
            }
        }
    }
}

impl Strategy for RoleBindingStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        let namespaced = !new.namespace().is_empty();
        let empty = Value::Null;
        let role = tree.get("roleRef").unwrap_or(&empty);
        let path = Path::new("roleRef");
        if text(role, "apiGroup") != "rbac.authorization.k8s.io" {
            errors.not_supported(&path.child("apiGroup"), text(role, "apiGroup"), &["rbac.authorization.k8s.io"]);
        }
        let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
        if !kinds.contains(&text(role, "kind")) {
            errors.not_supported(&path.child("kind"), text(role, "kind"), kinds);
        }
        if text(role, "name").is_empty() {
            errors.required(&path.child("name"), "");
        }
        for (at, subject) in items(tree, "subjects") {
            let path = Path::new("subjects").index(at);
            if text(subject, "name").is_empty() {
                errors.required(&path.child("name"), "");
            }
            match text(subject, "kind") {
                "ServiceAccount" => {
                    if !namespaced && text(subject, "namespace").is_empty() {
                        errors.required(&path.child("namespace"), "");
                    }
                }
                "User" | "Group" => {}
                other => errors.not_supported(&path.child("kind"), other, &["ServiceAccount", "User", "Group"]),
            }
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        if new.at(&["roleRef"]) != old.at(&["roleRef"]) {
            errors.invalid(&Path::new("roleRef"), new.at(&["roleRef"]).cloned().unwrap_or_default(), "cannot change roleRef");
        }
    }
}

impl Strategy for RuntimeClassStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let handler = new.str_at(&["handler"]);
        errors.invalid_all(&Path::new("handler"), handler, names::dns1123_label(handler));
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["handler"]), old.at(&["handler"]), &Path::new("handler"), errors);
    }
}

impl Strategy for WasmPluginStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        if text(spec, "world").is_empty() {
            errors.required(&path.child("world"), "");
        }
        match (text(spec, "image"), text(spec, "path")) {
            ("", "") => errors.required(&path.child("image"), "must specify `image` or `path`"),
            ("", _) | (_, "") => {}
            _ => errors.forbidden(&path.child("path"), "may not be specified beside `image`"),
        }
        let policy = text(spec, "failurePolicy");
        if !matches!(policy, "" | "Fail" | "Ignore") {
            errors.not_supported(&path.child("failurePolicy"), policy, &["Fail", "Ignore"]);
        }
    }
}
