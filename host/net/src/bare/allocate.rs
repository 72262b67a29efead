//! Who gets which address: the rules of MetalLB's `internal/allocator/allocator.go`.
//!
//! A Service keeps its address while it may. One that asks for an address gets that or none. An address is shared only by
//! Services that say so with the same key, whose ports differ, and whose packets go to the same pods where the policy is
//! `Local` (any node may answer then, and must have them all).

use super::AddressPool;
use object::{Object, Value};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Says with whom an address may be shared. MetalLB's own names are understood, so that its manifests need no change.
const SHARING: [&str; 3] = ["coracle.dev/allow-shared-ip", "metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip"];
/// An address by annotation, for those who avoid the deprecated field.
const WANTED: [&str; 3] = ["coracle.dev/load-balancer-ip", "metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"];

/// What a Service takes of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// `namespace/name`.
    pub service: String,
    pub address: Ipv4Addr,
    need: Need,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    ports: BTreeSet<(String, i64)>,
    /// Empty: shares with nobody.
    sharing: String,
    backend: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no address is left in the pool {pool}")]
    Exhausted { pool: String },
    #[error("{address} is not in the pool {pool}")]
    NotInPool { address: String, pool: String },
    #[error("{address} is in use by {service}{hint}")]
    InUse { address: Ipv4Addr, service: String, hint: &'static str },
    #[error("the pool has IPv4 addresses only")]
    Family,
}

impl Need {
    pub(super) fn of(service: &Object) -> Self {
        let text = |port: &Value, key: &str, default: &str| port.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
        let ports = service.at(&["spec", "ports"]).and_then(Value::as_array).into_iter().flatten();
        let local = service.str_at(&["spec", "externalTrafficPolicy"]) == "Local";
        let backend = if local { service.at(&["spec", "selector"]).map(ToString::to_string).unwrap_or_default() } else { String::new() };
        Self {
            ports: ports.map(|p| (text(p, "protocol", "TCP"), p.get("port").and_then(Value::as_i64).unwrap_or_default())).collect(),
            sharing: annotation(service, &SHARING),
            backend,
        }
    }

    /// Whether both may have one address; else why not.
    fn goes_with(&self, other: &Self) -> Result<(), &'static str> {
        if self.sharing.is_empty() || self.sharing != other.sharing {
            return Err(", and not shared with this Service");
        }
        if self.backend != other.backend {
            return Err(": with externalTrafficPolicy Local, Services that share an address need the same selector");
        }
        if !self.ports.is_disjoint(&other.ports) {
            return Err(" on the same port");
        }
        Ok(())
    }
}

impl Claim {
    pub(super) fn new(service: &Object, address: Ipv4Addr) -> Self {
        Self { service: format!("{}/{}", service.namespace(), service.name()), address, need: Need::of(service) }
    }
}

fn annotation(service: &Object, names: &[&str]) -> String {
    names.iter().find_map(|name| service.annotation(name)).unwrap_or_default().to_owned()
}

