//! Cells of the group networking.k8s.io: `printIngress`, `printIngressClass`, `printNetworkPolicy`, `printServiceCIDR`,
//! `printIPAddress` of upstream's printers.

use super::service::ingress_points;
use super::workload::format_selector;
use super::{list, none, str_of, text};
use object::{Object, Value, json};

/// How many hosts are told before "more": `formatHosts`.
const TOLD: usize = 3;

pub(crate) fn ingress_class(item: &Object) -> Value {
    text(item, &["spec", "ingressClassName"], "<none>")
}

pub(crate) fn hosts(item: &Object) -> Value {
    let rules = list(item, &["spec", "rules"]);
    let told: Vec<&str> = rules.iter().map(|r| str_of(r, "host")).filter(|h| !h.is_empty()).collect();
    let few: Vec<&str> = told.iter().take(TOLD).copied().collect();
    if few.is_empty() {
        return json!("*");
    }
    // Upstream counts the rules left once three hosts are told, also those without a host.
    let more = told.get(TOLD - 1).is_some() && rules.len() > TOLD;
    json!(if more { format!("{} + {} more...", few.join(","), rules.len() - TOLD) } else { few.join(",") })
}

pub(crate) fn address(item: &Object) -> Value {
    let mut told = ingress_points(item);
    told.sort_unstable();
    json!(told.join(","))
}

pub(crate) fn ports(item: &Object) -> Value {
    json!(if list(item, &["spec", "tls"]).is_empty() { "80" } else { "80, 443" })
}

pub(crate) fn controller(item: &Object) -> Value {
    text(item, &["spec", "controller"], "")
}

pub(crate) fn parameters(item: &Object) -> Value {
    let Some(parameters) = item.at(&["spec", "parameters"]).filter(|p| p.is_object()) else { return none() };
    let (kind, name) = (str_of(parameters, "kind"), str_of(parameters, "name"));
    json!(match parameters.get("apiGroup").and_then(Value::as_str) {
        Some(group) => format!("{kind}.{group}/{name}"),
        None => format!("{kind}/{name}"),
    })
}

pub(crate) fn pod_selector(item: &Object) -> Value {
    let written = format_selector(item.at(&["spec", "podSelector"]));
    json!(if written.is_empty() { "<none>".to_owned() } else { written })
}

pub(crate) fn cidrs(item: &Object) -> Value {
    let told: Vec<&str> = list(item, &["spec", "cidrs"]).iter().filter_map(Value::as_str).collect();
    json!(told.join(","))
}

pub(crate) fn parent(item: &Object) -> Value {
    let Some(parent) = item.at(&["spec", "parentRef"]).filter(|p| p.is_object()) else { return none() };
    let (group, resource) = (str_of(parent, "group"), str_of(parent, "resource"));
    let mut told = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }.to_lowercase();
    let namespace = str_of(parent, "namespace");
    if !namespace.is_empty() {
        told = format!("{told}/{namespace}");
    }
    json!(format!("{told}/{}", str_of(parent, "name")))
}
