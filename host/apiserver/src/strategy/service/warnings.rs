//! `GetWarningsForService` (`pkg/api/service/warnings.go`), `GetWarningsForIP` (`k8s.io/apimachinery/pkg/util/validation/ip.go`).

use crate::strategy::read::{is_empty, items, text};
use object::{Object, Value};
use std::net::IpAddr;

pub fn of(service: &Object) -> Vec<String> {
    let empty = Value::Null;
    let spec = service.at(&["spec"]).unwrap_or(&empty);
    let mut told = Vec::new();
    let (hints, mode) = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode");
    if service.annotation(hints).is_some() {
        told.push(format!("annotation {hints} is deprecated, please use {mode} instead"));
    }
    for field in ["clusterIPs", "externalIPs"] {
        let ips = items(spec, field).filter_map(|(at, ip)| Some((at, ip.as_str()?)));
        told.extend(ips.filter_map(|(at, ip)| ipv6_form(&format!("spec.{field}[{at}]"), ip)));
    }
    told.extend(ipv6_form("spec.loadBalancerIP", text(spec, "loadBalancerIP")));
    for (at, range) in items(spec, "loadBalancerSourceRanges").filter_map(|(at, range)| Some((at, range.as_str()?))) {
        told.extend(range_form(&format!("spec.loadBalancerSourceRanges[{at}]"), range.trim()));
    }
    if text(spec, "clusterIP") == "None" {
        if !is_empty(spec.get("loadBalancerIP")) {
            told.push("spec.loadBalancerIP is ignored for headless services".to_owned());
        }
        if !is_empty(spec.get("externalIPs")) {
            told.push("spec.externalIPs is ignored for headless services".to_owned());
        }
        if !matches!(text(spec, "sessionAffinity"), "" | "None") {
            told.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
    }
    told
}

fn ipv6_form(path: &str, written: &str) -> Option<String> {
    let ip = written.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv6() && ip.to_string() != written)?;
    Some(format!("{path}: IPv6 address {written:?} should be in RFC 5952 canonical format (\"{ip}\")"))
}

fn range_form(path: &str, written: &str) -> Option<String> {
    let range = crate::strategy::net::Cidr::parse(written).filter(|r| r.ip.is_ipv6() && r.to_string() != written)?;
    Some(format!("{path}: IPv6 CIDR value {written:?} should be in RFC 5952 canonical format (\"{range}\")"))
}
