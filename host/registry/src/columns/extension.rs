//! Cells of API services, storage migrations and metrics.

use super::{list, str_of, text};
use object::quantity::Quantity;
use object::{Object, Value, json};

/// `kube-aggregator/pkg/registry/apiservice/etcd/etcd.go` ConvertToTable.
pub(crate) fn service(item: &Object) -> Value {
    if !item.at(&["spec", "service"]).is_some_and(Value::is_object) {
        return json!("Local");
    }
    json!(format!("{}/{}", item.str_at(&["spec", "service", "namespace"]), item.str_at(&["spec", "service", "name"])))
}

pub(crate) fn available(item: &Object) -> Value {
    let condition = list(item, &["status", "conditions"]).iter().find(|c| str_of(c, "type") == "Available");
    json!(match condition {
        None => "Unknown".to_owned(),
        Some(c) if str_of(c, "status") == "True" => "True".to_owned(),
        Some(c) => format!("{} ({})", str_of(c, "status"), str_of(c, "reason")),
    })
}

pub(crate) fn migrated(item: &Object) -> Value {
    match (item.str_at(&["spec", "resource", "resource"]), item.str_at(&["spec", "resource", "group"])) {
        (resource, "") => json!(resource),
        (resource, group) => json!(format!("{resource}.{group}")),
    }
}

pub(crate) fn used_cpu(item: &Object) -> Value {
    used(item, "cpu")
}

pub(crate) fn used_memory(item: &Object) -> Value {
    used(item, "memory")
}

pub(crate) fn window(item: &Object) -> Value {
    text(item, &["window"], "")
}

/// Of a node, or of all containers of a pod.
fn used(item: &Object, resource: &str) -> Value {
    let containers = list(item, &["containers"]);
    if containers.is_empty() {
        return text(item, &["usage", resource], "");
    }
    let of = |c: &Value| c.get("usage").and_then(|u| u.get(resource)).and_then(Value::as_str).and_then(|q| q.parse::<Quantity>().ok());
    let sum = containers.iter().filter_map(of).reduce(|a, b| a + b);
    json!(sum.map(|q| q.to_string()).unwrap_or_default())
}
