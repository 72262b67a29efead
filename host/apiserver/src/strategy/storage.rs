//! Group storage.k8s.io (`pkg/apis/storage/validation/validation.go`, `pkg/registry/storage/*/strategy.go`).

mod csi;

pub use csi::{CapacityStrategy, DriverStrategy, NodeStrategy};

use super::read::{entries, immutable, is_empty, items, number, text};
use super::{Context, Strategy};
use object::field::{ErrorList, Path};
use object::{Object, Value, json, names};
use std::collections::HashSet;

pub struct StorageClassStrategy;
pub struct AttributesClassStrategy;
pub struct AttachmentStrategy;

/// `maxProvisionerParameterSize`, `maxProvisionerParameterLen`, `maxAttachedVolumeMetadataSize`, `maxVolumeErrorMessageSize`.
const PARAMETERS_SIZE: usize = 256 * 1024;
const PARAMETERS: usize = 512;
const METADATA_SIZE: usize = 256 * 1024;
const MESSAGE_SIZE: usize = 1024;

impl Strategy for StorageClassStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        provisioner(text(tree, "provisioner"), &Path::new("provisioner"), errors);
        parameters(new, true, errors);
        let policy = text(tree, "reclaimPolicy");
        if !matches!(policy, "" | "Delete" | "Retain") {
            errors.not_supported(&Path::new("reclaimPolicy"), policy, &["Delete", "Retain"]);
        }
        let path = Path::new("volumeBindingMode");
        match tree.get("volumeBindingMode").and_then(Value::as_str) {
            None => errors.required(&path, ""),
            Some("Immediate" | "WaitForFirstConsumer") => {}
            Some(other) => errors.not_supported(&path, other, &["Immediate", "WaitForFirstConsumer"]),
        }
        topologies(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        unchanged(new, old, &["parameters", "provisioner", "reclaimPolicy"], errors);
        let field = "volumeBindingMode";
        immutable(new.at(&[field]), old.at(&[field]), &Path::new(field), errors);
    }
}

/// Upstream's words for fields that have no update.
fn unchanged(new: &Object, old: &Object, fields: &[&str], errors: &mut ErrorList) {
    for field in fields {
        let (is, was) = (new.at(&[field]), old.at(&[field]));
        if is != was && !(is_empty(is) && is_empty(was)) {
            errors.forbidden(&Path::new(field), &format!("updates to {field} are forbidden."));
        }
    }
}

fn provisioner(name: &str, path: &Path, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.required(path, "");
    } else {
        let lower = name.to_lowercase();
        errors.invalid_all(path, &lower, names::qualified_name(&lower));
    }
}

fn parameters(new: &Object, may_be_empty: bool, errors: &mut ErrorList) {
    let path = Path::new("parameters");
    let tree = new.as_map();
    let count = entries(tree, "parameters").count();
    if count > PARAMETERS {
        return errors.too_long(&path, PARAMETERS);
    }
    let mut size = 0;
    for (key, value) in entries(tree, "parameters") {
        if key.is_empty() {
            errors.invalid(&path, key.as_str(), "field can not be empty.");
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > PARAMETERS_SIZE {
        errors.too_long(&path, PARAMETERS_SIZE);
    }
    if !may_be_empty && count == 0 {
        errors.required(&path, "must contain at least one key/value pair");
    }
}

/// `validateAllowedTopologies`, `ValidateTopologySelectorTerm`.
fn topologies(new: &Object, errors: &mut ErrorList) {
    let mut terms: Vec<Vec<(&str, Vec<&str>)>> = Vec::new();
    for (at, term) in items(new.as_map(), "allowedTopologies") {
        let path = Path::new("allowedTopologies").index(at).child("matchLabelExpressions");
        let mut keys: Vec<(&str, Vec<&str>)> = Vec::new();
        for (at, requirement) in items(term, "matchLabelExpressions") {
            let path = path.index(at);
            let key = text(requirement, "key");
            errors.invalid_all(&path.child("key"), key, names::qualified_name(key));
            let mut values: Vec<&str> = Vec::new();
            if is_empty(requirement.get("values")) {
                errors.required(&path.child("values"), "");
            }
            for (at, value) in items(requirement, "values") {
                let value = value.as_str().unwrap_or_default();
                if values.contains(&value) {
                    errors.duplicate(&path.child("values").index(at), value);
                }
                values.push(value);
            }
            if keys.iter().any(|(seen, _)| *seen == key) {
                errors.duplicate(&path.child("key"), key);
            }
            values.sort_unstable();
            keys.push((key, values));
        }
        keys.sort_unstable();
        if terms.contains(&keys) {
            errors.duplicate(&path, "");
        }
        terms.push(keys);
    }
}

impl Strategy for AttributesClassStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        provisioner(new.str_at(&["driverName"]), &Path::new("driverName"), errors);
        parameters(new, false, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        unchanged(new, old, &["driverName", "parameters"], errors);
    }
}

/// `ValidateCSIDriverName` of `pkg/apis/core/validation`.
pub fn driver_name(name: &str, path: &Path, errors: &mut ErrorList) {
    if name.is_empty() {
        errors.required(path, "");
    }
    if name.len() > 63 {
        errors.too_long(path, 63);
    }
    errors.invalid_all(path, name, names::dns1123_subdomain(&name.to_lowercase()));
}

impl Strategy for AttachmentStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({ "attached": false }));
    }

    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        if text(spec, "attacher").is_empty() {
            errors.required(&path.child("attacher"), "");
        }
        let source = spec.get("source").unwrap_or(&empty);
        let at = path.child("source");
        let inline = source.get("inlineVolumeSpec").filter(|s| s.is_object());
        let name = source.get("persistentVolumeName").and_then(Value::as_str);
        let exactly_one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
        match (inline, name) {
            (None, None) => errors.required(&at, exactly_one),
            (Some(_), Some(_)) => errors.forbidden(&at, exactly_one),
            (None, Some("")) => errors.required(&at.child("persistentVolumeName"), "must specify non empty persistentVolumeName"),
            (None, Some(_)) => {}
            (Some(inline), None) => super::volume::inline(inline, &at.child("inlineVolumeSpec"), errors),
        }
        let node = text(spec, "nodeName");
        errors.invalid_all(&path.child("nodeName"), node, names::dns1123_subdomain(node));
        status(new, errors);
        driver_name(text(spec, "attacher"), &path.child("attacher"), errors);
        if let Some(name) = name {
            errors.invalid_all(&at.child("persistentVolumeName"), name, names::dns1123_subdomain(name));
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["spec"]), old.at(&["spec"]), &Path::new("spec"), errors);
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        status(new, errors);
    }
}

fn status(new: &Object, errors: &mut ErrorList) {
    let path = Path::new("status");
    let empty = Value::Null;
    let status = new.at(&["status"]).unwrap_or(&empty);
    let size: usize = entries(status, "attachmentMetadata").map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if size > METADATA_SIZE {
        errors.too_long(&path.child("attachmentMetadata"), METADATA_SIZE);
    }
    for field in ["attachError", "detachError"] {
        let Some(error) = status.get(field) else { continue };
        let path = path.child(field);
        if text(error, "message").len() > MESSAGE_SIZE {
            errors.too_long(&path.child("message"), METADATA_SIZE);
        }
        if let Some(code) = number(error, "errorCode").filter(|c| *c < 0) {
            errors.invalid(&path.child("errorCode"), code, "must be between 0 and 2147483647, inclusive");
        }
    }
}

/// Each value once.
fn seen_before<'v>(seen: &mut HashSet<&'v str>, value: &'v str) -> bool {
    !seen.insert(value)
}
