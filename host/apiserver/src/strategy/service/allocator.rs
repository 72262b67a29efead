//! Which cluster IPs and node ports are taken. Derived from the Services that exist, read once on first use; after that
//! every write of a Service passes here. Several servers on one store need a shared allocator instead.

use crate::server::Shared;
use object::{GroupKind, Object, StatusCause, StatusError, Value, json};
use parking_lot::Mutex;
use rand::Rng;
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// The first addresses of the range are not handed out at random but kept for those who ask for them by name: the API
/// server's own, the cluster DNS (KEP-3070 keeps min(max(16, size/16), 256)).
const STATIC_BAND: u32 = 256;

pub struct Allocator {
    cidr: (Ipv4Addr, u8),
    ports: (u16, u16),
    state: Mutex<Option<Taken>>,
}

#[derive(Default)]
struct Taken {
    ips: HashSet<u32>,
    ports: HashSet<u16>,
}

/// What one write took. Given back on drop unless the write commits.
pub struct Reservation<'s> {
    allocator: &'s Allocator,
    ips: Vec<u32>,
    ports: Vec<u16>,
    /// Taken by the state before and no longer needed: given back when the write commits.
    left: (Vec<u32>, Vec<u16>),
}

impl Reservation<'_> {
    /// The write committed.
    pub fn keep(mut self) {
        self.ips.clear();
        self.ports.clear();
        let (ips, ports) = std::mem::take(&mut self.left);
        self.allocator.give_back(&ips, &ports);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.allocator.give_back(&self.ips, &self.ports);
    }
}

