//! Containers of all three kinds: `validateContainers`, `validateInitContainers`, `validateEphemeralContainers`.

use super::{Pod, env, given, given_text, handler, is_empty_list, mount, resources, security};
use crate::strategy::at::At;
use crate::strategy::read::{items, number, text};
use object::field::ErrorList;
use object::{Value, names};
use std::collections::HashSet;

/// Only sidecars among init containers have a life that these fields speak of.
const NOT_FOR_INIT: &str = "may not be set for init containers without restartPolicy=Always";
const NOT_FOR_EPHEMERAL: &str = "cannot be set for an Ephemeral Container";

/// Most rules of a container, and most exit codes of a rule.
const RULES_MAX: usize = 20;
const CODES_MAX: usize = 255;

/// All containers of a pod; `at` is its specification.
pub(super) fn validate(pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let mut names = HashSet::new();
    main(pod, &mut names, &at.child("containers"), errors);
    if !is_empty_list(pod.spec, "initContainers") {
        init(pod, &mut names, &at.child("initContainers"), errors);
    }
    if !is_empty_list(pod.spec, "ephemeralContainers") {
        ephemeral(pod, &mut names, &at.child("ephemeralContainers"), errors);
    }
}

/// `validateContainersOnlyForPod`: templates of old hold images with spaces.
pub(super) fn only_for_pod(container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let image = text(container, "image");
    if image.trim().len() != image.len() {
        at.child("image").invalid(errors, image, "must not have leading or trailing whitespace");
    }
}

fn main<'v>(pod: &Pod<'v>, names: &mut HashSet<&'v str>, list: &At<'_>, errors: &mut ErrorList) {
    if is_empty_list(pod.spec, "containers") {
        return list.required(errors, "");
    }
    for (index, container) in items(pod.spec, "containers") {
        let at = list.index(index);
        common(container, pod, &at, errors);
        let name = text(container, "name");
        if !names.insert(name) {
            at.child("name").duplicate(errors, name);
        }
        lively(container, pod, &at, errors);
        restart_rules(container, &at, errors);
    }
    let mut ports = HashSet::new();
    for (index, container) in items(pod.spec, "containers") {
        host_ports(container, &mut ports, &list.index(index), errors);
    }
}

fn init<'v>(pod: &Pod<'v>, names: &mut HashSet<&'v str>, list: &At<'_>, errors: &mut ErrorList) {
    for (index, container) in items(pod.spec, "initContainers") {
        let at = list.index(index);
        common(container, pod, &at, errors);
        restart_rules(container, &at, errors);
        let name = text(container, "name");
        if names.contains(name) {
            at.child("name").duplicate(errors, name);
        } else if !name.is_empty() {
            names.insert(name);
        }
        // They run one by one, so each is judged alone; upstream counts it as the first of its list.
        host_ports(container, &mut HashSet::new(), &list.index(0), errors);
        if text(container, "restartPolicy") == "Always" {
            lively(container, pod, &at, errors);
            continue;
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if given(container, field).is_some() {
                at.child(field).forbidden(errors, NOT_FOR_INIT);
            }
        }
    }
}

fn ephemeral<'v>(pod: &Pod<'v>, names: &mut HashSet<&'v str>, list: &At<'_>, errors: &mut ErrorList) {
    let others = names.clone();
    for (index, container) in items(pod.spec, "ephemeralContainers") {
        let at = list.index(index);
        common(container, pod, &at, errors);
        only_for_pod(container, &at, errors);
        let name = text(container, "name");
        if !names.insert(name) {
            at.child("name").duplicate(errors, name);
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            at.child("targetContainerName").not_found(errors, target);
        }
        for field in ["ports", "resizePolicy", "restartPolicyRules"] {
            if !is_empty_list(container, field) {
                at.child(field).forbidden(errors, NOT_FOR_EPHEMERAL);
            }
        }
        if given(container, "resources").and_then(Value::as_object).is_some_and(|r| !r.is_empty()) {
            at.child("resources").forbidden(errors, NOT_FOR_EPHEMERAL);
        }
        for field in ["restartPolicy", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
            if given(container, field).is_some() {
                at.child(field).forbidden(errors, NOT_FOR_EPHEMERAL);
            }
        }
        for (index, mount) in items(container, "volumeMounts") {
            for field in ["subPath", "subPathExpr"] {
                if !text(mount, field).is_empty() {
                    at.child("volumeMounts").index(index).child(field).forbidden(errors, NOT_FOR_EPHEMERAL);
                }
            }
        }
    }
}

