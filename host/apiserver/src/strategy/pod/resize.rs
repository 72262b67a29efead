//! `pods/resize`: amounts of running containers (KEP-1287, `ValidatePodResize`).

use super::difference::same;
use super::{annotations, qos_class};
use crate::strategy::at::At;
use crate::strategy::pod_spec::given;
use crate::strategy::read::{entries, items, text};
use object::field::ErrorList;
use object::{Map, Object, Value, json};

const MIRROR: &str = "kubernetes.io/config.mirror";
const LISTS: [&str; 2] = ["containers", "initContainers"];

/// Managers are accounted for by whoever made the change.
pub(super) fn keep_managers(pod: &mut Object, new: &mut Object) {
    match new.remove_at(&["metadata", "managedFields"]) {
        Some(managers) => pod.set_at(&["metadata", "managedFields"], managers),
        None => {
            pod.remove_at(&["metadata", "managedFields"]);
        }
    }
}

/// Everything but resources and how containers resize stays (`dropNonResizeUpdates`). Containers are found by
/// name; none is added or removed.
pub fn prepare(new: &mut Object, old: &Object) {
    let mut pod = old.clone();
    keep_managers(&mut pod, new);
    for list in LISTS {
        let wanted: Vec<Value> = new.at(&["spec", list]).and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(mut containers) = pod.at(&["spec", list]).and_then(Value::as_array).cloned() else { continue };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            let name = container.get("name").cloned();
            let Some(wanted) = wanted.iter().find(|w| w.get("name") == name.as_ref()) else { continue };
            for field in ["resources", "resizePolicy"] {
                match wanted.get(field) {
                    Some(value) => container.insert(field.to_owned(), value.clone()),
                    None => container.remove(field),
                };
            }
        }
        pod.set_at(&["spec", list], Value::Array(containers));
    }
    match new.remove_at(&["spec", "resources"]) {
        Some(resources) => pod.set_at(&["spec", "resources"], resources),
        None => {
            pod.remove_at(&["spec", "resources"]);
        }
    }
    *new = pod;
}

pub fn validate(new: &Object, old: &Object, errors: &mut ErrorList) {
    let whole = At::new("");
    if annotations(old).is_some_and(|a| a.contains_key(MIRROR)) {
        return whole.forbidden(errors, "static pods cannot be resized");
    }
    if old.str_at(&["spec", "os", "name"]) == "windows" {
        return whole.forbidden(errors, "windows pods cannot be resized");
    }
    let at = At::new("spec");
    let was = old.str_at(&["status", "qosClass"]);
    let was = if was.is_empty() { qos_class(old) } else { was };
    if was != qos_class(new) {
        at.invalid(errors, was, "Pod QOS Class may not change as a result of resizing");
    }
    if !is_supported(old) {
        at.forbidden(errors, "Pod running on node without support for resize");
    }
    let empty = Value::Null;
    let (spec, before) = (new.at(&["spec"]).unwrap_or(&empty), old.at(&["spec"]).unwrap_or(&empty));
    if has_amounts(before) || has_amounts(spec) {
        whole_pod(spec, before, &at, errors);
    }
    if old.at(&["status", "nodeAllocatableResourceClaimStatuses"]).and_then(Value::as_array).is_some_and(|l| !l.is_empty()) {
        at.forbidden(errors, "pods with node allocatable resource claims cannot be resized");
    }
    for list in ["initContainers", "containers"] {
        for ((index, was), (_, is)) in items(before, list).zip(items(spec, list)) {
            not_removed(is.get("resources"), was.get("resources"), "", &at.child(list).index(index).child("resources"), errors);
        }
    }
    for ((_, was), (_, is)) in items(before, "containers").zip(items(spec, "containers")) {
        if !only_amounts(is, was) {
            at.forbidden(errors, "only cpu and memory resources are mutable");
        }
    }
    for ((index, was), (_, is)) in items(before, "initContainers").zip(items(spec, "initContainers")) {
        let list = at.child("initContainers");
        let at = list.index(index);
        if !only_amounts(is, was) {
            at.forbidden(errors, "only cpu and memory resources for init or sidecar containers are mutable");
        }
        let restarts = items(is, "resizePolicy").any(|(_, policy)| text(policy, "restartPolicy") == "RestartContainer");
        if restarts && text(is, "restartPolicy") != "Always" && !same(Some(is), Some(was)) {
            at.forbidden(errors, "non-sidecar init containers with a resize policy of RestartContainer cannot be resized");
        }
    }
}

fn has_amounts(spec: &Value) -> bool {
    let lists = spec.get("resources").into_iter().flat_map(|r| ["requests", "limits"].map(|list| r.get(list)));
    lists.flatten().filter_map(Value::as_object).any(|amounts| !amounts.is_empty())
}

/// Amounts of the pod itself (KEP-5419): they change and come, but none goes.
fn whole_pod(spec: &Value, before: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let place = at.child("resources");
    let (now, was) = (given(spec, "resources"), given(before, "resources"));
    if was.is_some() && now.is_none() {
        return place.forbidden(errors, "pod-level resources cannot be removed");
    }
    not_removed(now, was, "pod-level ", &place, errors);
    if !same(Some(&without_changes(now, was)), Some(was.unwrap_or(&json!({})))) {
        at.forbidden(errors, "only cpu and memory resources are mutable at pod-level");
    }
}

/// `isPodResizeRequestSupported`: agents that resize tell what containers have.
fn is_supported(pod: &Object) -> bool {
    let empty = Value::Null;
    let status = pod.at(&["status"]).unwrap_or(&empty);
    let running = items(status, "containerStatuses").find(|(_, s)| given(s, "state").is_some_and(|s| given(s, "running").is_some()));
    running.is_none_or(|(_, s)| given(s, "resources").is_some())
}

/// `validateContainerResize`: amounts change, but none goes.
fn not_removed(now: Option<&Value>, was: Option<&Value>, of: &str, at: &At<'_>, errors: &mut ErrorList) {
    for (list, what) in [("requests", "resource requests"), ("limits", "resource limits")] {
        let kept = |name: &str| now.and_then(|r| r.get(list)).is_some_and(|l| l.get(name).is_some());
        if was.into_iter().flat_map(|r| entries(r, list)).any(|(name, _)| !kept(name)) {
            at.child(list).forbidden(errors, &format!("{of}{what} cannot be removed"));
        }
    }
}

/// `dropCPUMemoryUpdates`: with the processor and memory they had.
fn without_changes(now: Option<&Value>, was: Option<&Value>) -> Value {
    let amounts =
        |resources: Option<&Value>, list: &str| resources.and_then(|r| r.get(list)).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut resources = Map::new();
    for list in ["limits", "requests"] {
        let (mut munged, mut old) = (amounts(now, list), amounts(was, list));
        for name in ["cpu", "memory"] {
            match old.remove(name) {
                Some(value) => munged.insert(name.to_owned(), value),
                None => munged.remove(name),
            };
        }
        if !munged.is_empty() {
            resources.insert(list.to_owned(), Value::Object(munged));
        }
    }
    if let Some(claims) = now.and_then(|r| given(r, "claims")) {
        resources.insert("claims".to_owned(), claims.clone());
    }
    Value::Object(resources)
}

/// With the processor and memory it had the container is as it was.
fn only_amounts(is: &Value, was: &Value) -> bool {
    let mut munged = is.clone();
    let Some(fields) = munged.as_object_mut() else { return true };
    fields.insert("resources".to_owned(), without_changes(is.get("resources"), was.get("resources")));
    same(Some(&munged), Some(was))
}
