//! Cells of persistent volumes and their claims: `printPersistentVolume`, `printPersistentVolumeClaim` of upstream's
//! printers.

use super::{list, quantity, text};
use object::{Object, Value, json};

pub(crate) fn capacity(volume: &Object) -> Value {
    json!(volume.at(&["spec", "capacity", "storage"]).map_or("0".to_owned(), quantity))
}

pub(crate) fn access_modes(volume: &Object) -> Value {
    modes(list(volume, &["spec", "accessModes"]))
}

/// Short forms in upstream's order: `GetAccessModesAsString`.
fn modes(given: &[Value]) -> Value {
    let short = [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let told: Vec<&str> = short.iter().filter(|(mode, _)| given.iter().any(|g| g == mode)).map(|(_, short)| *short).collect();
    json!(told.join(","))
}

pub(crate) fn reclaim_policy(volume: &Object) -> Value {
    text(volume, &["spec", "persistentVolumeReclaimPolicy"], "")
}

pub(crate) fn phase(item: &Object) -> Value {
    if item.is_deleting() { json!("Terminating") } else { text(item, &["status", "phase"], "") }
}

pub(crate) fn claim(volume: &Object) -> Value {
    let Some(claim) = volume.at(&["spec", "claimRef"]).filter(|c| c.is_object()) else { return json!("") };
    json!(format!("{}/{}", super::str_of(claim, "namespace"), super::str_of(claim, "name")))
}

/// The annotation, which came first, outweighs the field.
pub(crate) fn class(item: &Object) -> Value {
    match item.annotation("volume.beta.kubernetes.io/storage-class") {
        Some(class) => json!(class),
        None => text(item, &["spec", "storageClassName"], ""),
    }
}

pub(crate) fn attributes_class(item: &Object) -> Value {
    text(item, &["spec", "volumeAttributesClassName"], "<unset>")
}

pub(crate) fn reason(volume: &Object) -> Value {
    text(volume, &["status", "reason"], "")
}

pub(crate) fn mode(item: &Object) -> Value {
    text(item, &["spec", "volumeMode"], "<unset>")
}

pub(crate) fn claimed_volume(claim: &Object) -> Value {
    text(claim, &["spec", "volumeName"], "")
}

/// Nothing until the claim is bound.
pub(crate) fn claimed_capacity(claim: &Object) -> Value {
    if claim.str_at(&["spec", "volumeName"]).is_empty() {
        return json!("");
    }
    json!(claim.at(&["status", "capacity", "storage"]).map_or("0".to_owned(), quantity))
}

pub(crate) fn claimed_access_modes(claim: &Object) -> Value {
    if claim.str_at(&["spec", "volumeName"]).is_empty() {
        return json!("");
    }
    modes(list(claim, &["status", "accessModes"]))
}
