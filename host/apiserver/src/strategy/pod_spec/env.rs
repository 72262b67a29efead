//! A container's environment: `ValidateEnv`, `ValidateEnvFrom`.

use super::words::not_reserved;
use super::{Pod, given};
use crate::strategy::at::At;
use crate::strategy::read::{items, text};
use object::field::ErrorList;
use object::quantity::Quantity;
use object::{Value, names};

/// Longest key of an environment file.
const FILE_KEY_MAX: usize = 128;

const RESOURCES: [&str; 6] =
    ["limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"];

/// Which fields of the pod may be told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FieldPaths {
    Environment,
    Files,
}

impl FieldPaths {
    fn supported(self) -> &'static [&'static str] {
        match self {
            Self::Environment => &[
                "metadata.name",
                "metadata.namespace",
                "metadata.uid",
                "spec.nodeName",
                "spec.serviceAccountName",
                "status.hostIP",
                "status.hostIPs",
                "status.podIP",
                "status.podIPs",
            ],
            Self::Files => &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"],
        }
    }
}

/// `at`: the container.
pub(super) fn validate(container: &Value, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    for (index, variable) in items(container, "env") {
        let list = at.child("env");
        let at = list.index(index);
        match text(variable, "name") {
            "" => at.child("name").required(errors, ""),
            name => at.child("name").invalid_all(errors, name, &names::env_var_name(name)),
        }
        if let Some(source) = given(variable, "valueFrom") {
            value_from(source, !text(variable, "value").is_empty(), pod, &at.child("valueFrom"), errors);
        }
    }
    for (index, source) in items(container, "envFrom") {
        let list = at.child("envFrom");
        let at = list.index(index);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            at.child("prefix").invalid_all(errors, prefix, &names::env_var_name(prefix));
        }
        let mut sources = 0;
        for kind in ["configMapRef", "secretRef"] {
            let Some(reference) = given(source, kind) else { continue };
            sources += 1;
            let at = at.child(kind);
            match text(reference, "name") {
                "" => at.child("name").required(errors, ""),
                name => at.child("name").subdomain(errors, name),
            }
        }
        match sources {
            0 => list.invalid(errors, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => list.invalid(errors, "", "may not have more than one field specified at a time"),
        }
    }
}

fn value_from(source: &Value, has_value: bool, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let mut sources = 0;
    if let Some(field) = given(source, "fieldRef") {
        sources += 1;
        field_ref(field, FieldPaths::Environment, &at.child("fieldRef"), errors);
    }
    if let Some(resource) = given(source, "resourceFieldRef") {
        sources += 1;
        resource_ref(resource, false, &at.child("resourceFieldRef"), errors);
    }
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        let Some(reference) = given(source, kind) else { continue };
        sources += 1;
        let at = at.child(kind);
        let (name, key) = (text(reference, "name"), text(reference, "key"));
        at.child("name").invalid_all(errors, name, &names::dns1123_subdomain(name));
        match key {
            "" => at.child("key").required(errors, ""),
            key => at.child("key").invalid_all(errors, key, &names::config_map_key(key)),
        }
    }
    if let Some(reference) = given(source, "fileKeyRef") {
        sources += 1;
        file_key(reference, pod, &at.child("fileKeyRef"), errors);
    }
    if sources == 0 {
        let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        at.invalid(errors, "", detail);
    } else if has_value {
        at.invalid(errors, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        at.invalid(errors, "", "may not have more than one field specified at a time");
    }
}

/// A key of a file in an empty directory of the pod (KEP-5307).
fn file_key(reference: &Value, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    match text(reference, "key") {
        "" => at.child("key").required(errors, ""),
        key if key.len() > FILE_KEY_MAX => at.child("key").too_long(errors, FILE_KEY_MAX),
        key => at.child("key").invalid_all(errors, key, &names::env_var_name(key)),
    }
    let name = text(reference, "volumeName");
    let place = at.child("volumeName");
    place.label(errors, name);
    match pod.volumes.get(name) {
        _ if name.is_empty() => {}
        None => place.not_found(errors, name),
        Some(volume) if given(volume, "emptyDir").is_none() => {
            place.invalid(errors, name, "referenced volume must be of type emptyDir");
        }
        Some(_) => {}
    }
    match text(reference, "path") {
        "" => at.child("path").required(errors, ""),
        path => not_reserved(path, &at.child("path"), errors),
    }
}

/// What `ConvertDownwardAPIFieldLabel` knows.
const CONVERTIBLE: [&str; 15] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.host",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// `validateObjectFieldSelector`.
pub fn field_ref(field: &Value, paths: FieldPaths, at: &At<'_>, errors: &mut ErrorList) {
    let (version, path) = (text(field, "apiVersion"), text(field, "fieldPath"));
    if version.is_empty() {
        return at.child("apiVersion").required(errors, "");
    }
    if path.is_empty() {
        return at.child("fieldPath").required(errors, "");
    }
    let refuse = |errors: &mut ErrorList, told: String| {
        at.child("fieldPath").invalid(errors, path, &format!("error converting fieldPath: {told}"));
    };
    if version != "v1" {
        return refuse(errors, format!("unsupported pod version: {version}"));
    }
    let subscripted = path.strip_suffix("']").and_then(|p| p.split_once("['")).filter(|(path, _)| !path.is_empty());
    match subscripted {
        Some(("metadata.annotations", key)) => at.invalid_all(errors, &key.to_lowercase(), &names::qualified_name(&key.to_lowercase())),
        Some(("metadata.labels", key)) => at.qualified(errors, key),
        Some(_) => refuse(errors, format!("field label does not support subscript: {path}")),
        None if !CONVERTIBLE.contains(&path) => refuse(errors, format!("field label not supported: {path}")),
        None => {
            let path = if path == "spec.host" { "spec.nodeName" } else { path };
            if !paths.supported().contains(&path) {
                at.child("fieldPath").not_supported(errors, path, paths.supported());
            }
        }
    }
}

/// `validateContainerResourceFieldSelector`. Files name the container.
pub fn resource_ref(reference: &Value, in_file: bool, at: &At<'_>, errors: &mut ErrorList) {
    let resource = text(reference, "resource");
    let huge = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if in_file && text(reference, "containerName").is_empty() {
        at.child("containerName").required(errors, "");
    } else if resource.is_empty() {
        at.child("resource").required(errors, "");
    } else if !RESOURCES.contains(&resource) && !huge {
        at.child("resource").not_supported(errors, resource, &RESOURCES);
    }
    let divisor = given(reference, "divisor").and_then(|d| Quantity::from_value(d).ok());
    let Some(divisor) = divisor.filter(|d| !d.is_zero()) else { return };
    const UNITS: &str = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the";
    let told = divisor.to_string();
    let unit = matches!(told.strip_prefix('1'), Some("" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei"));
    let detail = match resource {
        "limits.cpu" | "requests.cpu" if !matches!(told.as_str(), "1" | "1m") => {
            "only divisor's values 1m and 1 are supported with the cpu resource".to_owned()
        }
        "limits.memory" | "requests.memory" if !unit => format!("{UNITS} memory resource"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" if !unit => format!("{UNITS} local ephemeral storage resource"),
        _ if huge && !unit => format!("{UNITS} hugepages resource"),
        _ => return,
    };
    at.child("divisor").invalid(errors, resource, &detail);
}
