//! Amounts that containers and pods ask for: `validateResourceRequirements`, `validatePodResources`; and claims of devices.

use super::{Pod, given, given_text};
use crate::strategy::at::At;
use crate::strategy::read::{entries, items, text};
use object::field::ErrorList;
use object::quantity::Quantity;
use object::{Value, names};
use registry::defaults::aggregate_containers;
use std::collections::HashSet;

const HUGE: &str = "hugepages-";

/// Names without a domain that mean something somewhere (`IsStandardResourceName`).
const STANDARD: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];

/// Checks the name of a resource.
type NameCheck = fn(&str, &At<'_>, &mut ErrorList);

/// `IsNativeResource`.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// `IsExtendedResourceName`.
pub fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// More may be promised than there is.
fn overcommits(name: &str) -> bool {
    is_native(name) && !name.starts_with(HUGE)
}

/// `validateResourceName`; whether it is sound.
fn resource_name(name: &str, at: &At<'_>, errors: &mut ErrorList) -> bool {
    // What nearly all containers ask for.
    if matches!(name, "cpu" | "memory") {
        return true;
    }
    let faults = names::qualified_name(name);
    at.invalid_all(errors, name, &faults);
    if !faults.is_empty() {
        return false;
    }
    let standard = STANDARD.contains(&name) || name.starts_with(HUGE) || name.starts_with("requests.hugepages-");
    if !name.contains('/') && !standard {
        at.invalid(errors, name, "must be a standard resource type or fully qualified");
        return false;
    }
    true
}

/// `validateContainerResourceName`.
fn container_name(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    resource_name(name, at, errors);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !name.starts_with(HUGE) {
            at.invalid(errors, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        at.invalid(errors, name, "doesn't follow extended resource name standard");
    }
}

/// `validatePodResourceName`.
fn pod_name(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if resource_name(name, at, errors) && !of_pods(name) {
        at.not_supported(errors, name, &["cpu", HUGE, "memory"]);
    }
}

/// What whole pods may ask for.
fn of_pods(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with(HUGE)
}

fn amount(value: &Value) -> Quantity {
    Quantity::from_value(value).unwrap_or_default()
}

/// `ValidateResourceQuantityValue`, and whole pages.
fn quantity(name: &str, value: Quantity, at: &At<'_>, errors: &mut ErrorList) {
    if value.is_negative() {
        at.invalid(errors, value.to_string(), "must be greater than or equal to 0");
    }
    if is_extended(name) && value.milli() % 1000 != 0 {
        at.invalid(errors, value.to_string(), "must be an integer");
    }
    if let Some(size) = name.strip_prefix(HUGE) {
        let size = Quantity::parse(size).unwrap_or_default();
        let whole = !size.is_zero() && !size.is_negative() && size.milli() % 1000 == 0 && value.value() % size.value() == 0;
        if !whole {
            at.invalid(errors, value.to_string(), &format!("{value} is not positive integer multiple of {name}"));
        }
    }
}

/// `ValidateContainerResourceRequirements`. `claims`: what the pod claims.
pub fn of_container(resources: &Value, claims: Option<&HashSet<&str>>, at: &At<'_>, errors: &mut ErrorList) {
    if resources.as_object().is_none_or(|r| r.is_empty()) {
        return;
    }
    requirements(resources, container_name, at, errors);
    claim_names(resources, claims, &at.child("claims"), errors);
}

/// `validateOverhead`: judged as if it were limits.
pub fn overhead(overhead: &Value, at: &At<'_>, errors: &mut ErrorList) {
    requirements(&serde_json::json!({ "limits": overhead }), container_name, at, errors);
}

fn requirements(resources: &Value, name_check: NameCheck, at: &At<'_>, errors: &mut ErrorList) {
    let (mut plain, mut huge) = (false, false);
    let limits = at.child("limits");
    for (name, value) in entries(resources, "limits") {
        let at = limits.key(name);
        name_check(name, &at, errors);
        quantity(name, amount(value), &at, errors);
        huge |= name.starts_with(HUGE);
        plain |= matches!(name.as_str(), "cpu" | "memory");
    }
    let requests = at.child("requests");
    for (name, value) in entries(resources, "requests") {
        let at = requests.key(name);
        let wanted = amount(value);
        name_check(name, &at, errors);
        match resources.get("limits").and_then(|l| l.get(name)).map(amount) {
            Some(limit) if wanted != limit && !overcommits(name) => {
                requests.invalid(errors, wanted.to_string(), &format!("must be equal to {name} limit of {limit}"));
            }
            Some(limit) if wanted > limit => {
                requests.invalid(errors, wanted.to_string(), &format!("must be less than or equal to {name} limit of {limit}"));
            }
            Some(_) => {}
            None if !overcommits(name) => limits.required(errors, "Limit must be set for non overcommitable resources"),
            None => {}
        }
        quantity(name, wanted, &at, errors);
        huge |= name.starts_with(HUGE);
        plain |= matches!(name.as_str(), "cpu" | "memory");
    }
    if huge && !plain {
        at.forbidden(errors, "HugePages require cpu or memory");
    }
}

/// `validateResourceClaimNames`: each request of a claim at most once, and a whole claim instead of its requests.
fn claim_names(resources: &Value, claims: Option<&HashSet<&str>>, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen: HashSet<String> = HashSet::new();
    for (index, claim) in items(resources, "claims") {
        let at = at.index(index);
        let (name, request) = (text(claim, "name"), text(claim, "request"));
        if name.is_empty() {
            at.required(errors, "");
            continue;
        }
        if seen.contains(name) {
            at.duplicate(errors, name);
        } else if request.is_empty() {
            let parts = seen.iter().filter(|key| key.split_once('/').is_some_and(|(claim, _)| claim == name)).count();
            (0..parts).for_each(|_| at.duplicate(errors, name));
            seen.insert(name.to_owned());
        } else {
            at.child("request").label(errors, request);
            let key = format!("{name}/{request}");
            if seen.contains(&key) {
                at.duplicate(errors, key.as_str());
            }
            seen.insert(key);
        }
        let known = claims.filter(|claims| !claims.is_empty());
        if known.is_none_or(|claims| !claims.contains(name)) {
            let mut detail = "must be one of the names in pod.spec.resourceClaims".to_owned();
            match known {
                None => detail.push_str(" which is empty"),
                Some(claims) => {
                    let mut sorted: Vec<&str> = claims.iter().copied().collect();
                    sorted.sort_unstable();
                    detail.push_str(&format!(": {}", sorted.join(", ")));
                }
            }
            errors.not_found_in(&at.path(), name, &detail);
        }
    }
}

/// `validatePodResourceClaims`.
pub(super) fn pod_claims(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (index, claim) in items(spec, "resourceClaims") {
        let at = at.index(index);
        let name = text(claim, "name");
        if !name.is_empty() && seen.contains(name) {
            at.child("name").duplicate(errors, name);
        } else {
            at.child("name").label(errors, name);
            seen.insert(name);
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        match sources.iter().filter(|field| given(claim, field).is_some()).count() {
            0 => at.invalid(errors, claim.clone(), "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            1 => {}
            _ => {
                let detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                at.invalid(errors, claim.clone(), detail);
            }
        }
        for field in sources {
            if let Some(name) = given_text(claim, field) {
                at.child(field).invalid_all(errors, name, &names::dns1123_subdomain(name));
            }
        }
    }
}

/// `validatePodResources`: the pod's own amounts cover those of its containers (KEP-2837).
pub(super) fn of_pod(pod: &Pod<'_>, resources: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if pod.os == Some("windows") {
        return at.forbidden(errors, "may not be set for a windows pod");
    }
    if given(resources, "claims").is_some() {
        at.child("claims").forbidden(errors, "claims cannot be set for Resources at pod-level");
    }
    requirements(resources, pod_name, at, errors);
    let of = |list: &str, name: &str| resources.get(list).and_then(|l| l.get(name)).map(amount);
    for (list, pages) in [("requests", false), ("limits", true)] {
        for (name, wanted) in pod.spec.as_object().map(|spec| aggregate_containers(spec, list)).unwrap_or_default() {
            let name = name.as_str();
            if pages && !name.starts_with(HUGE) {
                continue;
            }
            if let Some(own) = of(list, name).filter(|own| wanted > *own) {
                let detail = format!("must be greater than or equal to aggregate container {list} of {wanted}");
                at.child(list).key(name).invalid(errors, own.to_string(), &detail);
            }
        }
    }
    for (index, container) in items(pod.spec, "containers") {
        for (name, limit) in given(container, "resources").into_iter().flat_map(|r| entries(r, "limits")) {
            let (limit, own) = (amount(limit), of("limits", name));
            if let Some(own) = own.filter(|own| limit > *own) {
                let (list, detail) = (at.child("containers"), format!("must be less than or equal to pod limits of {own}"));
                list.index(index).key(name).child("limits").invalid(errors, limit.to_string(), &detail);
            }
        }
    }
}
