//! `ValidateService`, `ValidateServiceUpdate`, `ValidateServiceStatusUpdate` (`pkg/apis/core/validation/validation.go`).
//! Upstream validates after it allocated; here what is allocated may still be absent, and is checked when it is given.

use super::{externally_accessible, needs_health_check};
use crate::strategy::read::{int_or_string_port, is_empty, items, label, number, one_of, text};
use crate::strategy::{net, networking};
use crate::write::meta;
use object::field::{ErrorList, Path};
use object::{Object, Value, names};
use std::collections::HashSet;

const KUBELET_PORT: i64 = 10250;
/// `MaxClientIPServiceAffinitySeconds`: a day.
const AFFINITY_MAX: i64 = 86400;
const RANGES_ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

fn spec_of(service: &Object) -> &Value {
    service.at(&["spec"]).unwrap_or(&Value::Null)
}

/// The strings of a list field of the spec.
fn list<'s>(spec: &'s Value, field: &str) -> Vec<&'s str> {
    items(spec, field).filter_map(|(_, v)| v.as_str()).collect()
}

fn is_headless(spec: &Value) -> bool {
    list(spec, "clusterIPs") == ["None"]
}

fn given<'s>(spec: &'s Value, field: &str) -> Option<&'s Value> {
    spec.get(field).filter(|v| !v.is_null())
}

pub fn validate(service: &Object, errors: &mut ErrorList) {
    topology_annotations(service, errors);
    let path = Path::new("spec");
    let spec = spec_of(service);
    let ty = text(spec, "type");
    if items(spec, "ports").next().is_none() && !is_headless(spec) && ty != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    of_type(spec, ty, &path, errors);
    ports(spec, &path.child("ports"), errors);
    meta::labels(spec.get("selector").and_then(Value::as_object), &path.child("selector"), errors);
    affinity(spec, &path, errors);
    if ty != "ExternalName" {
        cluster_ips(spec, &path, errors);
    }
    for (at, ip) in list(spec, "externalIPs").into_iter().enumerate() {
        let path = path.child("externalIPs").index(at);
        if net::ip(ip, &path, errors).is_some() {
            net::non_special(ip, &path, errors);
        }
    }
    one_of(ty, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], &path.child("type"), errors);
    node_ports(spec, ty, &path.child("ports"), errors);
    source_ranges(service, spec, ty, &path, errors);
    if given(spec, "allocateLoadBalancerNodePorts").is_some() && ty != "LoadBalancer" {
        errors.forbidden(&path.child("allocateLoadBalancerNodePorts"), "may only be used when `type` is 'LoadBalancer'");
    }
    if let Some(class) = given(spec, "loadBalancerClass").and_then(Value::as_str) {
        let path = path.child("loadBalancerClass");
        if ty == "LoadBalancer" {
            errors.invalid_all(&path, class, names::qualified_name(class));
        } else {
            errors.forbidden(&path, "may only be used when `type` is 'LoadBalancer'");
        }
    }
    traffic(service, spec, &path, errors);
}

fn topology_annotations(service: &Object, errors: &mut ErrorList) {
    let (hints, mode) = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode");
    if let (Some(old), Some(new)) = (service.annotation(hints), service.annotation(mode))
        && old != new
    {
        let told = format!("must match annotations[{hints}] when both are specified");
        errors.invalid(&Path::new("metadata").child("annotations").key(mode), new, &told);
    }
}

fn of_type(spec: &Value, ty: &str, path: &Path, errors: &mut ErrorList) {
    match ty {
        "LoadBalancer" | "NodePort" => {
            for (at, port) in items(spec, "ports").filter(|_| ty == "LoadBalancer") {
                // Load balancers open their ports to the world.
                if number(port, "port") == Some(KUBELET_PORT) {
                    let told = format!("may not expose port {KUBELET_PORT} externally since it is used by kubelet");
                    errors.invalid(&path.child("ports").index(at), KUBELET_PORT, &told);
                }
            }
            if is_headless(spec) {
                let told = format!("may not be set to 'None' for {ty} services");
                errors.invalid(&path.child("clusterIPs").index(0), "None", &told);
            }
        }
        "ExternalName" => {
            for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if !is_empty(spec.get(field)) {
                    errors.forbidden(&path.child(field), "may not be set for ExternalName services");
                }
            }
            // A trailing dot says that the name is fully qualified.
            let name = text(spec, "externalName");
            let name = name.strip_suffix('.').unwrap_or(name);
            let path = path.child("externalName");
            if name.is_empty() {
                errors.required(&path, "");
            } else {
                errors.invalid_all(&path, name, names::dns1123_subdomain(name));
            }
        }
        _ => {}
    }
}