/// The address for a Service, which has `current` now, beside the claims of all others.
pub(super) fn choose(service: &Object, current: Option<Ipv4Addr>, pool: &AddressPool, others: &[Claim]) -> Result<Ipv4Addr, Refusal> {
    let families = service.at(&["spec", "ipFamilies"]).and_then(Value::as_array);
    if families.is_some_and(|all| !all.is_empty() && !all.iter().any(|f| f == "IPv4")) {
        return Err(Refusal::Family);
    }
    let need = Need::of(service);
    let free = |address: Ipv4Addr| {
        others.iter().filter(|claim| claim.address == address).try_for_each(|claim| {
            let refused = |hint| Refusal::InUse { address, service: claim.service.clone(), hint };
            need.goes_with(&claim.need).map_err(refused)
        })
    };
    let field = service.str_at(&["spec", "loadBalancerIP"]);
    let asked = if field.is_empty() { annotation(service, &WANTED) } else { field.to_owned() };
    if !asked.is_empty() {
        let address = asked.trim().parse().ok().filter(|a| pool.contains(*a));
        let address = address.ok_or_else(|| Refusal::NotInPool { address: asked, pool: pool.to_string() })?;
        return free(address).map(|()| address);
    }
    if let Some(current) = current.filter(|a| pool.contains(*a) && free(*a).is_ok()) {
        return Ok(current);
    }
    pool.addresses().find(|address| free(*address).is_ok()).ok_or_else(|| Refusal::Exhausted { pool: pool.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn service(spec: Value, annotations: Value) -> Object {
        let metadata = json!({"name": "s", "namespace": "d", "annotations": annotations});
        Object::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    fn web(port: i64, key: &str) -> Object {
        let annotations = if key.is_empty() { json!({}) } else { json!({SHARING[0]: key}) };
        service(json!({"ports": [{"port": port, "protocol": "TCP"}]}), annotations)
    }

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, last)
    }

    #[test]
    fn addresses_are_given_out_by_the_rules() {
        let pool: AddressPool = "192.0.2.1-192.0.2.3".parse().unwrap();
        let check = |service: &Object, current: Option<u8>, others: &[(&Object, u8)], expect: Result<u8, &str>| {
            let others: Vec<Claim> = others.iter().map(|(s, last)| Claim::new(s, ip(*last))).collect();
            let got = choose(service, current.map(ip), &pool, &others).map(|a| a.octets()[3]);
            assert_eq!(got.map_err(|e| e.to_string()), expect.map_err(str::to_owned));
        };
        let plain = web(80, "");
        check(&plain, None, &[], Ok(1));
        check(&plain, Some(3), &[], Ok(3));
        check(&plain, Some(9), &[], Ok(1));
        check(&plain, Some(1), &[(&plain, 1)], Ok(2));
        check(&plain, None, &[(&plain, 1), (&plain, 3)], Ok(2));
        check(&plain, None, &[(&plain, 1), (&plain, 2), (&plain, 3)], Err("no address is left in the pool 192.0.2.1-192.0.2.3"));
        let asks = |address: &str| service(json!({"loadBalancerIP": address, "ports": [{"port": 80}]}), json!({}));
        check(&asks("192.0.2.2"), Some(1), &[], Ok(2));
        check(&asks("192.0.2.2"), None, &[(&plain, 2)], Err("192.0.2.2 is in use by d/s, and not shared with this Service"));
        check(&asks("192.0.2.9"), None, &[], Err("192.0.2.9 is not in the pool 192.0.2.1-192.0.2.3"));
        check(&asks("many"), None, &[], Err("many is not in the pool 192.0.2.1-192.0.2.3"));
        check(&service(json!({"ports": []}), json!({WANTED[1]: "192.0.2.3"})), None, &[], Ok(3));
        check(&service(json!({"ipFamilies": ["IPv6"]}), json!({})), None, &[], Err("the pool has IPv4 addresses only"));
    }

    #[test]
    fn sharing_needs_the_key_other_ports_and_the_same_pods() {
        let check = |a: &Object, b: &Object, expect: bool| {
            assert_eq!(Need::of(a).goes_with(&Need::of(b)).is_ok(), expect, "{a:?} {b:?}");
            assert_eq!(Need::of(b).goes_with(&Need::of(a)).is_ok(), expect, "the other way");
        };
        check(&web(80, "k"), &web(443, "k"), true);
        check(&web(80, "k"), &web(80, "k"), false);
        check(&web(80, "k"), &web(443, "other"), false);
        check(&web(80, ""), &web(443, ""), false);
        check(&web(80, "k"), &web(443, ""), false);
        let udp = service(json!({"ports": [{"port": 80, "protocol": "UDP"}]}), json!({SHARING[1]: "k"}));
        check(&web(80, "k"), &udp, true);
        let local = |port: i64, app: &str| {
            let spec = json!({"ports": [{"port": port}], "externalTrafficPolicy": "Local", "selector": {"app": app}});
            service(spec, json!({SHARING[0]: "k"}))
        };
        check(&local(80, "a"), &local(443, "a"), true);
        check(&local(80, "a"), &local(443, "b"), false);
        check(&local(80, "a"), &web(443, "k"), false);
    }
}
