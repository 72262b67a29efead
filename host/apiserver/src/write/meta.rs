//! `metadata`: what the server sets, keeps and refuses (`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`,
//! `k8s.io/apiserver/pkg/registry/rest/{meta,create,update}.go`).

use super::Write;
use object::field::{ErrorList, Path};
use object::{Map, Object, StatusError, Value, json, names};
use registry::NameRule;

/// All annotations of an object together: upstream's `TotalAnnotationSizeLimitB`.
const ANNOTATIONS_MAX: usize = 256 * 1024;

impl Write<'_> {
    /// Namespace and name as the path says, or as generated.
    pub fn identify(&self, object: &mut Object) -> Result<(), StatusError> {
        let info = &self.call.info;
        if !object.at(&["metadata"]).is_some_and(Value::is_object) {
            object.set_at(&["metadata"], Value::Object(Map::new()));
        }
        if self.kind.is_namespaced() {
            if object.namespace().is_empty() {
                object.set_at(&["metadata", "namespace"], json!(info.namespace));
            } else if object.namespace() != info.namespace {
                return Err(StatusError::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
        } else if !object.namespace().is_empty() {
            object.remove_at(&["metadata", "namespace"]);
        }
        if !info.name.is_empty() {
            if object.name().is_empty() {
                object.set_at(&["metadata", "name"], json!(info.name));
            } else if object.name() != info.name {
                return Err(StatusError::bad_request(format!(
                    "the name of the object ({}) does not match the name on the URL ({})",
                    object.name(),
                    info.name
                )));
            }
        }
        Ok(())
    }

    /// `FillObjectMetaSystemFields` and the wiping before a create.
    pub fn new_metadata(&self, object: &mut Object) {
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "resourceVersion"] {
            object.remove_at(&["metadata", field]);
        }
        object.set_at(&["metadata", "uid"], json!(uuid::Uuid::new_v4().to_string()));
        object.set_at(&["metadata", "creationTimestamp"], json!(object::time::now()));
        if self.kind.has_generation {
            object.set_at(&["metadata", "generation"], json!(1));
        }
    }

    /// What an update never changes.
    pub fn keep_metadata(&self, new: &mut Object, old: &Object) {
        for field in
            ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName", "selfLink"]
        {
            match old.at(&["metadata", field]) {
                Some(value) => new.set_at(&["metadata", field], value.clone()),
                None => {
                    new.remove_at(&["metadata", field]);
                }
            }
        }
    }

    /// `ValidateObjectMeta`.
    pub fn validate_meta(&self, object: &Object, errors: &mut ErrorList) {
        object_meta(object, self.kind.is_namespaced(), |name| self.name_faults(name), &Path::new("metadata"), errors);
    }

    fn name_faults(&self, name: &str) -> Vec<String> {
        match self.kind.name_rule {
            NameRule::Subdomain => names::dns1123_subdomain(name),
            NameRule::Label => names::dns1123_label(name),
            NameRule::Dns1035Label => names::dns1035_label(name),
            NameRule::PathSegment => names::path_segment(name),
        }
    }

    /// `ValidateObjectMetaUpdate`: what `keep_metadata` did not already keep.
    pub fn validate_meta_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        if old.is_deleting() {
            let before = old.finalizers();
            let added: Vec<&str> = new.finalizers().into_iter().filter(|f| !before.contains(f)).collect();
            if !added.is_empty() {
                errors.forbidden(
                    &Path::new("metadata").child("finalizers"),
                    &format!(
                        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                        quoted(&added)
                    ),
                );
            }
        }
    }
}

/// `MaxSubresourceNameLength`.
const SUBRESOURCE_MAX: usize = 256;

/// `ValidateManagedFields`.
fn managers(object: &Object, path: &Path, errors: &mut ErrorList) {
    let entries = object.at(&["metadata", "managedFields"]).and_then(Value::as_array);
    for (at, entry) in entries.into_iter().flatten().enumerate() {
        let path = path.index(at);
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        if !matches!(text("operation"), "Apply" | "Update") {
            errors.invalid(&path.child("operation"), text("operation"), "must be `Apply` or `Update`");
        }
        if !matches!(text("fieldsType"), "" | "FieldsV1") {
            errors.invalid(&path.child("fieldsType"), text("fieldsType"), "must be `FieldsV1`");
        }
        crate::options::field_manager(text("manager"), &path.child("manager"), errors);
        if text("subresource").len() > SUBRESOURCE_MAX {
            errors.too_long(&path.child("subresource"), SUBRESOURCE_MAX);
        }
    }
}

