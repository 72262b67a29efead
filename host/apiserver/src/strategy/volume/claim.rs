//! `ValidatePersistentVolumeClaim`, `ValidatePersistentVolumeClaimUpdate`, `ValidatePersistentVolumeClaimStatusUpdate`.

use super::source::access_modes;
use crate::strategy::amounts::{self, quantity};
use crate::strategy::pod_spec::selector_of;
use crate::strategy::read::{entries, immutable, is_empty, text};
use object::field::{ErrorList, Path};
use object::quantity::Quantity;
use object::{Object, Value, names};

const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub fn validate(claim: &Object, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let empty = Value::Null;
    let spec = claim.at(&["spec"]).unwrap_or(&empty);
    let given = |field: &str| spec.get(field).filter(|v| !v.is_null());
    access_modes(spec, "at least 1 access mode is required", &path, errors);
    if let Some(selector) = given("selector") {
        selector_of(selector, &path.child("selector"), errors);
    }
    let storage = path.child("resources").key("storage");
    match quantity(spec.pointer("/resources/requests/storage")) {
        None => errors.required(&storage, ""),
        Some(size) => amounts::positive(size, &storage, errors),
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let class = text(spec, field);
        if !class.is_empty() {
            errors.invalid_all(&path.child(field), class, names::dns1123_subdomain(class));
        }
    }
    if let Some(mode) = given("volumeMode").and_then(Value::as_str)
        && !matches!(mode, "Block" | "Filesystem")
    {
        errors.not_supported(&path.child("volumeMode"), mode, &["Block", "Filesystem"]);
    }
    let (one, other) = (given("dataSource"), given("dataSourceRef"));
    for (field, source) in [("dataSource", one), ("dataSourceRef", other)] {
        if let Some(source) = source {
            data_source(source, &path.child(field), errors);
        }
    }
    if let (Some(one), Some(other)) = (one, other) {
        let same = ["apiGroup", "kind", "name"].iter().all(|f| one.get(f) == other.get(f));
        // Upstream shows the path in place of the value.
        if !text(other, "namespace").is_empty() {
            errors.invalid(&path, "spec.dataSource", "may not be specified when dataSourceRef.namespace is specified");
        } else if !same {
            errors.invalid(&path, "spec.dataSource", "must match dataSourceRef");
        }
    }
}

fn data_source(source: &Value, path: &Path, errors: &mut ErrorList) {
    let (group, kind) = (text(source, "apiGroup"), text(source, "kind"));
    for field in ["name", "kind"] {
        if text(source, field).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        errors.invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
    }
    if !group.is_empty() {
        errors.invalid_all(&path.child("apiGroup"), group, names::dns1123_subdomain(group));
    }
    let namespace = text(source, "namespace");
    if !namespace.is_empty() {
        errors.invalid_all(&path.child("namespace"), namespace, names::dns1123_label(namespace));
    }
}

pub fn validate_update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let mut was = old.clone();
    let mut is = new.clone();
    // The controller binds a claim once.
    let volume = ["spec", "volumeName"];
    if old.str_at(&volume).is_empty() {
        copy(&mut was, new, &volume);
    }
    class_may_come(&mut is, &was, new, old, errors);
    if new.str_at(&["status", "phase"]) == "Bound" {
        copy(&mut is, old, &["spec", "resources", "requests", "storage"]);
    }
    copy(&mut is, &was, &["spec", "volumeAttributesClassName"]);
    if is.at(&["spec"]) != was.at(&["spec"]) {
        let told = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.forbidden(&path, told);
    }
    let size = |o: &Object| quantity(o.at(&["spec", "resources", "requests", "storage"])).unwrap_or(Quantity::ZERO);
    let capacity = quantity(old.at(&["status", "capacity", "storage"])).unwrap_or(Quantity::ZERO);
    // A claim may shrink back to what it has: so users recover from an expansion that failed (KEP-1790).
    if size(new) < size(old) && size(new) <= capacity {
        let path = path.child("resources").child("requests").child("storage");
        errors.forbidden(&path, "field can not be less than status.capacity");
    }
    immutable(new.at(&["spec", "volumeMode"]), old.at(&["spec", "volumeMode"]), &Path::new("volumeMode"), errors);
    let class = |o: &Object| o.at(&["spec", "volumeAttributesClassName"]).and_then(Value::as_str).map(str::to_owned);
    let path = path.child("volumeAttributesClassName");
    match (class(old), class(new).as_deref()) {
        (Some(_), None) => errors.forbidden(&path, "update from non-nil value to nil is forbidden"),
        (Some(was), Some("")) if !was.is_empty() => {
            errors.forbidden(&path, "update from non-nil value to an empty string is forbidden");
        }
        _ => {}
    }
}

