//! Volumes and what is around them: `pkg/apis/core/v1/defaults.go`, `pkg/apis/storage/v1/defaults.go`.

use super::{child, child_or_new, items, set};
use object::{Map, Value, json};

pub(super) fn volume(root: &mut Map<String, Value>) {
    if let Some(spec) = child(root, "spec") {
        set(spec, "persistentVolumeReclaimPolicy", "Retain");
        set(spec, "volumeMode", "Filesystem");
        if let Some(host) = child(spec, "hostPath") {
            host.entry("type").or_insert_with(|| json!(""));
        }
    }
    phase(root);
}

pub(super) fn claim(root: &mut Map<String, Value>) {
    if let Some(spec) = child(root, "spec") {
        set(spec, "volumeMode", "Filesystem");
    }
    phase(root);
}

fn phase(root: &mut Map<String, Value>) {
    if let Some(status) = child_or_new(root, "status") {
        set(status, "phase", "Pending");
    }
}

pub(super) fn storage_class(root: &mut Map<String, Value>) {
    set(root, "reclaimPolicy", "Delete");
    set(root, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(root: &mut Map<String, Value>) {
    let Some(spec) = child_or_new(root, "spec") else { return };
    set(spec, "attachRequired", true);
    for field in ["podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"] {
        set(spec, field, false);
    }
    set(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec.get("volumeLifecycleModes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("volumeLifecycleModes".to_owned(), json!(["Persistent"]));
    }
}

/// What a container may use at most is its default, and its default what it asks for.
pub(super) fn limit_range(root: &mut Map<String, Value>) {
    let Some(spec) = child(root, "spec") else { return };
    for item in items(spec, "limits") {
        if super::text(item, "type") != "Container" {
            continue;
        }
        fill(item, "default", "max");
        fill(item, "defaultRequest", "default");
        fill(item, "defaultRequest", "min");
    }
}

/// Amounts of `from` that `to` does not name.
fn fill(item: &mut Map<String, Value>, to: &str, from: &str) {
    let Some(given) = item.get(from).and_then(Value::as_object).filter(|g| !g.is_empty()).cloned() else { return };
    if let Some(amounts) = child_or_new(item, to) {
        for (resource, amount) in given {
            amounts.entry(resource).or_insert(amount);
        }
    }
}
