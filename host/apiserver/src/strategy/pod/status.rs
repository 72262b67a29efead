//! Status of pods: `podStatusStrategy`, `ValidatePodStatusUpdate`.

use crate::strategy::at::At;
use crate::strategy::pod_spec::{given, given_text, is_empty_list};
use crate::strategy::read::{entries, items, number, text};
use object::field::ErrorList;
use object::{Object, Value, json, names};
use std::collections::HashSet;
use std::net::IpAddr;

const CONDITIONS: [&str; 3] = ["PodScheduled", "Ready", "Initialized"];
const RUNNING_AGAIN: &str = "may not be transitioned to non-terminated state";

/// Agents of old send no class.
pub fn prepare(new: &mut Object, old: &Object) {
    if new.str_at(&["status", "qosClass"]).is_empty()
        && let Some(class) = old.at(&["status", "qosClass"]).cloned()
    {
        new.set_at(&["status", "qosClass"], class);
    }
}

pub fn validate(new: &Object, old: &Object, errors: &mut ErrorList) {
    let empty = Value::Null;
    let (status, before) = (new.at(&["status"]).unwrap_or(&empty), old.at(&["status"]).unwrap_or(&empty));
    let spec = old.at(&["spec"]).unwrap_or(&empty);
    // Upstream's paths: conditions are looked for in the metadata.
    for (index, condition) in items(status, "conditions") {
        let list = At::new("metadata.conditions");
        let at = list.index(index);
        seen_generation(condition, &at, errors);
        if !CONDITIONS.contains(&text(condition, "type")) {
            at.child("Type").qualified(errors, text(condition, "type"));
        }
    }
    let at = At::new("status");
    let node = text(status, "nominatedNodeName");
    if node != text(before, "nominatedNodeName") && !node.is_empty() {
        at.child("nominatedNodeName").invalid_all(errors, node, &names::dns1123_subdomain(node));
        if !text(spec, "nodeName").is_empty() {
            at.child("nominatedNodeName").forbidden(errors, "may not be set on pods that are already bound to a node");
        }
    }
    seen_generation(status, &at, errors);
    let (class, was) = (text(status, "qosClass"), text(before, "qosClass"));
    if class != was {
        at.child("qosClass").invalid(errors, class, "field is immutable");
    }
    let policy = text(spec, "restartPolicy");
    transitions(status, before, "containerStatuses", policy, spec, &at, errors);
    transitions(status, before, "initContainerStatuses", policy, spec, &at, errors);
    transitions(status, before, "ephemeralContainerStatuses", "Never", spec, &at, errors);
    claims(status, spec, &at.child("resourceClaimStatuses"), errors);
    extended_claim(status, spec, &at.child("extendedResourceClaimStatus"), errors);
    ips(status, "podIPs", &at.child("podIPs"), errors);
    let first = items(status, "hostIPs").next().map(|(_, ip)| text(ip, "ip"));
    if let Some(first) = first.filter(|first| *first != text(status, "hostIP")) {
        at.child("hostIPs").index(0).child("ip").invalid(errors, first, "must be equal to `hostIP`");
    }
    ips(status, "hostIPs", &at.child("hostIPs"), errors);
    for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        users(status, list, spec, &at.child(list), errors);
    }
    allocated(status, "containerStatuses", spec, "containers", &at, errors);
    allocated(status, "initContainerStatuses", spec, "initContainers", &at, errors);
    for (index, _) in items(status, "ephemeralContainerStatuses").filter(|(_, s)| !is_empty_list(s, "allocatedResourcesStatus")) {
        let list = at.child("ephemeralContainerStatuses");
        list.index(index).child("allocatedResourcesStatus").forbidden(errors, "must not be specified in container status");
    }
}

fn seen_generation(holder: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(generation) = number(holder, "observedGeneration").filter(|generation| *generation < 0) {
        at.child("observedGeneration").invalid(errors, generation, "must be a non-negative integer");
    }
}