fn ports(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let several = items(spec, "ports").count() > 1;
    let mut seen = HashSet::new();
    for (at, port) in items(spec, "ports") {
        let path = path.index(at);
        let name = text(port, "name");
        if name.is_empty() {
            if several {
                errors.required(&path.child("name"), "");
            }
        } else {
            label(name, &path.child("name"), errors);
            if !seen.insert(name) {
                errors.duplicate(&path.child("name"), name);
            }
        }
        let value = number(port, "port").unwrap_or(0);
        names::port_number(value).iter().for_each(|detail| errors.invalid(&path.child("port"), value, detail));
        one_of(text(port, "protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
        if let Some(target) = port.get("targetPort") {
            int_or_string_port(target, &path.child("targetPort"), errors);
        }
        if let Some(protocol) = given(port, "appProtocol").and_then(Value::as_str) {
            errors.invalid_all(&path.child("appProtocol"), protocol, names::qualified_name(protocol));
        }
    }
}

fn node_ports(spec: &Value, ty: &str, path: &Path, errors: &mut ErrorList) {
    let number_of = |port: &Value| number(port, "nodePort").filter(|n| *n != 0);
    for (at, port) in items(spec, "ports") {
        let path = path.index(at).child("nodePort");
        if let Some(value) = number_of(port) {
            names::port_number(value).iter().for_each(|detail| errors.invalid(&path, value, detail));
            if matches!(ty, "ClusterIP" | "ExternalName") {
                errors.forbidden(&path, &format!("may not be used when `type` is '{ty}'"));
            }
        }
    }
    // One number may serve several protocols, but each only once.
    let mut seen = HashSet::new();
    for (at, port) in items(spec, "ports") {
        if let Some(value) = number_of(port)
            && !seen.insert((value, text(port, "protocol")))
        {
            errors.duplicate(&path.index(at).child("nodePort"), value);
        }
    }
    let mut seen = HashSet::new();
    for (at, port) in items(spec, "ports") {
        let (value, protocol) = (number(port, "port").unwrap_or(0), text(port, "protocol"));
        if !seen.insert((value, protocol)) {
            errors.duplicate(&path.index(at), object::json!({ "port": value, "protocol": protocol }));
        }
    }
}

fn affinity(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let affinity = text(spec, "sessionAffinity");
    one_of(affinity, &["ClientIP", "None"], &path.child("sessionAffinity"), errors);
    let path = path.child("sessionAffinityConfig");
    let config = given(spec, "sessionAffinityConfig");
    match affinity {
        "ClientIP" => {
            let client = config.and_then(|c| given(c, "clientIP"));
            let told = "when session affinity type is ClientIP";
            match (config, client, client.and_then(|c| number(c, "timeoutSeconds"))) {
                (None, _, _) => errors.required(&path, told),
                (_, None, _) => errors.required(&path.child("clientIP"), told),
                (_, _, None) => errors.required(&path.child("clientIP").child("timeoutSeconds"), told),
                (_, _, Some(seconds)) if !(1..=AFFINITY_MAX).contains(&seconds) => {
                    let told = format!("must be greater than 0 and less than {AFFINITY_MAX}");
                    errors.invalid(&path.child("clientIP").child("timeoutSeconds"), seconds, &told);
                }
                _ => {}
            }
        }
        "None" if config.is_some() => errors.forbidden(&path, "must not be set when session affinity is None"),
        _ => {}
    }
}

/// `ValidateServiceClusterIPsRelatedFields`.
fn cluster_ips(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let ips_path = path.child("clusterIPs");
    let (one, ips, families) = (text(spec, "clusterIP"), list(spec, "clusterIPs"), list(spec, "ipFamilies"));
    let all = || spec.get("clusterIPs").cloned().unwrap_or_default();
    match (one.is_empty(), ips.first()) {
        (false, None) => errors.required(&ips_path, ""),
        (false, Some(first)) if *first != one => errors.invalid(&ips_path, all(), "first value must match `clusterIP`"),
        (true, Some(_)) => errors.invalid(&ips_path, all(), "must be empty when `clusterIP` is not specified"),
        _ => {}
    }
    let mut seen = HashSet::new();
    for (at, family) in families.iter().enumerate() {
        let path = path.child("ipFamilies").index(at);
        if !matches!(*family, "IPv4" | "IPv6") {
            errors.not_supported(&path, *family, &["IPv4", "IPv6"]);
        }
        if !seen.insert(*family) {
            errors.duplicate(&path, *family);
        }
    }
    if let Some(policy) = given(spec, "ipFamilyPolicy").and_then(Value::as_str)
        && !matches!(policy, "" | "SingleStack" | "PreferDualStack" | "RequireDualStack")
    {
        errors.not_supported(&path.child("ipFamilyPolicy"), policy, &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    }
    let mut broken = false;
    for (at, ip) in ips.iter().enumerate() {
        if at == 0 && *ip == "None" {
            if ips.len() > 1 {
                broken = true;
                errors.invalid(&ips_path, all(), "'None' must be the first and only value");
            }
            continue;
        }
        broken |= net::ip(ip, &ips_path.index(at), errors).is_none();
    }
    if ips.len() > 2 {
        errors.invalid(&ips_path, all(), "may only hold up to 2 values");
    }
    if broken || is_headless(spec) {
        return;
    }
    let is_v6 = |ip: &str| net::parse_ip(ip).is_some_and(|ip| ip.is_ipv6());
    if ips.len() > 1 && ips.iter().filter(|ip| is_v6(ip)).count() != 1 {
        errors.invalid(&ips_path, all(), "may specify no more than one IP for each IP family");
    }
    for (at, (ip, family)) in ips.iter().zip(&families).enumerate() {
        if matches!((*family, is_v6(ip)), ("IPv4", true) | ("IPv6", false)) {
            errors.invalid(&ips_path.index(at), *ip, &format!("expected an {family} value as indicated by `ipFamilies[{at}]`"));
        }
    }
}

fn source_ranges(service: &Object, spec: &Value, ty: &str, path: &Path, errors: &mut ErrorList) {
    let ranges = list(spec, "loadBalancerSourceRanges");
    let only = "may only be used when `type` is 'LoadBalancer'";
    if !ranges.is_empty() {
        let path = path.child("LoadBalancerSourceRanges");
        if ty != "LoadBalancer" {
            errors.forbidden(&path, only);
        }
        for (at, range) in ranges.iter().enumerate() {
            net::cidr(range.trim(), &path.index(at), errors);
        }
    } else if let Some(ranges) = service.annotation(RANGES_ANNOTATION) {
        let path = Path::new("metadata").child("annotations").key(RANGES_ANNOTATION);
        if ty != "LoadBalancer" {
            errors.forbidden(&path, only);
        }
        for range in ranges.split(',').map(str::trim).filter(|_| !ranges.trim().is_empty()) {
            net::cidr(range, &path, errors);
        }
    }
}

fn traffic(service: &Object, spec: &Value, path: &Path, errors: &mut ErrorList) {
    let policies = ["Cluster", "Local"];
    let external = text(spec, "externalTrafficPolicy");
    let at = path.child("externalTrafficPolicy");
    if externally_accessible(service) {
        one_of(external, &policies, &at, errors);
    } else if !external.is_empty() {
        errors.invalid(&at, external, "may only be set for externally-accessible services");
    }
    if let Some(port) = number(spec, "healthCheckNodePort").filter(|p| *p != 0) {
        let path = path.child("healthCheckNodePort");
        if needs_health_check(service) {
            names::port_number(port).iter().for_each(|detail| errors.invalid(&path, port, detail));
        } else {
            let told = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.invalid(&path, port, told);
        }
    }
    let at = path.child("internalTrafficPolicy");
    match given(spec, "internalTrafficPolicy").and_then(Value::as_str) {
        None if matches!(text(spec, "type"), "ClusterIP" | "NodePort" | "LoadBalancer") => errors.required(&at, ""),
        None | Some("Cluster" | "Local") => {}
        Some(other) => errors.not_supported(&at, other, &policies),
    }
    if let Some(distribution) = given(spec, "trafficDistribution").and_then(Value::as_str)
        && !matches!(distribution, "PreferClose" | "PreferSameZone" | "PreferSameNode")
    {
        let supported = ["PreferClose", "PreferSameNode", "PreferSameZone"];
        errors.not_supported(&path.child("trafficDistribution"), distribution, &supported);
    }
}

pub fn validate_update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let (is, was) = (spec_of(new), spec_of(old));
    let both = |ty: &str| text(is, "type") == ty && text(was, "type") == ty;
    if text(is, "type") != "ExternalName" && text(was, "type") != "ExternalName" {
        let (headless, was_headless) = (is_headless(is), is_headless(was));
        if !(headless && was_headless) {
            fixed("clusterIP", is, was, errors);
        }
        if !headless && !was_headless {
            fixed("ipFamil", is, was, errors);
        }
    }
    if both("LoadBalancer") && given(is, "loadBalancerClass") != given(was, "loadBalancerClass") {
        let class = is.get("loadBalancerClass").cloned().unwrap_or_default();
        errors.invalid(&path.child("loadBalancerClass"), class, "may not change once set");
    }
    let port = |spec: &Value| number(spec, "healthCheckNodePort").unwrap_or(0);
    if needs_health_check(new) && needs_health_check(old) && port(is) != port(was) {
        errors.forbidden(&path.child("healthCheckNodePort"), "field is immutable");
    }
}

/// `validateUpgradeDowngradeClusterIPs`, `validateUpgradeDowngradeIPFamilies`: a second one may come and go, nothing else.
fn fixed(stem: &str, is: &Value, was: &Value, errors: &mut ErrorList) {
    let (field, one) = if stem == "clusterIP" { ("clusterIPs", "clusterIP") } else { ("ipFamilies", "ipFamily") };
    let path = Path::new("spec").child(field);
    let (now, before) = (list(is, field), list(was, field));
    let all = is.get(field).cloned().unwrap_or_default();
    let changed = "may not change once set";
    if now.len() == before.len() {
        for (at, _) in now.iter().zip(&before).enumerate().filter(|(_, (now, before))| now != before) {
            let at = if field == "clusterIPs" { at } else { 0 };
            errors.invalid(&path.index(at), all.clone(), changed);
        }
        return;
    }
    if let (Some(now), Some(before)) = (now.first(), before.first())
        && now != before
    {
        errors.invalid(&path.index(0), all.clone(), changed);
    }
    if now.len() > before.len() {
        return;
    }
    if list(is, "clusterIPs").is_empty() {
        errors.invalid(&path.index(0), all, &format!("primary {one} can not be unset"));
    }
    if now.len() == 1 && text(is, "ipFamilyPolicy") != "SingleStack" {
        let policy = is.get("ipFamilyPolicy").cloned().unwrap_or_default();
        let told = format!("must be set to 'SingleStack' when releasing the secondary {one}");
        errors.invalid(&Path::new("spec").child("ipFamilyPolicy"), policy, &told);
    }
}

pub fn validate_status(new: &Object, errors: &mut ErrorList) {
    let path = Path::new("status").child("loadBalancer");
    let Some(balancer) = new.at(&["status", "loadBalancer"]) else { return };
    if new.str_at(&["spec", "type"]) != "LoadBalancer" {
        if items(balancer, "ingress").next().is_some() {
            errors.forbidden(&path.child("ingress"), "may only be used when `spec.type` is 'LoadBalancer'");
        }
        return;
    }
    networking::ingress_points(balancer, &path, errors);
    for (at, point) in items(balancer, "ingress") {
        let path = path.child("ingress").index(at).child("ipMode");
        let has_ip = !text(point, "ip").is_empty();
        match given(point, "ipMode").and_then(Value::as_str) {
            None if has_ip => errors.required(&path, "must be specified when `ip` is set"),
            None => {}
            Some(_) if !has_ip => errors.forbidden(&path, "may not be specified when `ip` is not set"),
            Some("VIP" | "Proxy") => {}
            Some(other) => errors.not_supported(&path, other, &["Proxy", "VIP"]),
        }
    }
}
