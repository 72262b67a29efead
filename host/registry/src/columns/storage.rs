//! Cells of the group storage.k8s.io: `printStorageClass`, `printCSIDriver` and the like of upstream's printers.

use super::{list, quantity, str_of, text};
use object::{Object, Value, json};

/// With a mark when the class is the default one.
pub(crate) fn class_name(class: &Object) -> Value {
    let marks = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
        "volumeattributesclass.alpha.kubernetes.io/is-default-class",
    ];
    let default = marks.iter().any(|mark| class.annotation(mark) == Some("true"));
    json!(if default { format!("{} (default)", class.name()) } else { class.name().to_owned() })
}

pub(crate) fn provisioner(class: &Object) -> Value {
    text(class, &["provisioner"], "")
}

pub(crate) fn reclaim_policy(class: &Object) -> Value {
    text(class, &["reclaimPolicy"], "Delete")
}

pub(crate) fn binding_mode(class: &Object) -> Value {
    text(class, &["volumeBindingMode"], "Immediate")
}

pub(crate) fn allow_expansion(class: &Object) -> Value {
    flag(class, &["allowVolumeExpansion"], false)
}

pub(crate) fn driver_name(class: &Object) -> Value {
    text(class, &["driverName"], "")
}

fn flag(item: &Object, path: &[&str], absent: bool) -> Value {
    json!(item.at(path).and_then(Value::as_bool).unwrap_or(absent))
}

pub(crate) fn attach_required(driver: &Object) -> Value {
    flag(driver, &["spec", "attachRequired"], true)
}

pub(crate) fn pod_info_on_mount(driver: &Object) -> Value {
    flag(driver, &["spec", "podInfoOnMount"], false)
}

pub(crate) fn storage_capacity(driver: &Object) -> Value {
    flag(driver, &["spec", "storageCapacity"], false)
}

pub(crate) fn token_requests(driver: &Object) -> Value {
    if !driver.at(&["spec", "tokenRequests"]).is_some_and(Value::is_array) {
        return json!("<unset>");
    }
    let told: Vec<&str> = list(driver, &["spec", "tokenRequests"]).iter().map(|r| str_of(r, "audience")).collect();
    json!(told.join(","))
}

pub(crate) fn requires_republish(driver: &Object) -> Value {
    flag(driver, &["spec", "requiresRepublish"], false)
}

pub(crate) fn modes(driver: &Object) -> Value {
    let told: Vec<&str> = list(driver, &["spec", "volumeLifecycleModes"]).iter().filter_map(Value::as_str).collect();
    json!(if told.is_empty() { "<none>".to_owned() } else { told.join(",") })
}

pub(crate) fn drivers(node: &Object) -> Value {
    json!(list(node, &["spec", "drivers"]).len())
}

pub(crate) fn class_of_capacity(item: &Object) -> Value {
    text(item, &["storageClassName"], "")
}

pub(crate) fn capacity(item: &Object) -> Value {
    json!(item.at(&["capacity"]).map_or("<unset>".to_owned(), quantity))
}

pub(crate) fn attacher(attachment: &Object) -> Value {
    text(attachment, &["spec", "attacher"], "")
}

pub(crate) fn attached_volume(attachment: &Object) -> Value {
    text(attachment, &["spec", "source", "persistentVolumeName"], "")
}

pub(crate) fn attached_node(attachment: &Object) -> Value {
    text(attachment, &["spec", "nodeName"], "")
}

pub(crate) fn attached(attachment: &Object) -> Value {
    flag(attachment, &["status", "attached"], false)
}
