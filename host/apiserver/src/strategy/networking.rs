//! Group networking.k8s.io (`pkg/apis/networking/validation/validation.go`, `pkg/registry/networking/*/strategy.go`).

mod ingress;
mod policy;

pub use ingress::{IngressClassStrategy, IngressStrategy};
pub use policy::NetworkPolicyStrategy;

use super::net;
use super::read::{immutable, is_empty, items, text};
use super::{Context, Strategy};
use object::field::{ErrorList, Path};
use object::{Object, Value, names};

pub struct AddressStrategy;
pub struct ServiceCidrStrategy;

impl Strategy for AddressStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        if !new.name().is_empty() {
            net::canonical_ip(new.name(), &Path::new("metadata").child("name"), errors);
        }
        let path = Path::new("spec").child("parentRef");
        let Some(parent) = new.at(&["spec", "parentRef"]).filter(|p| p.is_object()) else {
            return errors.required(&path, "");
        };
        // The group of Services is empty, so it cannot be required.
        let group = text(parent, "group");
        if !group.is_empty() {
            errors.invalid_all(&path.child("group"), group, names::dns1123_subdomain(group));
        }
        for field in ["resource", "name"] {
            segment(text(parent, field), "", &path.child(field), errors);
        }
        let namespace = text(parent, "namespace");
        errors.invalid_all(&path.child("namespace"), namespace, names::path_segment(namespace));
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec").child("parentRef");
        immutable(new.at(&["spec", "parentRef"]), old.at(&["spec", "parentRef"]), &path, errors);
    }
}

/// A required segment of a path.
fn segment(value: &str, required: &str, path: &Path, errors: &mut ErrorList) {
    if value.is_empty() {
        errors.required(path, required);
    } else {
        errors.invalid_all(path, value, names::path_segment(value));
    }
}

impl Strategy for ServiceCidrStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], object::json!({}));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec").child("cidrs");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        let cidrs: Vec<&str> = items(spec, "cidrs").filter_map(|(_, c)| c.as_str()).collect();
        match cidrs.as_slice() {
            [] => return errors.required(&path, "at least one CIDR required"),
            [_] => {}
            [one, other] => {
                let family = |c: &str| net::Cidr::parse(c).map(|c| c.ip.is_ipv4());
                let (one, other) = (family(one), family(other));
                if one.is_none() || other.is_none() || one == other {
                    let told = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
                    return errors.invalid(&path, spec.clone(), told);
                }
            }
            _ => return errors.invalid(&path, spec.clone(), "may only hold up to 2 values"),
        }
        for (at, cidr) in cidrs.iter().enumerate() {
            net::canonical_cidr(cidr, &path.index(at), errors);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["spec", "cidrs"]), old.at(&["spec", "cidrs"]), &Path::new("spec").child("cidrs"), errors);
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

/// `ValidateLoadBalancerStatus`, as far as Ingresses and Services have it in common.
pub fn ingress_points(status: &Value, path: &Path, errors: &mut ErrorList) {
    for (at, point) in items(status, "ingress") {
        let path = path.child("ingress").index(at);
        let (ip, host) = (text(point, "ip"), text(point, "hostname"));
        if !ip.is_empty() {
            net::ip(ip, &path.child("ip"), errors);
        }
        if !is_empty(point.get("hostname")) {
            errors.invalid_all(&path.child("hostname"), host, names::dns1123_subdomain(host));
            if net::parse_ip(host).is_some() {
                errors.invalid(&path.child("hostname"), host, "must be a DNS name, not an IP address");
            }
        }
    }
}
