//! Which cluster IPs and node ports Services take. What is taken is a key of its own in the store, made in the very
//! transaction that writes the Service and deleted with it: so no two Services of however many API servers share one, and none
//! is lost or left over. A cluster IP's key is its IPAddress object, as of upstream's allocator
//! (`pkg/registry/core/service/ipallocator/ipallocator.go`); a node port's is `/registry/ranges/servicenodeports/<port>`
//! (upstream: one bitmap object, over which all writers conflict).
//!
//! Numbers are chosen at random without asking: in a range that is not nearly full the choice is mostly free. What turns out
//! to be taken is avoided in the next try ([`Taken`]).

use crate::stored;
use crate::strategy::Claims;
use bytes::Bytes;
use object::{GroupKind, Object, StatusCause, StatusError, Value, json};
use rand::Rng;
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// The first addresses of the range are not handed out at random but kept for those who ask for them by name: the API
/// server's own, the cluster DNS (KEP-3070 keeps min(max(16, size/16), 256)).
const STATIC_BAND: u32 = 256;

/// Where IPAddress objects are stored.
pub const ADDRESSES: &str = "/registry/networking.k8s.io/ipaddresses/";
pub const PORTS: &str = "/registry/ranges/servicenodeports/";
/// Marks the IPAddress objects that stand for Services (`networkingv1.LabelManagedBy`, `ipallocator.ControllerName`).
pub const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
pub const MANAGER: &str = "ipallocator.k8s.io";

pub struct Allocator {
    cidr: (Ipv4Addr, u8),
    ports: (u16, u16),
}

/// Keys that are known to be taken.
#[derive(Debug, Default)]
pub struct Taken(pub HashSet<Bytes>);

impl Taken {
    fn ip(&self, ip: u32) -> bool {
        self.0.contains(&ip_key(ip))
    }

    fn port(&self, port: u16) -> bool {
        self.0.contains(&port_key(port))
    }
}

impl Allocator {
    pub fn new(cidr: (Ipv4Addr, u8), ports: (u16, u16)) -> Self {
        Self { cidr, ports }
    }