fn copy(to: &mut Object, from: &Object, path: &[&str]) {
    match from.at(path) {
        Some(value) => to.set_at(path, value.clone()),
        None => {
            to.remove_at(path);
        }
    }
}

/// A claim that named no class may be given the default one, or that of its annotation from before there was a field.
fn class_may_come(is: &mut Object, was: &Object, new: &Object, old: &Object, errors: &mut ErrorList) {
    let field = ["spec", "storageClassName"];
    let class = |o: &Object| o.at(&field).and_then(Value::as_str).map(str::to_owned);
    let (annotated, annotated_now) = (old.annotation(CLASS_ANNOTATION), new.annotation(CLASS_ANNOTATION));
    let (had, has) = (class(old), class(new));
    let from_annotation =
        annotated.is_some() && had.is_none() && has.as_deref() == annotated && (annotated_now.is_none() || annotated_now == annotated);
    if from_annotation {
        is.remove_at(&field);
        return;
    }
    if annotated_now.unwrap_or_default() != annotated.unwrap_or_default() {
        let path = Path::new("metadata").child("annotations").key(CLASS_ANNOTATION);
        errors.invalid(&path, annotated_now.unwrap_or_default(), "field is immutable");
    }
    if had.is_none() && has.is_some() && (annotated.is_none() || annotated == has.as_deref()) {
        copy(is, was, &field);
    }
}

pub fn validate_status(new: &Object, errors: &mut ErrorList) {
    let empty = Value::Null;
    let status = new.at(&["status"]).unwrap_or(&empty);
    let path = Path::new("status");
    for (resource, value) in entries(status, "capacity") {
        let path = path.child("capacity").key(resource);
        basic(value, &path, errors);
    }
    let known = ["ControllerResizeFailed", "ControllerResizeInProgress", "NodeResizeFailed", "NodeResizeInProgress", "NodeResizePending"];
    for (resource, state) in entries(status, "allocatedResourceStatuses") {
        let path = path.child("allocatedResourceStatus");
        resource_key(resource, &path, errors);
        if !known.contains(&state.as_str().unwrap_or_default()) {
            errors.not_supported(&path, resource.as_str(), &known);
        }
    }
    for (resource, value) in entries(status, "allocatedResources") {
        let path = path.child("allocatedResources");
        if resource_key(resource, &path, errors) {
            basic(value, &path.key(resource), errors);
        }
    }
    if is_empty(new.at(&["spec", "accessModes"])) {
        errors.required(&Path::new("Spec").child("accessModes"), "");
    }
}

/// `validateBasicResource`.
fn basic(value: &Value, path: &Path, errors: &mut ErrorList) {
    if let Some(amount) = quantity(Some(value)).filter(|q| q.is_negative()) {
        errors.invalid(path, amount.value(), "must be a valid resource quantity");
    }
}

fn resource_key(resource: &str, path: &Path, errors: &mut ErrorList) -> bool {
    let faults = names::qualified_name(resource);
    let sound = faults.is_empty();
    errors.invalid_all(path, resource, faults);
    let native = !resource.contains('/') || resource.contains("kubernetes.io/");
    if sound && native && resource != "storage" {
        errors.not_supported(path, resource, &["storage"]);
        return false;
    }
    sound
}
