//! Events, of the core group and of events.k8s.io: `pkg/registry/core/event`. Both are one store, in the core form.

use super::row;
use crate::columns::event;
use crate::conversion::events::{from_core, to_core};
use crate::kind::{Cell, Conversion, Kind};

pub(crate) fn rows() -> Vec<Kind> {
    vec![new_events()]
}

pub(super) fn core_events() -> Kind {
    let mut row = events(Kind { schema: "io.k8s.api.core.v1.Event".to_owned(), ..row("", "v1", "Event", "events") });
    for field in ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"] {
        row = row.select(&format!("involvedObject.{field}"), "");
    }
    row.select("reason", "").select("reportingComponent", "").select("source", "").select("type", "").sample(
        r#"{"apiVersion":"v1","kind":"Event","metadata":{"name":"sample"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"reason":"Sample","message":"m","type":"Normal"}"#,
    )
}

/// Its field labels are those of `pkg/apis/events/v1/conversion.go`.
fn new_events() -> Kind {
    let group = "events.k8s.io";
    let mut row = events(Kind { schema: "io.k8s.api.events.v1.Event".to_owned(), ..row(group, "v1", "Event", "events") }).stored_as(
        "",
        "v1",
        "events",
        Conversion::Code { to_storage: to_core, from_storage: from_core },
    );
    for field in ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"] {
        row = row.select(&format!("regarding.{field}"), "");
    }
    row.select("reason", "").select("reportingController", "").select("type", "").sample(
        r#"{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"sample-new"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"example.com/sample","reportingInstance":"i","action":"Sampling","regarding":{"kind":"Pod","namespace":"default","name":"p"},"reason":"Sample","note":"m","type":"Normal"}"#,
    )
}

/// What both have in common.
fn events(row: Kind) -> Kind {
    let name = "Unique within its namespace; chosen when the object is created and never changed.";
    row.short(&["ev"])
        .create_on_update()
        .lazy()
        .show("Last Seen", "string", "Time since this last happened.", event::last_seen)
        .show("Type", "string", "Normal or Warning.", event::ty)
        .show("Reason", "string", "Short machine-readable cause.", event::reason)
        .show("Object", "string", "What the event is about.", event::object)
        .wide("Subobject", "string", "Part of the object, by field path.", event::subobject)
        .wide("Source", "string", "Component and host that reported it.", event::source)
        .show("Message", "string", "What happened, in words.", event::message)
        .wide("First Seen", "string", "Time since this first happened.", event::first_seen)
        .wide("Count", "string", "How often this happened.", event::count)
        .column_format("Name", "string", "name", 1, name, Cell::Path("metadata.name".to_owned()))
}
