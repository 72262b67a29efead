//! Annotations that mean something for pods: `ValidatePodSpecificAnnotations`.

use super::network::tolerations_of;
use super::words::descending;
use super::{containers, given, given_text};
use crate::strategy::at::At;
use crate::strategy::read::text;
use object::field::ErrorList;
use object::{Map, Value};

pub const MIRROR: &str = "kubernetes.io/config.mirror";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

type Annotations<'v> = Option<&'v Map<String, Value>>;

fn get<'v>(annotations: Annotations<'v>, key: &str) -> Option<&'v str> {
    annotations?.get(key)?.as_str()
}

/// `at`: the annotations.
pub fn validate(annotations: Annotations<'_>, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(map) = annotations.filter(|a| !a.is_empty()) else { return };
    if let Some(value) = get(annotations, MIRROR)
        && text(spec, "nodeName").is_empty()
    {
        at.key(MIRROR).invalid(errors, value, "must set spec.nodeName if mirror pod annotation is set");
    }
    if let Some(value) = get(annotations, TOLERATIONS).filter(|v| !v.is_empty()) {
        match serde_json::from_str::<Value>(value) {
            Ok(Value::Array(list)) => tolerations_of(&list, &at.child(TOLERATIONS), errors),
            Ok(Value::Null) => {}
            Ok(_) => at.invalid(errors, TOLERATIONS, "json: cannot unmarshal into Go value of type []core.Toleration"),
            Err(error) => at.invalid(errors, TOLERATIONS, &error.to_string()),
        }
    }
    if let Some(cost) = get(annotations, DELETION_COST).filter(|cost| !is_cost(cost)) {
        at.key(DELETION_COST).invalid(errors, cost, "must be a 32bit integer");
    }
    if let Some(profile) = get(annotations, SECCOMP_POD) {
        seccomp(profile, &at.child(SECCOMP_POD), errors);
    }
    let texts = || map.iter().map(|(key, value)| (key, value.as_str().unwrap_or_default()));
    for (key, profile) in texts().filter(|(key, _)| key.starts_with(SECCOMP_CONTAINER)) {
        seccomp(profile, &at.child(key), errors);
    }
    for (key, profile) in texts() {
        let Some(name) = key.strip_prefix(APPARMOR) else { continue };
        if !containers(spec).any(|(_, _, c)| text(c, "name") == name) {
            at.key(key).invalid(errors, name, "container not found");
        }
        if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with("localhost/") {
            at.key(key).invalid(errors, profile, &format!("invalid AppArmor profile name: {profile:?}"));
        }
    }
}

/// A whole number without a plus or leading zeros.
fn is_cost(cost: &str) -> bool {
    let first = cost.as_bytes().first();
    (cost == "0" || matches!(first, Some(b'-' | b'1'..=b'9'))) && cost.parse::<i32>().is_ok()
}

fn seccomp(profile: &str, at: &At<'_>, errors: &mut ErrorList) {
    match profile {
        "runtime/default" | "docker/default" | "unconfined" => {}
        _ => match profile.strip_prefix("localhost/") {
            Some(path) => descending(path, at, errors),
            None => at.invalid(errors, profile, "must be a valid seccomp profile"),
        },
    }
}

/// What an update may not do to them; `at`: the annotations.
pub fn changes(new: Annotations<'_>, old: Annotations<'_>, at: &At<'_>, errors: &mut ErrorList) {
    for (key, value) in old.into_iter().flatten() {
        if new.and_then(|n| n.get(key)) == Some(value) {
            continue;
        }
        if key.starts_with(APPARMOR) {
            at.key(key).forbidden(errors, "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            at.key(key).forbidden(errors, "may not remove or update mirror pod annotation");
        }
    }
    for (key, _) in new.into_iter().flatten().filter(|(key, _)| old.is_none_or(|o| !o.contains_key(*key))) {
        if key.starts_with(APPARMOR) {
            at.key(key).forbidden(errors, "may not add AppArmor annotations");
        }
        if key == MIRROR {
            at.key(key).forbidden(errors, "may not add mirror pod annotation");
        }
    }
}

/// `validateSeccompAnnotationsAndFields`, `validateAppArmorAnnotationsAndFieldsMatchOnCreate`: who says it twice says the
/// same. `at`: the pod's specification.
pub fn agree_with_fields(annotations: Annotations<'_>, spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if annotations.is_none_or(Map::is_empty) {
        return;
    }
    let profile = |value: &'_ Value, field: &str| given(value, "securityContext").and_then(|c| given(c, field)).cloned();
    if let (Some(field), Some(annotation)) = (profile(spec, "seccompProfile"), get(annotations, SECCOMP_POD)) {
        agrees("seccomp", &field, annotation, &at.child("securityContext.seccompProfile"), errors);
    }
    for (list, index, container) in containers(spec) {
        let key = format!("{SECCOMP_CONTAINER}{}", text(container, "name"));
        if let (Some(field), Some(annotation)) = (profile(container, "seccompProfile"), get(annotations, &key)) {
            let list = at.child(list);
            let place = list.index(index);
            agrees("seccomp", &field, annotation, &place.child("securityContext.seccompProfile"), errors);
        }
    }
    if given(spec, "os").is_some_and(|os| text(os, "name") == "windows") {
        return;
    }
    let of_pod = profile(spec, "appArmorProfile");
    for (list, index, container) in containers(spec) {
        let key = format!("{APPARMOR}{}", text(container, "name"));
        let field = profile(container, "appArmorProfile").or_else(|| of_pod.clone());
        if let (Some(field), Some(annotation)) = (field, get(annotations, &key)) {
            let list = at.child(list);
            let place = list.index(index);
            agrees("apparmor", &field, annotation, &place.child("securityContext.appArmorProfile"), errors);
        }
    }
}

fn agrees(what: &str, field: &Value, annotation: &str, at: &At<'_>, errors: &mut ErrorList) {
    let local = annotation.strip_prefix("localhost/");
    let same = match text(field, "type") {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => annotation == "runtime/default" || (what == "seccomp" && annotation == "docker/default"),
        "Localhost" => local.is_some(),
        _ => true,
    };
    if !same {
        at.child("type").forbidden(errors, &format!("{what} type in annotation and field must match"));
    } else if text(field, "type") == "Localhost" && local != given_text(field, "localhostProfile") {
        at.child("localhostProfile").forbidden(errors, &format!("{what} profile in annotation and field must match"));
    }
}
