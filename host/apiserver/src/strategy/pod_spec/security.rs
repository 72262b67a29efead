//! Security contexts of pods and containers: `validatePodSpecSecurityContext`, `ValidateSecurityContext`.

use super::words::{descending, is_sysctl};
use super::{given, given_text, windows};
use crate::strategy::at::At;
use crate::strategy::read::{flag, items, number, text};
use object::Value;
use object::field::ErrorList;
use std::collections::HashSet;

/// User and group numbers.
const IDS: (i64, i64) = (0, i32::MAX as i64);
const PROFILE_TYPES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
/// `PATH_MAX` without its end.
const APPARMOR_MAX: usize = 4095;
const SYSCTL: &str =
    r"must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

fn ids(context: &Value, fields: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    for field in fields {
        at.child(field).range(errors, number(context, field), IDS.0, IDS.1);
    }
}

/// `at`: the pod's specification.
pub(super) fn of_pod(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("securityContext");
    let empty = Value::Null;
    let context = spec.get("securityContext").unwrap_or(&empty);
    ids(context, &["fsGroup", "runAsUser", "runAsGroup"], &at, errors);
    for (index, group) in items(context, "supplementalGroups") {
        at.child("supplementalGroups").index(index).range(errors, group.as_i64(), IDS.0, IDS.1);
    }
    if flag(spec, "shareProcessNamespace") && flag(spec, "hostPID") {
        at.child("shareProcessNamespace").invalid(errors, true, "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    if context.as_object().is_none_or(|c| c.is_empty()) {
        return;
    }
    sysctls(spec, context, &at.child("sysctls"), errors);
    at.child("fsGroupChangePolicy").one_of_given(errors, given_text(context, "fsGroupChangePolicy"), &["Always", "OnRootMismatch"]);
    if let Some(profile) = given(context, "seccompProfile") {
        seccomp(profile, &at.child("seccompProfile"), errors);
    }
    windows_and_apparmor(context, &at, errors);
    at.child("supplementalGroupsPolicy").one_of_given(errors, given_text(context, "supplementalGroupsPolicy"), &["Merge", "Strict"]);
    at.child("seLinuxChangePolicy").one_of_given(errors, given_text(context, "seLinuxChangePolicy"), &["MountOption", "Recursive"]);
}

fn windows_and_apparmor(context: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(options) = given(context, "windowsOptions") {
        windows::options(options, &at.child("windowsOptions"), errors);
    }
    if let Some(profile) = given(context, "appArmorProfile") {
        apparmor(profile, &at.child("appArmorProfile"), errors);
    }
}

pub(super) fn of_container(context: &Value, host_users: bool, at: &At<'_>, errors: &mut ErrorList) {
    ids(context, &["runAsUser", "runAsGroup"], at, errors);
    if let Some(mount) = given_text(context, "procMount") {
        let at = at.child("procMount");
        at.one_of_given(errors, Some(mount), &["Default", "Unmasked"]);
        if host_users && mount == "Unmasked" {
            at.invalid(errors, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    if let Some(profile) = given(context, "seccompProfile") {
        seccomp(profile, &at.child("seccompProfile"), errors);
    }
    if context.get("allowPrivilegeEscalation").and_then(Value::as_bool) == Some(false) {
        if flag(context, "privileged") {
            at.invalid(errors, context.clone(), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        }
        let added = given(context, "capabilities").into_iter().flat_map(|c| items(c, "add"));
        for _ in added.filter(|(_, capability)| capability.as_str() == Some("CAP_SYS_ADMIN")) {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            at.invalid(errors, context.clone(), detail);
        }
    }
    windows_and_apparmor(context, at, errors);
}

/// `validateSeccompProfileField`.
fn seccomp(profile: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (ty, local) = (text(profile, "type"), given_text(profile, "localhostProfile"));
    match ty {
        "" => at.child("type").required(errors, "type is required when seccompProfile is set"),
        ty => at.child("type").one_of_given(errors, Some(ty), &PROFILE_TYPES),
    }
    let place = at.child("localhostProfile");
    match (ty, local) {
        ("Localhost", None) => place.required(errors, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(path)) => descending(path, &place, errors),
        (_, Some(_)) => place.invalid(errors, profile.clone(), "can only be set when seccomp type is Localhost"),
        (_, None) => {}
    }
}

/// `ValidateAppArmorProfileField`.
fn apparmor(profile: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let place = at.child("localhostProfile");
    match (text(profile, "type"), given_text(profile, "localhostProfile")) {
        ("Localhost", None) => place.required(errors, "must be set when AppArmor type is Localhost"),
        ("Localhost", Some(path)) => {
            if path.trim() != path {
                place.invalid(errors, path, "must not be padded with whitespace");
            } else if path.is_empty() {
                place.required(errors, "must be set when AppArmor type is Localhost");
            }
            if path.len() > APPARMOR_MAX {
                place.too_long(errors, APPARMOR_MAX);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(path)) => place.invalid(errors, path, "can only be set when AppArmor type is Localhost"),
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => at.child("type").required(errors, "type is required when appArmorProfile is set"),
        (other, _) => at.child("type").not_supported(errors, other, &PROFILE_TYPES),
    }
}

/// `validateSysctls`.
fn sysctls(spec: &Value, context: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (index, sysctl) in items(context, "sysctls") {
        let at = at.index(index);
        let at = at.child("name");
        let name = text(sysctl, "name");
        if name.is_empty() {
            at.required(errors, "");
        } else if !is_sysctl(name) {
            at.invalid(errors, name, SYSCTL);
        } else if seen.contains(name) {
            at.duplicate(errors, name);
        }
        match namespace_of(name) {
            Some("net") if flag(spec, "hostNetwork") => at.invalid(errors, name, "may not be specified when 'hostNetwork' is true"),
            Some("ipc") if flag(spec, "hostIPC") => at.invalid(errors, name, "may not be specified when 'hostIPC' is true"),
            _ => {}
        }
        seen.insert(name);
    }
}

/// The kernel namespace that a setting belongs to (`component-helpers/node/util/sysctl`).
fn namespace_of(name: &str) -> Option<&'static str> {
    // With slashes first, dots are part of names, as those of VLANs.
    let dotted: String = match name.find(['.', '/']).and_then(|at| name.as_bytes().get(at)) {
        Some(b'/') => name
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    };
    if dotted == "kernel.sem" || ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|p| dotted.starts_with(p)) {
        return Some("ipc");
    }
    dotted.starts_with("net.").then_some("net")
}
