//! What containers see of the pod's volumes: `ValidateVolumeMounts`, `ValidateVolumeDevices`.

use super::words::{descending, has_backsteps};
use super::{Pod, given, given_text};
use crate::strategy::at::At;
use crate::strategy::read::{flag, items, text};
use object::Value;
use object::field::ErrorList;
use std::collections::HashSet;

/// `at`: the container.
pub(super) fn validate(container: &Value, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let list = at.child("volumeMounts");
    let has_devices = items(container, "volumeDevices").next().is_some();
    let mut paths = HashSet::new();
    for (index, mount) in items(container, "volumeMounts") {
        let at = list.index(index);
        let (name, path) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            at.child("name").required(errors, "");
        }
        if !pod.volumes.contains_key(name) {
            at.child("name").not_found(errors, name);
        }
        if path.is_empty() {
            at.child("mountPath").required(errors, "");
        }
        if !paths.insert(path) {
            at.child("mountPath").invalid(errors, path, "must be unique");
        }
        if has_devices {
            if items(container, "volumeDevices").any(|(_, d)| text(d, "name") == name) {
                at.child("name").invalid(errors, name, "must not already exist in volumeDevices");
            }
            if items(container, "volumeDevices").any(|(_, d)| text(d, "devicePath") == path) {
                at.child("mountPath").invalid(errors, path, "must not already exist as a path in volumeDevices");
            }
        }
        // From here on upstream names the list, not the mount.
        let (below, expression) = (text(mount, "subPath"), text(mount, "subPathExpr"));
        if !below.is_empty() {
            descending(below, &list.child("subPath"), errors);
        }
        if !expression.is_empty() {
            if !below.is_empty() {
                at.child("subPathExpr").invalid(errors, expression, "subPathExpr and subPath are mutually exclusive");
            }
            descending(expression, &list.child("subPathExpr"), errors);
        }
        let propagation = given_text(mount, "mountPropagation");
        propagates(propagation, container, &list.child("mountPropagation"), errors);
        recursive(mount, propagation, &list.child("recursiveReadOnly"), errors);
    }
    if has_devices {
        devices(container, pod, &at.child("volumeDevices"), errors);
    }
}

fn propagates(mode: Option<&str>, container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.one_of_given(errors, mode, &["Bidirectional", "HostToContainer", "None"]);
    let privileged = given(container, "securityContext").is_some_and(|c| flag(c, "privileged"));
    if mode == Some("Bidirectional") && !privileged {
        at.forbidden(errors, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive(mount: &Value, propagation: Option<&str>, at: &At<'_>, errors: &mut ErrorList) {
    match given_text(mount, "recursiveReadOnly") {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if !flag(mount, "readOnly") {
                at.forbidden(errors, "may only be specified when readOnly is true");
            }
            if propagation.is_some_and(|mode| mode != "None") {
                at.forbidden(errors, "may only be specified when mountPropagation is None or not specified");
            }
        }
        Some(other) => at.not_supported(errors, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn devices(container: &Value, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let (mut names, mut paths) = (HashSet::new(), HashSet::new());
    for (index, device) in items(container, "volumeDevices") {
        let at = at.index(index);
        let (name, path) = (text(device, "name"), text(device, "devicePath"));
        let (at_name, at_path) = (at.child("name"), at.child("devicePath"));
        if name.is_empty() {
            at_name.required(errors, "");
        }
        if names.contains(name) {
            at_name.invalid(errors, name, "must be unique");
        }
        match pod.volumes.get(name) {
            None => at_name.not_found(errors, name),
            Some(volume) if given(volume, "persistentVolumeClaim").is_none() && given(volume, "ephemeral").is_none() => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                at_name.invalid(errors, name, detail);
            }
            Some(_) => {}
        }
        if path.is_empty() {
            at_path.required(errors, "");
        }
        if paths.contains(path) {
            at_path.invalid(errors, path, "must be unique");
        }
        if !path.is_empty() && has_backsteps(path) {
            at_path.invalid(errors, path, "can not contain backsteps ('..')");
        } else {
            paths.insert(path);
        }
        if items(container, "volumeMounts").any(|(_, m)| text(m, "name") == name) {
            at_name.invalid(errors, name, "must not already exist in volumeMounts");
        }
        if items(container, "volumeMounts").any(|(_, m)| text(m, "mountPath") == path) {
            at_path.invalid(errors, path, "must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names.insert(name);
        }
    }
}
