//! Services: cluster IPs and node ports (`pkg/registry/core/service/strategy.go`, `storage/alloc.go`).

mod allocator;
mod repair;
mod validate;
mod warnings;

pub use allocator::{ADDRESSES, Allocator, PORTS, Taken};
pub use repair::repair;

use super::read::{is_empty, text};
use super::{Claims, Context, Strategy};
use bytes::Bytes;
use object::field::ErrorList;
use object::{Object, StatusError, Value, json};

pub struct ServiceStrategy;

fn needs_ip(service: &Object) -> bool {
    service.str_at(&["spec", "type"]) != "ExternalName"
}

fn needs_node_ports(service: &Object) -> bool {
    matches!(service.str_at(&["spec", "type"]), "NodePort" | "LoadBalancer")
}

/// `ExternallyAccessible` (`pkg/api/service/util.go`).
fn externally_accessible(service: &Object) -> bool {
    match service.str_at(&["spec", "type"]) {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => !is_empty(service.at(&["spec", "externalIPs"])),
        _ => false,
    }
}

/// `NeedsHealthCheck`.
fn needs_health_check(service: &Object) -> bool {
    service.str_at(&["spec", "type"]) == "LoadBalancer" && service.str_at(&["spec", "externalTrafficPolicy"]) == "Local"
}

fn ports_mut(service: &mut Object) -> impl Iterator<Item = &mut object::Map<String, Value>> {
    let ports = service.as_map_mut().get_mut("spec").and_then(|s| s.get_mut("ports")).and_then(Value::as_array_mut);
    ports.into_iter().flatten().filter_map(Value::as_object_mut)
}

impl Strategy for ServiceStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "loadBalancer": {} }));
        normalise(new, None);
    }

    fn prepare_update(&self, context: &Context, new: &mut Object, old: &Object) {
        if context.subresource.is_some() {
            return;
        }
        // What was allocated stays, for clients that leave it out (`patchAllocatedValues`).
        if needs_ip(new) && needs_ip(old) && is_empty(new.at(&["spec", "clusterIP"])) {
            for field in ["clusterIP", "clusterIPs"] {
                if let Some(value) = old.at(&["spec", field]) {
                    new.set_at(&["spec", field], value.clone());
                }
            }
        }
        let old_ports: Vec<Value> = old.at(&["spec", "ports"]).and_then(Value::as_array).cloned().unwrap_or_default();
        let node_port = |port: &Value| port.get("nodePort").and_then(Value::as_i64).filter(|p| *p > 0);
        if needs_node_ports(new) && needs_node_ports(old) {
            let asked: Vec<i64> =
                new.at(&["spec", "ports"]).and_then(Value::as_array).into_iter().flatten().filter_map(node_port).collect();
            for port in ports_mut(new) {
                let same = |o: &&Value| {
                    o.get("port") == port.get("port")
                        && text(*o, "protocol") == port.get("protocol").and_then(Value::as_str).unwrap_or_default()
                };
                let number = old_ports.iter().find(same).and_then(node_port).filter(|n| !asked.contains(n));
                if let (None, Some(number)) = (port.get("nodePort").and_then(Value::as_i64).filter(|p| *p > 0), number) {
                    port.insert("nodePort".to_owned(), json!(number));
                }
            }
        }
        // A type that has no node ports drops the old ones, if the client did not ask for new ones (`dropTypeDependentFields`).
        if needs_node_ports(old) && !needs_node_ports(new) {
            let had: Vec<i64> = old_ports.iter().filter_map(node_port).collect();
            for port in ports_mut(new) {
                if port.get("nodePort").and_then(Value::as_i64).is_some_and(|p| had.contains(&p)) {
                    port.remove("nodePort");
                }
            }
        }
        let policy = ["spec", "externalTrafficPolicy"];
        if externally_accessible(old) && !externally_accessible(new) && new.at(&policy) == old.at(&policy) {
            new.remove_at(&policy);
        }
        if needs_ip(old) && !needs_ip(new) {
            if new.at(&["spec", "clusterIP"]) == old.at(&["spec", "clusterIP"]) {
                new.remove_at(&["spec", "clusterIP"]);
                new.remove_at(&["spec", "clusterIPs"]);
            }
            drop_same(new, old, &["ipFamilies", "ipFamilyPolicy"]);
        }
        let health = ["spec", "healthCheckNodePort"];
        if needs_health_check(old) && needs_health_check(new) {
            if let (None | Some(0), Some(port)) = (new.at(&health).and_then(Value::as_i64), old.at(&health)) {
                new.set_at(&health, port.clone());
            }
        } else if needs_health_check(old) {
            drop_same(new, old, &["healthCheckNodePort"]);
        }
        if old.str_at(&["spec", "type"]) == "LoadBalancer" && new.str_at(&["spec", "type"]) != "LoadBalancer" {
            drop_same(new, old, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
        }
        normalise(new, Some(old));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        validate::validate(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        validate::validate_update(new, old, errors);
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        warnings::of(new)
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        validate::validate_status(new, errors);
    }

    fn allocates(&self) -> bool {
        true
    }

    fn allocate(&self, context: &Context, new: &mut Object, old: Option<&Object>, taken: &Taken) -> Result<Claims, StatusError> {
        context.shared.allocator.allocate(new, old, taken)
    }

    fn releases(&self, object: &Object) -> Result<Vec<Bytes>, StatusError> {
        Ok(allocator::held(object)?.into_iter().map(|(key, _)| key).collect())
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

/// What no longer applies goes, unless the client changed it too.
fn drop_same(new: &mut Object, old: &Object, fields: &[&str]) {
    for field in fields {
        if new.at(&["spec", field]) == old.at(&["spec", field]) {
            new.remove_at(&["spec", field]);
        }
    }
}

/// `NormalizeClusterIPs`: the list follows the single field when only that was given or changed.
fn normalise(new: &mut Object, old: Option<&Object>) {
    let one = new.str_at(&["spec", "clusterIP"]).to_owned();
    let same_list = old.is_none_or(|o| o.at(&["spec", "clusterIPs"]) == new.at(&["spec", "clusterIPs"]));
    let changed = old.is_some_and(|o| o.str_at(&["spec", "clusterIP"]) != one);
    if is_empty(new.at(&["spec", "clusterIPs"])) && !one.is_empty() {
        new.set_at(&["spec", "clusterIPs"], json!([one]));
    } else if changed && same_list {
        if one.is_empty() {
            new.remove_at(&["spec", "clusterIPs"]);
        } else {
            new.set_at(&["spec", "clusterIPs"], json!([one]));
        }
    }
}