/// `ValidateContainerStateTransition`: what ended and may not start again stays ended.
fn transitions(status: &Value, before: &Value, list: &str, policy: &str, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if policy == "Always" {
        return;
    }
    for (index, old) in items(before, list) {
        let Some(ended) = given(old, "state").and_then(|s| given(s, "terminated")) else { continue };
        let code = number(ended, "exitCode").unwrap_or(0);
        if list != "ephemeralContainerStatuses" && restarts(text(old, "name"), code, policy, spec) {
            continue;
        }
        for (_, now) in items(status, list).filter(|(_, now)| text(*now, "name") == text(old, "name")) {
            if given(now, "state").and_then(|s| given(s, "terminated")).is_none() {
                at.child(list).index(index).child("state").forbidden(errors, RUNNING_AGAIN);
            }
        }
    }
}

/// `ContainerShouldRestart`: the first of the container's rules that fits, its own policy, the pod's. Where an end of some
/// container can start all of them again, any may.
fn restarts(name: &str, code: i64, policy: &str, spec: &Value) -> bool {
    let all = || ["containers", "initContainers"].into_iter().flat_map(|list| items(spec, list)).map(|(_, c)| c);
    if all().any(|c| items(c, "restartPolicyRules").any(|(_, rule)| text(rule, "action") == "RestartAllContainers")) {
        return true;
    }
    let own = all().find(|c| text(*c, "name") == name);
    let fits = |rule: &Value| {
        let codes = given(rule, "exitCodes");
        let named = codes.is_some_and(|c| items(c, "values").any(|(_, value)| value.as_i64() == Some(code)));
        match codes.map(|c| text(c, "operator")) {
            Some("In") => named,
            Some("NotIn") => !named,
            _ => false,
        }
    };
    if own.is_some_and(|c| items(c, "restartPolicyRules").any(|(_, rule)| fits(rule))) {
        return true;
    }
    match own.and_then(|c| given_text(c, "restartPolicy")).unwrap_or(policy) {
        "Always" => true,
        "OnFailure" => code != 0,
        _ => false,
    }
}

/// `validatePodExtendedResourceClaimStatus` (KEP-5004): what containers ask for by name, and the claim that has it.
fn extended_claim(status: &Value, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(claim) = given(status, "extendedResourceClaimStatus") else { return };
    let list = at.child("requestMappings");
    if is_empty_list(claim, "requestMappings") {
        list.required(errors, "at least one request mapping is required");
    }
    let mut seen = HashSet::new();
    for (index, mapping) in items(claim, "requestMappings") {
        let place = list.index(index);
        let (container, resource, request) = (text(mapping, "containerName"), text(mapping, "resourceName"), text(mapping, "requestName"));
        let mut all = ["initContainers", "containers"].into_iter().flat_map(|list| items(spec, list)).map(|(_, c)| c);
        match all.find(|c| text(*c, "name") == container) {
            Some(c) if !given(c, "resources").is_some_and(|r| entries(r, "requests").any(|(name, _)| name == resource)) => {
                let detail = "must match the extended resource name of an entry in spec.initContainers.resources.requests or \
                              spec.containers.resources.requests";
                place.child("resourceName").invalid(errors, resource, detail);
            }
            Some(_) => {}
            None => {
                let detail = "must match the name of an entry in spec.initContainers.name or spec.containers.name";
                place.child("containerName").invalid(errors, container, detail);
            }
        }
        at.child("requestName").invalid_all(errors, request, &names::dns1123_label(request));
        if !seen.insert((container, resource, request)) {
            for (field, value) in [("containerName", container), ("resourceName", resource), ("requestName", request)] {
                place.child(field).duplicate(errors, value);
            }
        }
    }
    match text(claim, "resourceClaimName") {
        "" => at.child("resourceClaimName").required(errors, ""),
        name => at.child("resourceClaimName").invalid_all(errors, name, &names::dns1123_subdomain(name)),
    }
}

fn claims(status: &Value, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (index, claim) in items(status, "resourceClaimStatuses") {
        let list = at.index(index);
        let at = list.child("name");
        let name = text(claim, "name");
        if !items(spec, "resourceClaims").any(|(_, c)| text(c, "name") == name) {
            at.invalid(errors, name, "must match the name of an entry in `spec.resourceClaims`");
        }
        if !seen.insert(name) {
            at.duplicate(errors, name);
        }
        at.subdomain(errors, text(claim, "resourceClaimName"));
    }
}

