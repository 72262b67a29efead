//! What controllers read of objects. Views are taken from the JSON tree in place: a typed copy of every cached pod would
//! double the memory that an idle server holds.

use object::{Map, Object, Value, json};
use std::time::{Duration, SystemTime};

pub(crate) fn int(object: &Object, path: &[&str]) -> i64 {
    opt_int(object, path).unwrap_or_default()
}

pub(crate) fn opt_int(object: &Object, path: &[&str]) -> Option<i64> {
    object.at(path).and_then(Value::as_i64)
}

pub(crate) fn flag(object: &Object, path: &[&str]) -> bool {
    object.at(path).and_then(Value::as_bool).unwrap_or_default()
}

pub(crate) fn list<'o>(object: &'o Object, path: &[&str]) -> &'o [Value] {
    object.at(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The items of the list under a key.
pub(crate) fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn map_at<'o>(object: &'o Object, path: &[&str]) -> Option<&'o Map<String, Value>> {
    object.at(path).and_then(Value::as_object)
}

/// Seconds of the clock since an RFC 3339 instant; zero when it is in the future.
pub(crate) fn elapsed(instant: &str, now: SystemTime) -> Option<Duration> {
    object::time::parse(instant).map(|then| now.duration_since(then).unwrap_or_default())
}

/// A condition of `status.conditions`.
pub(crate) fn condition<'o>(object: &'o Object, ty: &str) -> Option<&'o Value> {
    list(object, &["status", "conditions"]).iter().find(|c| text(c, "type") == ty)
}

pub(crate) fn has_condition(object: &Object, ty: &str, status: &str) -> bool {
    condition(object, ty).is_some_and(|c| text(c, "status") == status)
}

/// The owner reference of a controller: `metav1.NewControllerRef`.
pub(crate) fn controller_reference(owner: &Object) -> Value {
    json!({
        "apiVersion": owner.api_version(), "kind": owner.kind(), "name": owner.name(), "uid": owner.uid(),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Pods: `pkg/api/v1/pod/util.go`.
pub(crate) mod pod {
    use super::{Duration, Object, SystemTime, condition, elapsed, has_condition, text};

    pub(crate) fn phase(pod: &Object) -> &str {
        pod.str_at(&["status", "phase"])
    }
    /// Has ended for good.
    pub(crate) fn is_terminal(pod: &Object) -> bool {
        matches!(phase(pod), "Succeeded" | "Failed")
    }
    /// Counts as a replica.
    pub(crate) fn is_active(pod: &Object) -> bool {
        !is_terminal(pod) && !pod.is_deleting()
    }
    pub(crate) fn is_ready(pod: &Object) -> bool {
        has_condition(pod, "Ready", "True")
    }
    pub(crate) fn ready_since(pod: &Object) -> &str {
        condition(pod, "Ready").map(|c| text(c, "lastTransitionTime")).unwrap_or_default()
    }
    /// `None` when not ready; else how long until it counts as available, zero when it does.
    pub(crate) fn until_available(pod: &Object, min_ready_seconds: i64, now: SystemTime) -> Option<Duration> {
        if !is_ready(pod) {
            return None;
        }
        let wanted = Duration::from_secs(u64::try_from(min_ready_seconds).unwrap_or_default());
        match elapsed(ready_since(pod), now) {
            Some(been) => Some(wanted.saturating_sub(been)),
            None => wanted.is_zero().then_some(Duration::ZERO),
        }
    }
    pub(crate) fn is_available(pod: &Object, min_ready_seconds: i64, now: SystemTime) -> bool {
        until_available(pod, min_ready_seconds, now).is_some_and(|d| d.is_zero())
    }
}
