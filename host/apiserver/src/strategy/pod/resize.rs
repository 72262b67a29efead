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

/// Everything but the containers' resources and how they resize stays (`dropNonResizeUpdates`). Containers are found by
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
    *new = pod;
}

pub fn validate(new: &Object, old: &Object, errors: &mut ErrorList) {
    let whole = At::new("");
    let of_pod = |pod: &Object| {
        let amounts = |list: &str| pod.at(&["spec", "resources", list]).and_then(Value::as_object).is_some_and(|m| !m.is_empty());
        amounts("requests") || amounts("limits")
    };
    if of_pod(old) || of_pod(new) {
        return whole.forbidden(errors, "pods with pod-level resources cannot be resized");
    }
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
    for list in ["initContainers", "containers"] {
        for ((index, was), (_, is)) in items(before, list).zip(items(spec, list)) {
            if list == "containers" || text(was, "restartPolicy") == "Always" {
                let list = at.child(list);
                container(is, was, &list.index(index).child("resources"), errors);
            }
        }
    }
    for ((_, was), (_, is)) in items(before, "containers").zip(items(spec, "containers")) {
        if !only_amounts(is, was) {
            at.forbidden(errors, "only cpu and memory resources are mutable");
        }
    }
    for ((_, was), (_, is)) in items(before, "initContainers").zip(items(spec, "initContainers")) {
        if text(was, "restartPolicy") == "Always" {
            if !only_amounts(is, was) {
                at.forbidden(errors, "only cpu and memory resources for sidecar containers are mutable");
            }
        } else if !same(Some(is), Some(was)) {
            at.forbidden(errors, "resources for non-sidecar init containers are immutable");
        }
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
fn container(is: &Value, was: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let empty = Value::Null;
    let (now, before) = (is.get("resources").unwrap_or(&empty), was.get("resources").unwrap_or(&empty));
    for (list, what) in [("requests", "resource requests cannot be removed"), ("limits", "resource limits cannot be removed")] {
        if entries(before, list).any(|(name, _)| now.get(list).and_then(|l| l.get(name)).is_none()) {
            at.child(list).forbidden(errors, what);
        }
    }
}

/// With the processor and memory it had, and its way to resize, the container is as it was.
fn only_amounts(is: &Value, was: &Value) -> bool {
    let mut munged = is.clone();
    let Some(fields) = munged.as_object_mut() else { return true };
    let mut resources = Map::new();
    for list in ["limits", "requests"] {
        let old = was.get("resources").and_then(|r| given(r, list)).and_then(Value::as_object);
        let Some(old) = old else { continue };
        let mut amounts: Map<String, Value> =
            is.get("resources").and_then(|r| r.get(list)).and_then(Value::as_object).cloned().unwrap_or_default();
        for name in ["cpu", "memory"] {
            match old.get(name) {
                Some(value) => amounts.insert(name.to_owned(), value.clone()),
                None => amounts.remove(name),
            };
        }
        resources.insert(list.to_owned(), Value::Object(amounts));
    }
    if let Some(claims) = is.get("resources").and_then(|r| given(r, "claims")) {
        resources.insert("claims".to_owned(), claims.clone());
    }
    fields.insert("resources".to_owned(), json!(resources));
    same(Some(&munged), Some(was))
}