/// `validateContainerCommon`.
fn common(container: &Value, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    at.child("name").label(errors, text(container, "name"));
    if text(container, "image").is_empty() {
        at.child("image").required(errors, "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    at.child("terminationMessagePolicy").one_of(errors, text(container, "terminationMessagePolicy"), &policies);
    ports(container, &at.child("ports"), errors);
    env::validate(container, pod, at, errors);
    mount::validate(container, pod, at, errors);
    at.child("imagePullPolicy").one_of(errors, text(container, "imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
    if let Some(found) = given(container, "resources") {
        resources::of_container(found, Some(&pod.claims), &at.child("resources"), errors);
    }
    resize_policy(container, pod.restart_policy, &at.child("resizePolicy"), errors);
    if let Some(context) = given(container, "securityContext") {
        security::of_container(context, pod.host_users, &at.child("securityContext"), errors);
    }
}

/// Probes and hooks of what runs on.
fn lively(container: &Value, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(lifecycle) = given(container, "lifecycle") {
        handler::lifecycle(lifecycle, pod, &at.child("lifecycle"), errors);
    }
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = given(container, kind) {
            handler::probe(probe, kind, pod, &at.child(kind), errors);
        }
    }
}

/// `validateContainerPorts`.
fn ports(container: &Value, list: &At<'_>, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (index, port) in items(container, "ports") {
        let at = list.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            let faults = names::port_name(name);
            at.child("name").invalid_all(errors, name, &faults);
            if faults.is_empty() && !seen.insert(name) {
                at.child("name").duplicate(errors, name);
            }
        }
        match number(port, "containerPort").unwrap_or(0) {
            0 => at.child("containerPort").required(errors, ""),
            inner => at.child("containerPort").invalid_number(errors, inner, &names::port_number(inner)),
        }
        let outer = number(port, "hostPort").unwrap_or(0);
        if outer != 0 {
            at.child("hostPort").invalid_number(errors, outer, &names::port_number(outer));
        }
        at.child("protocol").one_of(errors, text(port, "protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

/// `AccumulateUniqueHostPorts`; `at` is the container.
fn host_ports<'v>(container: &'v Value, seen: &mut HashSet<(&'v str, &'v str, i64)>, at: &At<'_>, errors: &mut ErrorList) {
    for (index, port) in items(container, "ports") {
        let number = number(port, "hostPort").unwrap_or(0);
        if number != 0 && !seen.insert((text(port, "protocol"), text(port, "hostIP"), number)) {
            let told = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
            at.child("ports").index(index).child("hostPort").duplicate(errors, told);
        }
    }
}

/// `validateResizePolicy`.
fn resize_policy(container: &Value, restart_policy: &str, at: &At<'_>, errors: &mut ErrorList) {
    let mut seen = HashSet::new();
    for (index, policy) in items(container, "resizePolicy") {
        let (resource, restart) = (text(policy, "resourceName"), text(policy, "restartPolicy"));
        if !seen.insert(resource) {
            at.index(index).duplicate(errors, resource);
        }
        at.one_of(errors, resource, &["cpu", "memory"]);
        at.one_of(errors, restart, &["NotRequired", "RestartContainer"]);
        if restart_policy == "Never" && restart != "NotRequired" {
            at.invalid(errors, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

/// `validateContainerRestartPolicy` (KEP-753, KEP-5307).
fn restart_rules(container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let rules = items(container, "restartPolicyRules").count();
    match given_text(container, "restartPolicy") {
        None if rules > 0 => at.child("restartPolicy").required(errors, "must specify restartPolicy when restart rules are used"),
        policy => at.child("restartPolicy").one_of_given(errors, policy, &["Always", "Never", "OnFailure"]),
    }
    let list = at.child("restartPolicyRules");
    if rules > RULES_MAX {
        list.too_many(errors, rules, RULES_MAX);
    }
    for (index, rule) in items(container, "restartPolicyRules") {
        let at = list.index(index);
        let action = text(rule, "action");
        if !matches!(action, "Restart" | "RestartAllContainers") {
            at.child("action").not_supported(errors, action, &["Restart", "RestartAllContainers"]);
        }
        let at = at.child("exitCodes");
        let Some(codes) = given(rule, "exitCodes") else {
            at.required(errors, "must be specified");
            continue;
        };
        let operator = text(codes, "operator");
        if !matches!(operator, "In" | "NotIn") {
            at.child("operator").not_supported(errors, operator, &["In", "NotIn"]);
        }
        let values = items(codes, "values").count();
        if values > CODES_MAX {
            at.child("values").too_many(errors, values, CODES_MAX);
        }
    }
}