fn quoted(list: &[&str]) -> String {
    list.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ")
}

/// `ValidateObjectMeta`, also of metadata that is embedded in another object.
pub fn object_meta(object: &Object, namespaced: bool, name_faults: impl Fn(&str) -> Vec<String>, meta: &Path, errors: &mut ErrorList) {
    let generate = object.str_at(&["metadata", "generateName"]);
    if !generate.is_empty() {
        // The prefix is judged as if a character followed, so that a trailing dash is no fault.
        let judged = format!("{}a", generate.strip_suffix('-').map_or(generate.to_owned(), |g| format!("{g}-")));
        for detail in name_faults(&judged) {
            errors.invalid(&meta.child("generateName"), generate, &detail);
        }
    }
    let name = object.name();
    if name.is_empty() {
        errors.required(&meta.child("name"), "name or generateName is required");
    } else {
        for detail in name_faults(name) {
            errors.invalid(&meta.child("name"), name, &detail);
        }
    }
    if namespaced {
        if object.namespace().is_empty() {
            errors.required(&meta.child("namespace"), "");
        } else {
            for detail in names::dns1123_label(object.namespace()) {
                errors.invalid(&meta.child("namespace"), object.namespace(), &detail);
            }
        }
    }
    labels(object.labels(), &meta.child("labels"), errors);
    annotations(object.at(&["metadata", "annotations"]).and_then(Value::as_object), &meta.child("annotations"), errors);
    owners(object, &meta.child("ownerReferences"), errors);
    finalizers(object, &meta.child("finalizers"), errors);
    managers(object, &meta.child("managedFields"), errors);
}

/// `ValidateLabels`.
pub fn labels(labels: Option<&Map<String, Value>>, path: &Path, errors: &mut ErrorList) {
    for (key, value) in labels.into_iter().flatten() {
        for detail in names::qualified_name(key) {
            errors.invalid(path, key.as_str(), &detail);
        }
        let value = value.as_str().unwrap_or_default();
        for detail in names::label_value(value) {
            errors.invalid(path, value, &detail);
        }
    }
}

/// `ValidateAnnotations`.
pub fn annotations(annotations: Option<&Map<String, Value>>, path: &Path, errors: &mut ErrorList) {
    let mut total = 0;
    for (key, value) in annotations.into_iter().flatten() {
        // Upper case is tolerated in annotation keys.
        for detail in names::qualified_name(&key.to_lowercase()) {
            errors.invalid(path, key.as_str(), &detail);
        }
        total += key.len() + value.as_str().map_or(0, str::len);
    }
    if total > ANNOTATIONS_MAX {
        errors.too_long(path, ANNOTATIONS_MAX);
    }
}

/// `ValidateOwnerReferences`.
fn owners(object: &Object, path: &Path, errors: &mut ErrorList) {
    let owners = object.at(&["metadata", "ownerReferences"]).and_then(Value::as_array);
    let mut controller: Option<&str> = None;
    for (at, owner) in owners.into_iter().flatten().enumerate() {
        // Upstream names the list, not the entry, for missing fields.
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        if text("apiVersion").is_empty() {
            errors.invalid(&path.child("apiVersion"), "", "version must not be empty");
        }
        if text("kind").is_empty() {
            errors.invalid(&path.child("kind"), "", "must not be empty");
        }
        if text("name").is_empty() {
            errors.invalid(&path.child("name"), "", "must not be empty");
        }
        if text("uid").is_empty() {
            errors.invalid(&path.child("uid"), "", "must not be empty");
        }
        if text("apiVersion") == "v1" && text("kind") == "Event" {
            errors.invalid(path, "v1, Kind=Event", "is disallowed from being an owner");
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            if let Some(first) = controller {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {}",
                    text("name")
                );
                errors.invalid(path, format!("[{at}]"), &detail);
            }
            controller = Some(text("name"));
        }
    }
}

/// `ValidateFinalizers`.
fn finalizers(object: &Object, path: &Path, errors: &mut ErrorList) {
    let found = object.finalizers();
    for finalizer in &found {
        for detail in names::qualified_name(finalizer) {
            errors.invalid(path, *finalizer, &detail);
        }
    }
    if found.contains(&"orphan") && found.contains(&"foregroundDeletion") {
        errors.invalid(path, json!(found), "finalizer orphan and foregroundDeletion cannot be both set");
    }
}
