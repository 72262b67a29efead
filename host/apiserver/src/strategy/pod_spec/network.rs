//! How a pod is reached and what it tolerates: ports of the host, DNS, names, aliases, tolerations.

use super::words::subdomain_with_underscore;
use super::{Options, given, given_text, is_empty_list};
use crate::strategy::at::At;
use crate::strategy::read::{flag, items, number, text};
use object::field::ErrorList;
use object::{Value, names};

/// What libc's resolver takes.
const NAMESERVERS: usize = 3;
const SEARCHES: usize = 32;
const SEARCH_CHARACTERS: usize = 2048;
/// Bytes of a kernel's host name.
const HOSTNAME_MAX: usize = 64;

/// `validatePodHostNetworkDeps`; `at`: the containers.
pub(super) fn host_ports(spec: &Value, options: Options<'_>, at: &At<'_>, errors: &mut ErrorList) {
    if !flag(spec, "hostNetwork") {
        return;
    }
    for (c, container) in items(spec, "containers") {
        for (p, port) in items(container, "ports") {
            let (host, own) = (number(port, "hostPort").unwrap_or(0), number(port, "containerPort").unwrap_or(0));
            // In templates it may be left open: the pod's default fills it in.
            if (options.pod.is_some() || host != 0) && host != own {
                let at = at.index(c);
                let ports = at.child("ports");
                let detail = "must match `containerPort` when `hostNetwork` is true";
                ports.index(p).child("hostPort").invalid(errors, host, detail);
            }
        }
    }
}

/// `validatePodDNSConfig`.
pub(super) fn dns_config(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let config = given(spec, "dnsConfig");
    if text(spec, "dnsPolicy") == "None" {
        match config {
            None => return at.required(errors, "must provide `dnsConfig` when `dnsPolicy` is None"),
            Some(config) if is_empty_list(config, "nameservers") => {
                return at.child("nameservers").required(errors, "must provide at least one DNS nameserver when `dnsPolicy` is None");
            }
            Some(_) => {}
        }
    }
    let Some(config) = config else { return };
    let list = |field: &str| config.get(field).cloned().unwrap_or_default();
    let servers = at.child("nameservers");
    if items(config, "nameservers").count() > NAMESERVERS {
        servers.invalid(errors, list("nameservers"), &format!("must not have more than {NAMESERVERS} nameservers"));
    }
    items(config, "nameservers").for_each(|(index, ip)| servers.index(index).ip(errors, ip.as_str().unwrap_or_default()));
    let searches = at.child("searches");
    let domains: Vec<&str> = items(config, "searches").map(|(_, s)| s.as_str().unwrap_or_default()).collect();
    if domains.len() > SEARCHES {
        searches.invalid(errors, list("searches"), &format!("must not have more than {SEARCHES} search paths"));
    }
    if domains.iter().map(|d| d.len() + 1).sum::<usize>() > SEARCH_CHARACTERS + 1 {
        let detail = format!("must not have more than {SEARCH_CHARACTERS} characters (including spaces) in the search list");
        searches.invalid(errors, list("searches"), &detail);
    }
    for (index, domain) in domains.iter().enumerate().filter(|(_, domain)| **domain != ".") {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        searches.index(index).invalid_all(errors, domain, &subdomain_with_underscore(domain));
    }
    for (index, option) in items(config, "options") {
        if text(option, "name").is_empty() {
            at.child("options").index(index).required(errors, "must not be empty");
        }
    }
}

/// `at`: the pod's specification.
pub(super) fn hostname(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for field in ["hostname", "subdomain"] {
        let name = text(spec, field);
        if !name.is_empty() {
            at.child(field).invalid_all(errors, name, &names::dns1123_label(name));
        }
    }
    // KEP-4762.
    let Some(name) = given_text(spec, "hostnameOverride") else { return };
    let place = at.child("hostnameOverride");
    if name.len() > HOSTNAME_MAX {
        place.too_long(errors, HOSTNAME_MAX);
    }
    place.invalid_all(errors, name, &names::dns1123_subdomain(name));
    if flag(spec, "setHostnameAsFQDN") {
        place.forbidden(errors, "may not be specified when `setHostnameAsFQDN` is true");
    }
    if flag(spec, "hostNetwork") {
        place.forbidden(errors, "may not be specified when `hostNetwork` is true");
    }
}

/// `ValidateHostAliases`.
pub(super) fn host_aliases(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (index, alias) in items(spec, "hostAliases") {
        let at = at.index(index);
        at.child("ip").ip(errors, text(alias, "ip"));
        for (index, name) in items(alias, "hostnames") {
            let name = name.as_str().unwrap_or_default();
            at.child("hostnames").index(index).invalid_all(errors, name, &names::dns1123_subdomain(name));
        }
    }
}

/// `ValidateTolerations`.
pub fn tolerations(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(list) = spec.get("tolerations").and_then(Value::as_array) {
        tolerations_of(list, at, errors);
    }
}

pub(super) fn tolerations_of(list: &[Value], at: &At<'_>, errors: &mut ErrorList) {
    for (index, toleration) in list.iter().enumerate() {
        toleration_at(toleration, &at.index(index), errors);
    }
}

fn toleration_at(toleration: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (key, operator, value, effect) =
        (text(toleration, "key"), text(toleration, "operator"), text(toleration, "value"), text(toleration, "effect"));
    if !key.is_empty() {
        at.child("key").qualified(errors, key);
    } else if operator != "Exists" {
        let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        at.child("operator").invalid(errors, operator, detail);
    }
    if number(toleration, "tolerationSeconds").is_some() && effect != "NoExecute" {
        at.child("effect").invalid(errors, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    match operator {
        "" | "Equal" => {
            let faults = names::label_value(value);
            if !faults.is_empty() {
                at.child("operator").invalid(errors, value, &faults.join(";"));
            }
        }
        "Exists" if !value.is_empty() => {
            at.child("operator").invalid(errors, value, "value must be empty when `operator` is 'Exists'");
        }
        "Exists" => {}
        // KEP-5471: taints by number.
        "Lt" | "Gt" if value.parse::<i64>().is_err() => {
            at.child("value").invalid(errors, value, "value must be a valid integer for numeric operators");
        }
        "Lt" | "Gt" => {}
        other => at.child("operator").not_supported(errors, other, &["Equal", "Exists", "Lt", "Gt"]),
    }
    if !effect.is_empty() {
        at.child("effect").one_of(errors, effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}