impl Allocator {
    pub fn new(cidr: (Ipv4Addr, u8), ports: (u16, u16)) -> Self {
        Self { cidr, ports, state: Mutex::new(None) }
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

    fn give_back(&self, ips: &[u32], ports: &[u16]) {
        if let Some(taken) = self.state.lock().as_mut() {
            ips.iter().for_each(|ip| {
                taken.ips.remove(ip);
            });
            ports.iter().for_each(|port| {
                taken.ports.remove(port);
            });
        }
    }

    /// After a Service is gone.
    pub fn release(&self, service: &Object) {
        self.give_back(&ips_of(service), &ports_of(service));
    }

    /// Fills `clusterIP`, `clusterIPs`, `ipFamilies`, `ipFamilyPolicy` and node ports.
    pub fn allocate<'s>(
        &'s self,
        shared: &Shared,
        new: &mut Object,
        old: Option<&Object>,
        dry_run: bool,
    ) -> Result<Reservation<'s>, StatusError> {
        let mut reservation = Reservation { allocator: self, ips: Vec::new(), ports: Vec::new(), left: Default::default() };
        let mut guard = self.state.lock();
        let taken = guard.get_or_insert_with(|| load(shared));
        let (had_ips, had_ports) = old.map(|o| (ips_of(o), ports_of(o))).unwrap_or_default();
        let result = self.fill(taken, new, &had_ips, &had_ports, &mut reservation);
        drop(guard);
        if let Err(cause) = result {
            let kind = GroupKind { group: String::new(), kind: "Service".to_owned() };
            return Err(StatusError::invalid(&kind, new.name(), vec![cause]));
        }
        if !dry_run {
            let (now_ips, now_ports) = (ips_of(new), ports_of(new));
            reservation.left = (
                had_ips.into_iter().filter(|ip| !now_ips.contains(ip)).collect(),
                had_ports.into_iter().filter(|port| !now_ports.contains(port)).collect(),
            );
        }
        Ok(reservation)
    }

    fn fill(
        &self,
        taken: &mut Taken,
        new: &mut Object,
        had_ips: &[u32],
        had_ports: &[u16],
        reservation: &mut Reservation,
    ) -> Result<(), StatusCause> {
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
                taken.ips.insert(ip);
                reservation.ips.push(ip);
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
                    if !taken.ips.insert(ip) {
                        return Err(refuse("provided IP is already allocated"));
                    }
                    reservation.ips.push(ip);
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
        self.fill_ports(taken, new, &ty, had_ports, reservation)?;
        self.fill_health_check(taken, new, had_ports, reservation)
    }

    /// The port at which each node tells whether it has a local backend.
    fn fill_health_check(
        &self,
        taken: &mut Taken,
        new: &mut Object,
        had: &[u16],
        reservation: &mut Reservation,
    ) -> Result<(), StatusCause> {
        if !super::needs_health_check(new) {
            return Ok(());
        }
        let path = ["spec", "healthCheckNodePort"];
        let asked = new.at(&path).and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0);
        let number = match asked {
            Some(number) if had.contains(&number) => return Ok(()),
            Some(number) if taken.ports.contains(&number) => {
                let told = format!("failed to allocate requested HealthCheck NodePort {number}: provided port is already allocated");
                return Err(cause("spec.healthCheckNodePort", "InternalError", format!("Internal error: {told}")));
            }
            Some(number) => number,
            None => self.free_port(taken).ok_or_else(|| {
                let told = "Internal error: failed to allocate a HealthCheck NodePort port: range is full";
                cause("spec.healthCheckNodePort", "InternalError", told.to_owned())
            })?,
        };
        taken.ports.insert(number);
        reservation.ports.push(number);
        new.set_at(&path, json!(number));
        Ok(())
    }

    fn fill_ports(
        &self,
        taken: &mut Taken,
        new: &mut Object,
        ty: &str,
        had: &[u16],
        reservation: &mut Reservation,
    ) -> Result<(), StatusCause> {
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
                    if !taken.ports.insert(number) {
                        return Err(cause(
                            &path,
                            "FieldValueInvalid",
                            format!("Invalid value: {number}: provided port is already allocated"),
                        ));
                    }
                    reservation.ports.push(number);
                    mine.insert(number);
                }
                None if wanted => {
                    let number = self.free_port(taken).ok_or_else(|| {
                        cause("spec.ports", "InternalError", "Internal error: failed to allocate a nodePort: range is full".to_owned())
                    })?;
                    taken.ports.insert(number);
                    reservation.ports.push(number);
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
            (0..span).map(|i| self.base() + low + (first + i) % span).find(|ip| !taken.ips.contains(ip))
        };
        pick(band + 1, last).or_else(|| pick(1, band))
    }

    fn free_port(&self, taken: &Taken) -> Option<u16> {
        let (low, high) = (u32::from(self.ports.0), u32::from(self.ports.1));
        let span = high.checked_sub(low)?.checked_add(1)?;
        let first = rand::rng().random_range(0..span);
        (0..span).filter_map(|i| u16::try_from(low + (first + i) % span).ok()).find(|port| !taken.ports.contains(port))
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

fn load(shared: &Shared) -> Taken {
    let mut taken = Taken::default();
    let row = shared.registry.resource_by_name("", "v1", "services");
    let cache = row.and_then(|row| shared.caches.of(&row).ok());
    for item in cache.into_iter().flat_map(|c| c.snapshot("", None, 0, |_| true).items) {
        let service = item.object();
        taken.ips.extend(ips_of(&service));
        taken.ports.extend(ports_of(&service));
    }
    taken
}

fn ips_of(service: &Object) -> Vec<u32> {
    service.str_at(&["spec", "clusterIP"]).parse::<Ipv4Addr>().map(u32::from).into_iter().collect()
}

fn ports_of(service: &Object) -> Vec<u16> {
    let ports = service.at(&["spec", "ports"]).and_then(Value::as_array);
    let number = |p: &Value| p.get("nodePort").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
    let health = service.at(&["spec", "healthCheckNodePort"]).and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    ports.into_iter().flatten().filter_map(number).chain(health.filter(|n| *n > 0)).collect()
}