/// Addresses, at most one of each family.
fn ips(status: &Value, field: &str, at: &At<'_>, errors: &mut ErrorList) {
    let all: Vec<&str> = items(status, field).map(|(_, ip)| text(ip, "ip")).collect();
    all.iter().enumerate().for_each(|(index, ip)| at.index(index).ip(errors, ip));
    if all.len() < 2 {
        return;
    }
    let parsed: Vec<IpAddr> = all.iter().filter_map(|ip| ip.parse().ok()).collect();
    let both = parsed.iter().any(IpAddr::is_ipv4) && parsed.iter().any(IpAddr::is_ipv6);
    if !both || all.len() > 2 {
        let value = status.get(field).cloned().unwrap_or_default();
        at.invalid(errors, value, "may specify no more than one IP for each IP family");
    }
    let mut seen = HashSet::new();
    for (index, ip) in all.iter().enumerate() {
        if !seen.insert(ip) {
            at.index(index).duplicate(errors, json!({ "ip": ip }));
        }
    }
}

/// `validateContainerStatusUsers`.
fn users(status: &Value, list: &str, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let windows = given(spec, "os").is_some_and(|os| text(os, "name") == "windows");
    for (index, container) in items(status, list) {
        let Some(user) = given(container, "user").and_then(|u| given(u, "linux")) else { continue };
        let at = at.index(index);
        let at = at.child("linux");
        if windows {
            at.forbidden(errors, "cannot be set for a windows pod");
            continue;
        }
        for field in ["uid", "gid"] {
            at.child(field).range(errors, number(user, field), 0, i64::from(i32::MAX));
        }
        for (index, group) in items(user, "supplementalGroups") {
            at.child("supplementalGroups").index(index).range(errors, group.as_i64(), 0, i64::from(i32::MAX));
        }
    }
}

/// `validateContainerStatusAllocatedResourcesStatus`.
fn allocated(status: &Value, list: &str, spec: &Value, containers: &str, at: &At<'_>, errors: &mut ErrorList) {
    for (index, one) in items(status, list) {
        let container = items(spec, containers).find(|(_, c)| text(*c, "name") == text(one, "name")).map(|(_, c)| c);
        for (j, resource) in items(one, "allocatedResourcesStatus") {
            let (outer, field) = (at.child(list), "allocatedResourcesStatus");
            let outer = outer.index(index);
            let outer = outer.child(field);
            let at = outer.index(j);
            let name = text(resource, "name");
            // A container that is not there any more is no fault.
            if let Some(resources) = container.map(|c| c.get("resources").unwrap_or(&Value::Null)) {
                allocated_name(name, resources, &at.child("name"), errors);
            }
            let mut seen = HashSet::new();
            for (k, device) in items(resource, "resources") {
                let devices = at.child("resources");
                let at = devices.index(k);
                let health = text(device, "health");
                if !matches!(health, "Healthy" | "Unhealthy" | "Unknown") {
                    at.child("health").not_supported(errors, health, &["Healthy", "Unhealthy", "Unknown"]);
                }
                if !seen.insert(text(device, "resourceID")) {
                    at.child("resourceID").duplicate(errors, text(device, "resourceID"));
                }
            }
        }
    }
}

fn allocated_name(name: &str, resources: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(claim) = name.strip_prefix("claim:") {
        let told = |c: &Value| match text(c, "request") {
            "" => text(c, "name").to_owned(),
            request => format!("{}/{request}", text(c, "name")),
        };
        if !items(resources, "claims").any(|(_, c)| told(c) == claim) {
            let detail = "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or \
                          'claim:<claimName>' if request is empty";
            at.invalid(errors, name, detail);
        }
    } else if resources.get("requests").and_then(|r| r.get(name)).is_none() {
        at.invalid(errors, name, "must match one of the container's resource requests");
    }
}
