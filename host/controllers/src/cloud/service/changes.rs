//! Which changes of a Service are its balancer's business.

use super::FINALIZER;
use crate::view::list;
use object::{Object, Value};

pub(super) fn wants_balancer(service: &Object) -> bool {
    service.str_at(&["spec", "type"]) == "LoadBalancer" && service.at(&["spec", "loadBalancerClass"]).is_none_or(Value::is_null)
}

/// The finalizer is there and the Service is going, or of another type now.
pub(super) fn needs_cleanup(service: &Object) -> bool {
    let ours = service.finalizers().contains(&FINALIZER);
    ours && (service.is_deleting() || service.str_at(&["spec", "type"]) != "LoadBalancer")
}

/// Fields that a balancer may depend on, beside ports.
const FIELDS: [&str; 8] = [
    "loadBalancerSourceRanges",
    "sessionAffinity",
    "sessionAffinityConfig",
    "loadBalancerIP",
    "externalIPs",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "ipFamilies",
];

const PORT_FIELDS: [&str; 6] = ["name", "protocol", "port", "nodePort", "targetPort", "appProtocol"];

/// Upstream's `needsUpdate`.
pub(super) fn needs_update(old: &Object, new: &Object) -> bool {
    match (wants_balancer(old), wants_balancer(new)) {
        (false, false) => return false,
        (true, true) => {}
        _ => return true,
    }
    old.uid() != new.uid()
        || old.at(&["metadata", "annotations"]) != new.at(&["metadata", "annotations"])
        || FIELDS.iter().any(|field| old.at(&["spec", field]) != new.at(&["spec", field]))
        || ports(old) != ports(new)
}

fn ports(service: &Object) -> Vec<Vec<Option<&Value>>> {
    list(service, &["spec", "ports"]).iter().map(|port| PORT_FIELDS.iter().map(|field| port.get(*field)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn service(ty: &str, more: Value) -> Object {
        let mut root = json!({"metadata": {"uid": "u"}, "spec": {"type": ty, "ports": [{"port": 80, "nodePort": 30080}]}});
        object::patch::merge::apply(&mut root, &more);
        Object::from_value(root).unwrap()
    }

    #[test]
    fn only_what_matters_to_a_balancer_is_an_update() {
        let check = |ty: &str, more: Value, expect: bool| {
            let (old, new) = (service("LoadBalancer", json!({})), service(ty, more.clone()));
            assert_eq!(needs_update(&old, &new), expect, "{ty} {more}");
        };
        check("LoadBalancer", json!({}), false);
        check("LoadBalancer", json!({"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}), false);
        check("LoadBalancer", json!({"metadata": {"finalizers": [FINALIZER], "labels": {"a": "b"}}}), false);
        check("LoadBalancer", json!({"spec": {"selector": {"a": "b"}}}), false);
        check("ClusterIP", json!({}), true);
        check("LoadBalancer", json!({"spec": {"loadBalancerClass": "a/b"}}), true);
        check("LoadBalancer", json!({"metadata": {"uid": "other"}}), true);
        check("LoadBalancer", json!({"metadata": {"annotations": {"a": "b"}}}), true);
        check("LoadBalancer", json!({"spec": {"ports": [{"port": 80, "nodePort": 30081}]}}), true);
        for field in FIELDS {
            check("LoadBalancer", json!({"spec": {field: ["x"]}}), true);
        }
        assert!(!needs_update(&service("ClusterIP", json!({})), &service("NodePort", json!({}))));
    }

    #[test]
    fn what_has_the_finalizer_and_should_not_is_cleaned_up() {
        let check = |ty: &str, metadata: Value, expect: bool| {
            assert_eq!(needs_cleanup(&service(ty, json!({ "metadata": metadata.clone() }))), expect, "{ty} {metadata}");
        };
        check("LoadBalancer", json!({"finalizers": [FINALIZER]}), false);
        check("LoadBalancer", json!({"finalizers": [FINALIZER], "deletionTimestamp": "2026-01-01T00:00:00Z"}), true);
        check("LoadBalancer", json!({"finalizers": ["other"], "deletionTimestamp": "2026-01-01T00:00:00Z"}), false);
        check("ClusterIP", json!({"finalizers": [FINALIZER]}), true);
        check("ClusterIP", json!({}), false);
    }
}
