//! What the newer of the two event APIs asks for, beside what both do (`ValidateEventCreate`, `ValidateEventUpdate` of
//! `pkg/apis/core/validation/events.go`). A step, because only the request's version tells which of them it is.

use super::Step;
use crate::write::Write;
use async_trait::async_trait;
use object::field::{ErrorList, Path};
use object::{Object, StatusError, Value};

pub struct NewEvents;

/// What an update may not change: the field as stored, and as upstream tells it.
const FIXED: [(&str, &str); 13] = [
    ("involvedObject", "involvedObject"),
    ("reason", "reason"),
    ("message", "message"),
    ("source", "source"),
    ("firstTimestamp", "firstTimestamp"),
    ("lastTimestamp", "lastTimestamp"),
    ("count", "count"),
    ("type", "type"),
    ("eventTime", "eventTime"),
    ("action", "action"),
    ("related", "related"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
];

#[async_trait]
impl Step for NewEvents {
    async fn validate(&self, write: &Write<'_>, new: &Object, old: Option<&Object>) -> Result<(), StatusError> {
        if write.request.group != "events.k8s.io" {
            return Ok(());
        }
        let mut errors = ErrorList::new();
        match old {
            None => created(new, &mut errors),
            Some(old) => updated(new, old, &mut errors),
        }
        write.invalid(new.name(), errors)
    }
}

fn created(new: &Object, errors: &mut ErrorList) {
    series(new, errors);
    if new.str_at(&["eventTime"]).is_empty() {
        errors.required(&Path::new("eventTime"), "");
    }
    let ty = new.str_at(&["type"]);
    if !matches!(ty, "Normal" | "Warning") {
        errors.invalid(&Path::new("type"), "", &format!("has invalid value: {ty}"));
    }
    let set = |field: &str| match new.at(&[field]) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.as_i64() != Some(0),
        Some(Value::Object(source)) => source.values().any(|v| v.as_str().is_some_and(|v| !v.is_empty())),
        _ => false,
    };
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        if set(field) {
            errors.invalid(&Path::new(field), "", "needs to be unset");
        }
    }
}

fn updated(new: &Object, old: &Object, errors: &mut ErrorList) {
    if new.at(&["series"]) != old.at(&["series"]) {
        series(new, errors);
    }
    for (field, told) in FIXED {
        crate::strategy::read::immutable(new.at(&[field]), old.at(&[field]), &Path::new(told), errors);
    }
}

fn series(event: &Object, errors: &mut ErrorList) {
    let Some(series) = event.at(&["series"]).filter(|s| s.is_object()) else { return };
    if series.get("count").and_then(Value::as_i64).unwrap_or(0) < 2 {
        errors.invalid(&Path::new("series.count"), "", "should be at least 2");
    }
    if series.get("lastObservedTime").and_then(Value::as_str).unwrap_or_default().is_empty() {
        errors.required(&Path::new("series.lastObservedTime"), "");
    }
}
