//! Cells of kinds with a pod template: `printDeployment`, `printReplicaSet`, `printDaemonSet`, `printPodTemplate`,
//! `printControllerRevision` and the like of upstream's printers.

use super::{format_labels, integer, list, none, str_of};
use object::{Object, Value, json};

pub(crate) fn deployment_ready(item: &Object) -> Value {
    let wanted = item.at(&["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(1);
    json!(format!("{}/{wanted}", integer(item, &["status", "readyReplicas"])))
}

pub(crate) fn deployment_up_to_date(item: &Object) -> Value {
    json!(integer(item, &["status", "updatedReplicas"]))
}

pub(crate) fn deployment_available(item: &Object) -> Value {
    json!(integer(item, &["status", "availableReplicas"]))
}

pub(crate) fn replica_set_desired(item: &Object) -> Value {
    json!(item.at(&["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(1))
}

pub(crate) fn replica_set_current(item: &Object) -> Value {
    json!(integer(item, &["status", "replicas"]))
}

pub(crate) fn replica_set_ready(item: &Object) -> Value {
    json!(integer(item, &["status", "readyReplicas"]))
}

const CONTAINERS: [&str; 4] = ["spec", "template", "spec", "containers"];

pub(crate) fn containers(item: &Object) -> Value {
    of_containers(item, &CONTAINERS, "name")
}

pub(crate) fn images(item: &Object) -> Value {
    of_containers(item, &CONTAINERS, "image")
}

/// Of each container at a path, in order.
pub(crate) fn of_containers(item: &Object, path: &[&str], field: &str) -> Value {
    let told: Vec<&str> = list(item, path).iter().map(|c| str_of(c, field)).collect();
    json!(told.join(","))
}

/// PodTemplates have their template at the root.
pub(crate) fn template_containers(item: &Object) -> Value {
    of_containers(item, &["template", "spec", "containers"], "name")
}

pub(crate) fn template_images(item: &Object) -> Value {
    of_containers(item, &["template", "spec", "containers"], "image")
}

pub(crate) fn template_labels(item: &Object) -> Value {
    json!(format_labels(item.at(&["template", "metadata", "labels"])))
}

pub(crate) fn daemon_desired(item: &Object) -> Value {
    json!(integer(item, &["status", "desiredNumberScheduled"]))
}

pub(crate) fn daemon_current(item: &Object) -> Value {
    json!(integer(item, &["status", "currentNumberScheduled"]))
}

pub(crate) fn daemon_ready(item: &Object) -> Value {
    json!(integer(item, &["status", "numberReady"]))
}

pub(crate) fn daemon_up_to_date(item: &Object) -> Value {
    json!(integer(item, &["status", "updatedNumberScheduled"]))
}

pub(crate) fn daemon_available(item: &Object) -> Value {
    json!(integer(item, &["status", "numberAvailable"]))
}

pub(crate) fn daemon_node_selector(item: &Object) -> Value {
    json!(format_labels(item.at(&["spec", "template", "spec", "nodeSelector"])))
}

pub(crate) fn revision(item: &Object) -> Value {
    json!(integer(item, &["revision"]))
}

/// `kind.group/name` of the controlling owner.
pub(crate) fn revision_controller(item: &Object) -> Value {
    let Some(owner) = item.controller() else { return none() };
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = if group.is_empty() { owner.kind.clone() } else { format!("{}.{group}", owner.kind) };
    json!(format!("{}/{}", kind.to_lowercase(), owner.name))
}

/// A selector that is a plain map, as of ReplicationControllers.
pub(crate) fn plain_selector(item: &Object) -> Value {
    json!(format_labels(item.at(&["spec", "selector"])))
}

/// As `metav1.FormatLabelSelector` writes it; `<none>` for one that selects everything.
pub(crate) fn selector(item: &Object) -> Value {
    let written = format_selector(item.at(&["spec", "selector"]));
    json!(if written.is_empty() { "<none>".to_owned() } else { written })
}

/// A `metav1.LabelSelector` in query form, requirements sorted by key.
pub(crate) fn format_selector(selector: Option<&Value>) -> String {
    let part = |name: &str| selector.and_then(|s| s.get(name));
    let mut told: Vec<(String, String)> = Vec::new();
    for (key, value) in part("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        told.push((key.clone(), format!("{key}={}", value.as_str().unwrap_or_default())));
    }
    for expression in part("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = str_of(expression, "key");
        let mut values: Vec<&str> =
            expression.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let written = match str_of(expression, "operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => continue,
        };
        told.push((key.to_owned(), written));
    }
    told.sort();
    let told: Vec<String> = told.into_iter().map(|(_, written)| written).collect();
    told.join(",")
}
