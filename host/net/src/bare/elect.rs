//! Which node answers for which address: as MetalLB's `speaker/layer2_controller.go` decides it.

use super::{AddressPool, address_of, is_ours};
use object::{Object, ObjectRef, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What a decision is made from.
pub(super) struct World {
    pub services: Vec<Arc<Object>>,
    pub slices: Vec<Arc<Object>>,
    pub nodes: Vec<Arc<Object>>,
}

impl World {
    /// The addresses that `node` is to answer for, with the Services that have them.
    pub(super) fn of_node(&self, node: &str, pool: &AddressPool) -> BTreeMap<Ipv4Addr, Vec<ObjectRef>> {
        let mut by_address: BTreeMap<Ipv4Addr, Vec<&Object>> = BTreeMap::new();
        for service in self.services.iter().filter(|s| is_ours(s)) {
            if let Some(address) = address_of(service, pool) {
                by_address.entry(address).or_default().push(service);
            }
        }
        let able = self.able();
        let elected = |(address, services): (Ipv4Addr, Vec<&Object>)| {
            let winner = able.iter().filter(|n| services.iter().all(|s| self.serves(n, s))).min_by_key(|n| (rank(n, address), **n))?;
            (*winner == node).then(|| (address, services.iter().map(|s| s.reference()).collect()))
        };
        by_address.into_iter().filter_map(elected).collect()
    }

    /// Whether another node could take over what `node` answers for.
    pub(super) fn has_others(&self, node: &str) -> bool {
        self.able().iter().any(|other| *other != node)
    }

    /// Nodes that may answer at all. When none is ready, readiness says nothing: better an answer than none.
    fn able(&self) -> Vec<&str> {
        let allowed = self.nodes.iter().filter(|n| !n.is_deleting() && n.label(EXCLUDED).is_none_or(|v| v == "false"));
        let (ready, silent): (Vec<_>, Vec<_>) = allowed.partition(|n| is_ready(n));
        (if ready.is_empty() { silent } else { ready }).into_iter().map(|n| n.name()).collect()
    }

    /// With `externalTrafficPolicy: Local` only a node with a backend can.
    fn serves(&self, node: &str, service: &Object) -> bool {
        if service.str_at(&["spec", "externalTrafficPolicy"]) != "Local" {
            return true;
        }
        let own = |s: &&Arc<Object>| s.namespace() == service.namespace() && s.label(SERVICE_NAME) == Some(service.name());
        let endpoints = self.slices.iter().filter(own).filter_map(|s| s.at(&["endpoints"])?.as_array()).flatten();
        endpoints.filter(|e| is_serving(e)).filter_map(|e| e.get("nodeName")?.as_str()).collect::<BTreeSet<_>>().contains(node)
    }
}

fn is_ready(node: &Object) -> bool {
    let conditions = node.at(&["status", "conditions"]).and_then(Value::as_array).into_iter().flatten();
    conditions.into_iter().any(|c| c.get("type").is_some_and(|t| t == "Ready") && c.get("status").is_some_and(|s| s == "True"))
}

fn is_serving(endpoint: &Value) -> bool {
    let flag = |name: &str| endpoint.get("conditions").and_then(|c| c.get(name)).and_then(Value::as_bool);
    flag("ready").unwrap_or(true) || flag("serving").unwrap_or(false)
}

/// Equal on all nodes and in all versions, and unlike for unlike addresses, so that they spread over the nodes.
fn rank(node: &str, address: Ipv4Addr) -> u32 {
    object::hash::fnv32a(format!("{node}#{address}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn object(root: Value) -> Arc<Object> {
        Arc::new(Object::from_value(root).unwrap())
    }

    fn node(name: &str, ready: &str, labels: Value) -> Arc<Object> {
        object(json!({"metadata": {"name": name, "labels": labels}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}))
    }

    fn service(name: &str, address: &str, spec: Value) -> Arc<Object> {
        let mut root = json!({"kind": "Service", "metadata": {"name": name, "namespace": "d"}, "spec": {"type": "LoadBalancer"},
            "status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
        object::patch::merge::apply(&mut root["spec"], &spec);
        object(root)
    }

    #[test]
    fn one_able_node_answers_for_each_address() {
        let pool: AddressPool = "192.0.2.0/24".parse().unwrap();
        let check = |nodes: Vec<Arc<Object>>, services: Vec<Arc<Object>>, slices: Vec<Arc<Object>>, expect: &[(&str, &str)]| {
            let world = World { services, slices, nodes };
            let told: Vec<(String, String)> = world
                .nodes
                .iter()
                .flat_map(|n| world.of_node(n.name(), &pool).into_keys().map(|a| (a.to_string(), n.name().to_owned())).collect::<Vec<_>>())
                .collect();
            let expect: Vec<(String, String)> = expect.iter().map(|(a, n)| ((*a).to_owned(), (*n).to_owned())).collect();
            assert_eq!(told, expect);
        };
        let (a, b) = (node("a", "True", json!({})), node("b", "True", json!({})));
        let one = service("s", "192.0.2.1", json!({}));
        check(vec![a.clone()], vec![one.clone()], vec![], &[("192.0.2.1", "a")]);
        check(vec![node("a", "False", json!({})), b.clone()], vec![one.clone()], vec![], &[("192.0.2.1", "b")]);
        check(vec![node("a", "False", json!({}))], vec![one.clone()], vec![], &[("192.0.2.1", "a")]);
        check(vec![node("a", "True", json!({EXCLUDED: ""})), b.clone()], vec![one.clone()], vec![], &[("192.0.2.1", "b")]);
        check(vec![node("a", "True", json!({EXCLUDED: ""}))], vec![one], vec![], &[]);
        for other in [
            service("s", "198.51.100.1", json!({})),
            service("s", "192.0.2.1", json!({"type": "ClusterIP"})),
            service("s", "192.0.2.1", json!({"loadBalancerClass": "a/b"})),
        ] {
            check(vec![a.clone()], vec![other], vec![], &[]);
        }
        // With Local, the node that has a backend.
        let local = service("l", "192.0.2.2", json!({"externalTrafficPolicy": "Local"}));
        let slice = |node: &str, ready: bool| {
            object(json!({"metadata": {"name": "l-1", "namespace": "d", "labels": {SERVICE_NAME: "l"}},
                "endpoints": [{"nodeName": node, "conditions": {"ready": ready}}]}))
        };
        for (on, ready, expect) in [("a", true, vec![("192.0.2.2", "a")]), ("b", true, vec![("192.0.2.2", "b")]), ("b", false, vec![])] {
            check(vec![a.clone(), b.clone()], vec![local.clone()], vec![slice(on, ready)], &expect);
        }
        // Two nodes share the addresses.
        let many: Vec<Arc<Object>> = (1..=20).map(|i| service(&format!("s{i}"), &format!("192.0.2.{i}"), json!({}))).collect();
        let world = World { services: many, slices: vec![], nodes: vec![a, b] };
        let (of_a, of_b) = (world.of_node("a", &pool).len(), world.of_node("b", &pool).len());
        assert!(of_a + of_b == 20 && of_a > 2 && of_b > 2, "{of_a} {of_b}");
        assert!(world.has_others("a"));
    }
}
