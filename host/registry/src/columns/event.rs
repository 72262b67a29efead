//! Cells of events: `printEvent` of upstream's printers.

use super::{age, integer, text};
use object::{Object, Value, json};

/// An event without its own first time has that of `eventTime` (events.k8s.io).
pub(crate) fn first_seen(event: &Object) -> Value {
    json!(age::since(first_instant(event)))
}

fn first_instant(event: &Object) -> &str {
    let first = event.str_at(&["firstTimestamp"]);
    if first.is_empty() { event.str_at(&["eventTime"]) } else { first }
}

pub(crate) fn last_seen(event: &Object) -> Value {
    let series = event.str_at(&["series", "lastObservedTime"]);
    let last = event.str_at(&["lastTimestamp"]);
    json!(age::since(if !series.is_empty() {
        series
    } else if !last.is_empty() {
        last
    } else {
        first_instant(event)
    }))
}

pub(crate) fn ty(event: &Object) -> Value {
    text(event, &["type"], "")
}

pub(crate) fn reason(event: &Object) -> Value {
    text(event, &["reason"], "")
}

pub(crate) fn object(event: &Object) -> Value {
    let kind = event.str_at(&["involvedObject", "kind"]).to_lowercase();
    let name = event.str_at(&["involvedObject", "name"]);
    json!(if name.is_empty() { kind } else { format!("{kind}/{name}") })
}

pub(crate) fn subobject(event: &Object) -> Value {
    text(event, &["involvedObject", "fieldPath"], "")
}

pub(crate) fn source(event: &Object) -> Value {
    let component = match event.str_at(&["source", "component"]) {
        "" => event.str_at(&["reportingComponent"]),
        component => component,
    };
    let host = match event.str_at(&["source", "host"]) {
        "" => event.str_at(&["reportingInstance"]),
        host => host,
    };
    json!(if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") })
}

pub(crate) fn message(event: &Object) -> Value {
    json!(event.str_at(&["message"]).trim())
}

pub(crate) fn count(event: &Object) -> Value {
    let count = integer(event, &["series", "count"]).max(integer(event, &["count"])).max(1);
    json!(count.to_string())
}
