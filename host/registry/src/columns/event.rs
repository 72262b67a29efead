//! Cells of events: `printEvent` of upstream's printers. The events.k8s.io form names most fields otherwise; the first name
//! in each pair is the core one.

use super::{age, integer, text};
use object::{Object, Value, json};

/// An event without its own first time has that of `eventTime` (events.k8s.io).
pub(crate) fn first_seen(event: &Object) -> Value {
    json!(age::since(first_instant(event)))
}

fn first_instant(event: &Object) -> &str {
    let first = either(event, &["firstTimestamp"], &["deprecatedFirstTimestamp"]);
    if first.is_empty() { event.str_at(&["eventTime"]) } else { first }
}

fn either<'e>(event: &'e Object, core: &[&str], other: &[&str]) -> &'e str {
    let found = event.str_at(core);
    if found.is_empty() { event.str_at(other) } else { found }
}

pub(crate) fn last_seen(event: &Object) -> Value {
    let series = event.str_at(&["series", "lastObservedTime"]);
    let last = either(event, &["lastTimestamp"], &["deprecatedLastTimestamp"]);
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
    let kind = either(event, &["involvedObject", "kind"], &["regarding", "kind"]).to_lowercase();
    let name = either(event, &["involvedObject", "name"], &["regarding", "name"]);
    json!(if name.is_empty() { kind } else { format!("{kind}/{name}") })
}

pub(crate) fn subobject(event: &Object) -> Value {
    json!(either(event, &["involvedObject", "fieldPath"], &["regarding", "fieldPath"]))
}

pub(crate) fn source(event: &Object) -> Value {
    let component = match either(event, &["source", "component"], &["deprecatedSource", "component"]) {
        "" => either(event, &["reportingComponent"], &["reportingController"]),
        component => component,
    };
    let host = match either(event, &["source", "host"], &["deprecatedSource", "host"]) {
        "" => event.str_at(&["reportingInstance"]),
        host => host,
    };
    json!(if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") })
}

pub(crate) fn message(event: &Object) -> Value {
    json!(either(event, &["message"], &["note"]).trim())
}

pub(crate) fn count(event: &Object) -> Value {
    let series = event.at(&["series", "count"]).and_then(Value::as_i64);
    let count = integer(event, &["count"]).max(integer(event, &["deprecatedCount"])).max(1);
    json!(series.unwrap_or(count))
}
