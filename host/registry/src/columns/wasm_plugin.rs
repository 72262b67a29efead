//! Cells of wasm plugins.

use super::{integer, text};
use object::{Object, Value, json};

pub(crate) fn world(item: &Object) -> Value {
    text(item, &["spec", "world"], "<none>")
}

pub(crate) fn phase(item: &Object) -> Value {
    text(item, &["status", "phase"], "Loading")
}

pub(crate) fn ready(item: &Object) -> Value {
    let conditions = item.at(&["status", "conditions"]).and_then(Value::as_array);
    let ready = conditions.and_then(|all| all.iter().find(|c| c.get("type").and_then(Value::as_str) == Some("Ready")));
    json!(ready.and_then(|c| c.get("status")).and_then(Value::as_str).unwrap_or("Unknown"))
}

pub(crate) fn source(item: &Object) -> Value {
    let at = |field| item.str_at(&["spec", field]);
    let config_map = |field| item.str_at(&["spec", "configMap", field]);
    match (at("image"), at("path"), at("inline"), config_map("name")) {
        ("", "", "", "") => json!("<none>"),
        ("", "", "", name) => json!(format!("configmap {}/{name}", config_map("namespace"))),
        ("", "", _, _) => json!("<inline>"),
        ("", path, ..) => json!(path),
        (image, ..) => json!(image),
    }
}

pub(crate) fn digest(item: &Object) -> Value {
    let digest = item.str_at(&["status", "digest"]);
    json!(digest.get(..19).unwrap_or("<none>"))
}

pub(crate) fn failures(item: &Object) -> Value {
    json!(integer(item, &["status", "failures"]))
}

pub(crate) fn p99(item: &Object) -> Value {
    json!(format!("{}µs", integer(item, &["status", "p99Microseconds"])))
}

pub(crate) fn memory(item: &Object) -> Value {
    json!(format!("{}Ki", integer(item, &["status", "memoryKiB"])))
}

pub(crate) fn calls(item: &Object) -> Value {
    json!(integer(item, &["status", "calls"]))
}

pub(crate) fn traps(item: &Object) -> Value {
    json!(integer(item, &["status", "traps"]))
}

pub(crate) fn timeouts(item: &Object) -> Value {
    json!(integer(item, &["status", "timeouts"]))
}

pub(crate) fn message(item: &Object) -> Value {
    text(item, &["status", "message"], "")
}
