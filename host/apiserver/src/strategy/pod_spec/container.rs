//! One container: `validateContainers`, `validateInitContainers`.

use super::{handler, ids, resources, unique_label};
use crate::strategy::read::{flag, items, non_negative, number, one_of, text};
use object::Value;
use object::field::{ErrorList, Path};
use object::names;
use std::collections::HashSet;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Main,
    Init,
}

pub struct Context<'v> {
    /// Names of the pod's volumes.
    pub volumes: &'v HashSet<&'v str>,
    pub host_network: bool,
}

/// `seen`: names of containers before it; they are unique in the pod.
pub fn validate<'v>(
    container: &'v Value,
    role: Role,
    context: &Context<'_>,
    seen: &mut HashSet<&'v str>,
    path: &Path,
    errors: &mut ErrorList,
) {
    unique_label(text(container, "name"), seen, &path.child("name"), errors);
    let image = text(container, "image");
    if image.is_empty() {
        errors.required(&path.child("image"), "");
    } else if image.trim() != image {
        errors.invalid(&path.child("image"), image, "must not have leading or trailing whitespace");
    }
    one_of(text(container, "imagePullPolicy"), &["Always", "IfNotPresent", "Never"], &path.child("imagePullPolicy"), errors);
    one_of(
        text(container, "terminationMessagePolicy"),
        &["File", "FallbackToLogsOnError"],
        &path.child("terminationMessagePolicy"),
        errors,
    );
    ports(container, context.host_network, &path.child("ports"), errors);
    env(container, path, errors);
    mounts(container, context, &path.child("volumeMounts"), errors);
    if let Some(found) = container.get("resources") {
        resources(found, &path.child("resources"), errors);
    }
    if let Some(found) = container.get("securityContext") {
        let path = path.child("securityContext");
        ids(found, &["runAsUser", "runAsGroup"], &path, errors);
        if flag(found, "privileged") && found.get("allowPrivilegeEscalation").and_then(Value::as_bool) == Some(false) {
            errors.invalid(&path, found.clone(), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        }
    }
    let sidecar = role == Role::Init && text(container, "restartPolicy") == "Always";
    let policy = text(container, "restartPolicy");
    if !policy.is_empty() && !matches!(policy, "Always" | "OnFailure" | "Never") {
        errors.not_supported(&path.child("restartPolicy"), policy, &["Always", "OnFailure", "Never"]);
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(found) = container.get(probe) else { continue };
        let path = path.child(probe);
        if role == Role::Init && !sidecar {
            errors.forbidden(&path, "may not be set for init containers without restartPolicy=Always");
            continue;
        }
        handler(found, &path, errors);
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
            non_negative(number(found, field), &path.child(field), errors);
        }
        let successes = number(found, "successThreshold").unwrap_or(1);
        if probe != "readinessProbe" && successes != 1 {
            errors.invalid(&path.child("successThreshold"), successes, "must be 1");
        }
    }
    if let Some(lifecycle) = container.get("lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(found) = lifecycle.get(hook) {
                handler(found, &path.child("lifecycle").child(hook), errors);
            }
        }
    }
}

fn ports(container: &Value, host_network: bool, path: &Path, errors: &mut ErrorList) {
    let mut names_seen = HashSet::new();
    for (at, port) in items(container, "ports") {
        let path = path.index(at);
        let name = text(port, "name");
        if !name.is_empty() {
            let faults = names::port_name(name);
            if faults.is_empty() {
                if !names_seen.insert(name) {
                    errors.duplicate(&path.child("name"), name);
                }
            } else {
                errors.invalid_all(&path.child("name"), name, faults);
            }
        }
        let inner = number(port, "containerPort").unwrap_or(0);
        if inner == 0 {
            errors.required(&path.child("containerPort"), "");
        } else {
            names::port_number(inner).iter().for_each(|detail| errors.invalid(&path.child("containerPort"), inner, detail));
        }
        let outer = number(port, "hostPort").unwrap_or(0);
        if outer != 0 {
            names::port_number(outer).iter().for_each(|detail| errors.invalid(&path.child("hostPort"), outer, detail));
            if host_network && outer != inner {
                errors.invalid(&path.child("containerPort"), inner, "must match `hostPort` when `hostNetwork` is true");
            }
        }
        one_of(text(port, "protocol"), &["SCTP", "TCP", "UDP"], &path.child("protocol"), errors);
    }
}

fn env(container: &Value, path: &Path, errors: &mut ErrorList) {
    for (at, variable) in items(container, "env") {
        let path = path.child("env").index(at);
        let name = text(variable, "name");
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else {
            errors.invalid_all(&path.child("name"), name, names::env_var_name(name));
        }
        let Some(source) = variable.get("valueFrom") else { continue };
        let path = path.child("valueFrom");
        let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
        let found: Vec<&str> = kinds.into_iter().filter(|k| source.get(*k).is_some()).collect();
        if found.is_empty() {
            errors.invalid(
                &path,
                "",
                "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
            );
        } else if !text(variable, "value").is_empty() {
            errors.invalid(&path, "", "may not be specified when `value` is not empty");
        } else if found.len() > 1 {
            errors.invalid(&path, "", "may not have more than one field specified at a time");
        }
        for kind in ["configMapKeyRef", "secretKeyRef"] {
            let Some(reference) = source.get(kind) else { continue };
            let path = path.child(kind);
            let key = text(reference, "key");
            if key.is_empty() {
                errors.required(&path.child("key"), "");
            } else {
                errors.invalid_all(&path.child("key"), key, names::config_map_key(key));
            }
        }
        if let Some(reference) = source.get("fieldRef")
            && text(reference, "fieldPath").is_empty()
        {
            errors.required(&path.child("fieldRef").child("fieldPath"), "");
        }
    }
    for (at, source) in items(container, "envFrom") {
        let path = path.child("envFrom").index(at);
        match (source.get("configMapRef"), source.get("secretRef")) {
            (None, None) => errors.invalid(&path, "", "must specify one of: `configMapRef` or `secretRef`"),
            (Some(_), Some(_)) => errors.invalid(&path, "", "may not have more than one field specified at a time"),
            _ => {}
        }
    }
}

fn mounts(container: &Value, context: &Context<'_>, path: &Path, errors: &mut ErrorList) {
    let mut paths_seen = HashSet::new();
    for (at, mount) in items(container, "volumeMounts") {
        let path = path.index(at);
        let (name, place) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if !context.volumes.contains(name) {
            errors.not_found(&path.child("name"), name);
        }
        if place.is_empty() {
            errors.required(&path.child("mountPath"), "");
        } else if !paths_seen.insert(place) {
            errors.invalid(&path.child("mountPath"), place, "must be unique");
        }
        for field in ["subPath", "subPathExpr"] {
            let below = text(mount, field);
            if below.starts_with('/') {
                errors.invalid(&path.child(field), below, "must be a relative path");
            }
            if below.split('/').any(|part| part == "..") {
                errors.invalid(&path.child(field), below, "must not contain '..'");
            }
        }
        if !text(mount, "subPath").is_empty() && !text(mount, "subPathExpr").is_empty() {
            errors.invalid(&path.child("subPathExpr"), text(mount, "subPathExpr"), "subPathExpr and subPath are mutually exclusive");
        }
    }
}