    /// The address at an offset of the range; 1 is the `kubernetes` Service, 10 the cluster DNS.
    pub fn address(&self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base().wrapping_add(offset))
    }

    fn base(&self) -> u32 {
        u32::from(self.cidr.0) & u32::MAX.checked_shl(32 - u32::from(self.cidr.1)).unwrap_or(0)
    }

    fn size(&self) -> u32 {
        1u32.checked_shl(32 - u32::from(self.cidr.1)).unwrap_or(u32::MAX)
    }

    fn contains(&self, ip: u32) -> bool {
        ip.checked_sub(self.base()).is_some_and(|offset| offset > 0 && offset < self.size().saturating_sub(1))
    }

    /// Fills `clusterIP`, `clusterIPs`, `ipFamilies`, `ipFamilyPolicy` and node ports. What the write takes and what it gives up.
    pub fn allocate(&self, new: &mut Object, old: Option<&Object>, taken: &Taken) -> Result<Claims, StatusError> {
        let (had_ips, had_ports) = old.map(|o| (ips_of(o), ports_of(o))).unwrap_or_default();
        if let Err(cause) = self.fill(taken, new, &had_ips, &had_ports) {
            let kind = GroupKind { group: String::new(), kind: "Service".to_owned() };
            return Err(StatusError::invalid(&kind, new.name(), vec![cause]));
        }
        let (now_ips, now_ports) = (ips_of(new), ports_of(new));
        let mut claims = Claims::default();
        for ip in now_ips.iter().filter(|ip| !had_ips.contains(ip)) {
            claims.takes.push((ip_key(*ip), ip_object(*ip, new)?));
        }
        for port in now_ports.iter().filter(|port| !had_ports.contains(port)) {
            claims.takes.push((port_key(*port), port_value(new)));
        }
        claims.leaves.extend(had_ips.iter().filter(|ip| !now_ips.contains(ip)).map(|ip| ip_key(*ip)));
        claims.leaves.extend(had_ports.iter().filter(|port| !now_ports.contains(port)).map(|port| port_key(*port)));
        Ok(claims)
    }

    fn fill(&self, taken: &Taken, new: &mut Object, had_ips: &[u32], had_ports: &[u16]) -> Result<(), StatusCause> {
        let ty = new.str_at(&["spec", "type"]).to_owned();
        if ty == "ExternalName" {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                new.remove_at(&["spec", field]);
            }
            return Ok(());
        }
        let asked = new.str_at(&["spec", "clusterIP"]).to_owned();
        // The cluster has IPv4 addresses only. A headless Service without a selector needs none of the cluster's.
        if asked != "None" || new.at(&["spec", "selector"]).is_some() {
            single_stack(new)?;
        }
        let ip = match asked.as_str() {
            "None" => "None".to_owned(),
            "" => {
                let ip = self.free_ip(taken).ok_or_else(|| {
                    cause("spec.clusterIPs", "InternalError", "Internal error: failed to allocate a serviceIP: range is full".to_owned())
                })?;
                Ipv4Addr::from(ip).to_string()
            }
            text => {
                let refuse = |told: &str| {
                    cause(
                        "spec.clusterIPs",
                        "FieldValueInvalid",
                        format!("Invalid value: [\"{text}\"]: failed to allocate IP {text}: {told}"),
                    )
                };
                let ip = text.parse::<Ipv4Addr>().map(u32::from).map_err(|_| refuse("the provided IP is not a valid IPv4 address"))?;
                if !had_ips.contains(&ip) {
                    if !self.contains(ip) {
                        return Err(refuse(&format!(
                            "the provided IP ({text}) is not in the valid range. The range of valid IPs is {}/{}",
                            self.cidr.0, self.cidr.1
                        )));
                    }
                    if taken.ip(ip) {
                        return Err(refuse("provided IP is already allocated"));
                    }
                }
                text.to_owned()
            }
        };
        new.set_at(&["spec", "clusterIP"], json!(ip));
        new.set_at(&["spec", "clusterIPs"], json!([ip]));
        new.set_at(&["spec", "ipFamilies"], json!(["IPv4"]));
        if new.str_at(&["spec", "ipFamilyPolicy"]).is_empty() {
            new.set_at(&["spec", "ipFamilyPolicy"], json!("SingleStack"));
        }
        self.fill_ports(taken, new, &ty, had_ports)?;
        self.fill_health_check(taken, new, had_ports)
    }

    /// The port at which each node tells whether it has a local backend.
    fn fill_health_check(&self, taken: &Taken, new: &mut Object, had: &[u16]) -> Result<(), StatusCause> {
        if !super::needs_health_check(new) {
            return Ok(());
        }
        let path = ["spec", "healthCheckNodePort"];
        let asked = new.at(&path).and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0);
        new.remove_at(&path);
        let mine: HashSet<u16> = ports_of(new).into_iter().collect();
        let number = match asked {
            Some(number) if had.contains(&number) => number,
            Some(number) if taken.port(number) || mine.contains(&number) => {
                let told = format!("failed to allocate requested HealthCheck NodePort {number}: provided port is already allocated");
                return Err(cause("spec.healthCheckNodePort", "InternalError", format!("Internal error: {told}")));
            }
            Some(number) => number,
            None => self.free_port(taken, &mine).ok_or_else(|| {
                let told = "Internal error: failed to allocate a HealthCheck NodePort port: range is full";
                cause("spec.healthCheckNodePort", "InternalError", told.to_owned())
            })?,
        };
        new.set_at(&path, json!(number));
        Ok(())
    }

    fn fill_ports(&self, taken: &Taken, new: &mut Object, ty: &str, had: &[u16]) -> Result<(), StatusCause> {
        let wanted = ty == "NodePort"
            || (ty == "LoadBalancer" && new.at(&["spec", "allocateLoadBalancerNodePorts"]).and_then(Value::as_bool) != Some(false));
        let Some(mut ports) = new.at(&["spec", "ports"]).and_then(Value::as_array).cloned() else { return Ok(()) };
        // One number may serve the same port by several protocols of one Service.
        let mut mine: HashSet<u16> = had.iter().copied().collect();
        for (at, port) in ports.iter_mut().enumerate() {
            let Some(port) = port.as_object_mut() else { continue };
            let asked = port.get("nodePort").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0);
            match asked {
                // The type no longer has node ports.
                Some(_) if !wanted && ty != "LoadBalancer" => {
                    port.remove("nodePort");
                }
                Some(number) if mine.contains(&number) => {}
                Some(number) => {
                    let path = format!("spec.ports[{at}].nodePort");
                    if number < self.ports.0 || number > self.ports.1 {
                        let (low, high) = self.ports;
                        let told = format!(
                            "Invalid value: {number}: provided port is not in the valid range. The range of valid ports is {low}-{high}"
                        );
                        return Err(cause(&path, "FieldValueInvalid", told));
                    }
                    if taken.port(number) {
                        return Err(cause(
                            &path,
                            "FieldValueInvalid",
                            format!("Invalid value: {number}: provided port is already allocated"),
                        ));
                    }
                    mine.insert(number);
                }
                None if wanted => {
                    let number = self.free_port(taken, &mine).ok_or_else(|| {
                        cause("spec.ports", "InternalError", "Internal error: failed to allocate a nodePort: range is full".to_owned())
                    })?;
                    mine.insert(number);
                    port.insert("nodePort".to_owned(), json!(number));
                }
                None => {}
            }
        }
        new.set_at(&["spec", "ports"], Value::Array(ports));
        Ok(())
    }

    fn free_ip(&self, taken: &Taken) -> Option<u32> {
        // Network and broadcast addresses are left out.
        let last = self.size().saturating_sub(2);
        let band = STATIC_BAND.min((self.size() / 16).max(16)).min(last);
        let pick = |low: u32, high: u32| {
            let span = high.checked_sub(low)?.checked_add(1)?;
            let first = rand::rng().random_range(0..span);
            (0..span).map(|i| self.base() + low + (first + i) % span).find(|ip| !taken.ip(*ip))
        };
        pick(band + 1, last).or_else(|| pick(1, band))
    }

    fn free_port(&self, taken: &Taken, mine: &HashSet<u16>) -> Option<u16> {
        let (low, high) = (u32::from(self.ports.0), u32::from(self.ports.1));
        let span = high.checked_sub(low)?.checked_add(1)?;
        let first = rand::rng().random_range(0..span);
        (0..span).filter_map(|i| u16::try_from(low + (first + i) % span).ok()).find(|port| !mine.contains(port) && !taken.port(*port))
    }
}

