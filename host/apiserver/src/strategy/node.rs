//! Nodes (`ValidateNode`, `ValidateNodeUpdate` of `pkg/apis/core/validation`, `pkg/registry/core/node/strategy.go`).

use super::amounts::{name, of_resource, quantity};
use super::read::{entries, items, one_of, text};
use super::{Strategy, net};
use object::field::{ErrorList, Path};
use object::{Object, Value, names};

pub struct NodeStrategy;

impl Strategy for NodeStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        let mut seen = std::collections::HashSet::new();
        for (at, taint) in items(spec, "taints") {
            let path = path.child("taints").index(at);
            let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
            errors.invalid_all(&path.child("key"), key, names::qualified_name(key));
            errors.invalid_all(&path.child("value"), value, names::label_value(value));
            one_of(effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"], &path.child("effect"), errors);
            if !seen.insert((key, effect)) {
                errors.duplicate(&path, taint.clone());
            }
        }
        resources(new, errors);
        let cidrs = pod_cidrs(new);
        let path = path.child("podCIDRs");
        for (at, cidr) in cidrs.iter().enumerate() {
            net::cidr(cidr, &path.index(at), errors);
        }
        let families: Vec<bool> = cidrs.iter().filter_map(|c| net::Cidr::parse(c)).map(|c| c.ip.is_ipv4()).collect();
        let one_of_each = matches!(families.as_slice(), [one, other] if one != other);
        if cidrs.len() > 1 && !one_of_each {
            let all = spec.get("podCIDRs").cloned().unwrap_or_default();
            errors.invalid(&path, all, "may specify no more than one CIDR for each IP family");
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let (is, was) = (pod_cidrs(new), pod_cidrs(old));
        if !was.is_empty() && is != was {
            errors.forbidden(&path.child("podCIDRs"), "node updates may not change podCIDR except from \"\" to valid");
        }
        let (is, was) = (new.str_at(&["spec", "providerID"]), old.str_at(&["spec", "providerID"]));
        if !was.is_empty() && is != was {
            errors.forbidden(&path.child("providerID"), "node updates may not change providerID except from \"\" to valid");
        }
        let external = ["spec", "externalID"];
        if new.str_at(&external) != old.str_at(&external) {
            let told = "node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)";
            errors.forbidden(&Path::root(), told);
        }
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        resources(new, errors);
        let empty = Value::Null;
        let mut seen = Vec::new();
        for (at, address) in items(new.at(&["status"]).unwrap_or(&empty), "addresses") {
            if seen.contains(&address) {
                errors.duplicate(&Path::new("status").child("addresses").index(at), address.clone());
            }
            seen.push(address);
        }
    }

    fn creates_with_status(&self) -> bool {
        true
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

/// The single field is the first of the list (`pkg/apis/core/v1/conversion.go`).
fn pod_cidrs(node: &Object) -> Vec<&str> {
    let list = node.at(&["spec", "podCIDRs"]).and_then(Value::as_array);
    let list: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
    match node.str_at(&["spec", "podCIDR"]) {
        one if list.is_empty() && !one.is_empty() => vec![one],
        _ => list,
    }
}

/// `ValidateNodeResources`.
fn resources(node: &Object, errors: &mut ErrorList) {
    let empty = Value::Null;
    let status = node.at(&["status"]).unwrap_or(&empty);
    for list in ["capacity", "allocatable"] {
        for (resource, value) in entries(status, list) {
            let path = Path::new("status").child(list).key(resource);
            name(resource, &path, errors);
            if let Some(value) = quantity(Some(value)) {
                of_resource(resource, value, &path, errors);
            }
        }
    }
}
