//! What a pod's operating system allows: `validateOS`, `validateLinux`, `validateWindows`; and user namespaces.

use super::{Pod, containers, given};
use crate::strategy::at::At;
use crate::strategy::read::{flag, text};
use object::Value;
use object::field::ErrorList;

const NOT_WINDOWS: &str = "cannot be set for a windows pod";

/// `validateHostUsers`; `at`: the pod's specification. Upstream writes two of the fields like its own structs.
pub(super) fn host_users(pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    if pod.host_users {
        return;
    }
    for (field, told) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if flag(pod.spec, field) {
            at.child(told).forbidden(errors, "when `pod.Spec.HostUsers` is false");
        }
    }
}

pub(super) fn validate(pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let Some(os) = given(pod.spec, "os") else { return };
    match text(os, "name") {
        "" => at.child("os.name").required(errors, "cannot be empty"),
        "linux" => linux(pod.spec, at, errors),
        "windows" => windows(pod.spec, at, errors),
        other => at.child("os").not_supported(errors, other, &["linux", "windows"]),
    }
}

fn linux(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let options = |value: &Value| given(value, "securityContext").is_some_and(|c| given(c, "windowsOptions").is_some());
    let (field, detail) = ("securityContext.windowsOptions", "windows options cannot be set for a linux pod");
    if options(spec) {
        at.child(field).forbidden(errors, detail);
    }
    for (list, index, _) in containers(spec).filter(|(_, _, c)| options(c)) {
        at.child(list).index(index).child(field).forbidden(errors, detail);
    }
}

fn windows(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let empty = Value::Null;
    let context = given(spec, "securityContext").unwrap_or(&empty);
    let below = at.child("securityContext");
    let mut refuse = |holder: &Value, at: &At<'_>, field: &str| {
        let set = match given(holder, field) {
            None | Some(Value::Bool(false)) if matches!(field, "hostPID" | "hostIPC") => false,
            None => false,
            Some(Value::Array(list)) if field == "sysctls" => !list.is_empty(),
            Some(_) => true,
        };
        if set {
            at.child(field).forbidden(errors, NOT_WINDOWS);
        }
    };
    refuse(context, &below, "appArmorProfile");
    refuse(context, &below, "seLinuxOptions");
    for field in ["hostUsers", "hostPID", "hostIPC"] {
        refuse(spec, at, field);
    }
    for field in ["seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls"] {
        refuse(context, &below, field);
    }
    refuse(spec, at, "shareProcessNamespace");
    for field in ["runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"] {
        refuse(context, &below, field);
    }
    for (list, index, container) in containers(spec) {
        let Some(context) = given(container, "securityContext") else { continue };
        let list = at.child(list);
        let place = list.index(index);
        for field in [
            "appArmorProfile",
            "seLinuxOptions",
            "seccompProfile",
            "capabilities",
            "readOnlyRootFilesystem",
            "privileged",
            "allowPrivilegeEscalation",
            "procMount",
            "runAsUser",
            "runAsGroup",
        ] {
            refuse(context, &place.child("securityContext"), field);
        }
    }
}