/// `initIPFamilyFields` on a cluster of IPv4 only.
fn single_stack(service: &Object) -> Result<(), StatusCause> {
    let families = service.at(&["spec", "ipFamilies"]).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, family) in families.iter().enumerate() {
        let path = format!("spec.ipFamilies[{at}]");
        match family.as_str().unwrap_or_default() {
            "IPv4" => {}
            "IPv6" => return Err(cause(&path, "FieldValueInvalid", "Invalid value: \"IPv6\": not configured on this cluster".to_owned())),
            _ => {
                let told = format!("Unsupported value: {family}: supported values: \"IPv4\", \"IPv6\"");
                return Err(cause(&path, "FieldValueNotSupported", told));
            }
        }
    }
    if service.str_at(&["spec", "ipFamilyPolicy"]) == "RequireDualStack" {
        let told = "Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services".to_owned();
        return Err(cause("spec.ipFamilyPolicy", "FieldValueInvalid", told));
    }
    Ok(())
}

fn cause(field: &str, reason: &str, message: String) -> StatusCause {
    StatusCause { reason: reason.to_owned(), message, field: field.to_owned() }
}

/// The keys that a Service holds, with what stands there.
pub fn held(service: &Object) -> Result<Vec<(Bytes, Bytes)>, StatusError> {
    let mut held = Vec::new();
    for ip in ips_of(service) {
        held.push((ip_key(ip), ip_object(ip, service)?));
    }
    held.extend(ports_of(service).into_iter().map(|port| (port_key(port), port_value(service))));
    Ok(held)
}

fn ip_key(ip: u32) -> Bytes {
    format!("{ADDRESSES}{}", Ipv4Addr::from(ip)).into()
}

fn port_key(port: u16) -> Bytes {
    format!("{PORTS}{port}").into()
}

/// The IPAddress that stands for a Service's address (`newIPAddress`).
fn ip_object(ip: u32, service: &Object) -> Result<Bytes, StatusError> {
    let labels = json!({ MANAGED_BY: MANAGER, "ipaddress.kubernetes.io/ip-family": "IPv4" });
    let object = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
        "metadata": {
            "name": Ipv4Addr::from(ip).to_string(), "labels": labels,
            "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": object::time::now(),
        },
        "spec": { "parentRef": { "group": "", "resource": "services", "namespace": service.namespace(), "name": service.name() } },
    });
    let object = Object::from_value(object).ok_or_else(|| StatusError::internal("an IPAddress is an object"))?;
    stored::encode(&object).map_err(StatusError::internal)
}

fn port_value(service: &Object) -> Bytes {
    json!({ "service": format!("{}/{}", service.namespace(), service.name()) }).to_string().into()
}

fn ips_of(service: &Object) -> Vec<u32> {
    service.str_at(&["spec", "clusterIP"]).parse::<Ipv4Addr>().map(u32::from).into_iter().collect()
}

/// Each once: one number may serve several protocols.
fn ports_of(service: &Object) -> Vec<u16> {
    let ports = service.at(&["spec", "ports"]).and_then(Value::as_array);
    let number = |p: &Value| p.get("nodePort").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
    let health = service.at(&["spec", "healthCheckNodePort"]).and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    let mut numbers: Vec<u16> = ports.into_iter().flatten().filter_map(number).chain(health.filter(|n| *n > 0)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
