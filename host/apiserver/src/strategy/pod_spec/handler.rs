//! Probes and lifecycle hooks: `validateHandler`, `validateProbe`, `validateLifecycle`.

use super::words::http_header;
use super::{Pod, given, given_text};
use crate::strategy::at::At;
use crate::strategy::read::{items, number, text};
use object::field::ErrorList;
use object::{Value, names};

/// Signals that containers of Windows can be ended with.
const WINDOWS_SIGNALS: [&str; 2] = ["SIGKILL", "SIGTERM"];

const LINUX_SIGNALS: [&str; 65] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGRTMAX",
    "SIGRTMAXMINUS1",
    "SIGRTMAXMINUS10",
    "SIGRTMAXMINUS11",
    "SIGRTMAXMINUS12",
    "SIGRTMAXMINUS13",
    "SIGRTMAXMINUS14",
    "SIGRTMAXMINUS2",
    "SIGRTMAXMINUS3",
    "SIGRTMAXMINUS4",
    "SIGRTMAXMINUS5",
    "SIGRTMAXMINUS6",
    "SIGRTMAXMINUS7",
    "SIGRTMAXMINUS8",
    "SIGRTMAXMINUS9",
    "SIGRTMIN",
    "SIGRTMINPLUS1",
    "SIGRTMINPLUS10",
    "SIGRTMINPLUS11",
    "SIGRTMINPLUS12",
    "SIGRTMINPLUS13",
    "SIGRTMINPLUS14",
    "SIGRTMINPLUS15",
    "SIGRTMINPLUS2",
    "SIGRTMINPLUS3",
    "SIGRTMINPLUS4",
    "SIGRTMINPLUS5",
    "SIGRTMINPLUS6",
    "SIGRTMINPLUS7",
    "SIGRTMINPLUS8",
    "SIGRTMINPLUS9",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

pub(super) fn lifecycle(lifecycle: &Value, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    for hook in ["postStart", "preStop"] {
        if let Some(found) = given(lifecycle, hook) {
            handler(found, &["exec", "httpGet", "tcpSocket", "sleep"], pod, &at.child(hook), errors);
        }
    }
    if let Some(signal) = given_text(lifecycle, "stopSignal") {
        let at = at.child("stopSignal");
        match pod.os {
            None => at.forbidden(errors, "may not be set for containers with empty `spec.os.name`"),
            Some("windows") => at.one_of_given(errors, Some(signal), &WINDOWS_SIGNALS),
            Some("linux") => at.one_of_given(errors, Some(signal), &LINUX_SIGNALS),
            Some(_) => {}
        }
    }
}

/// `kind`: the field it stands in.
pub(super) fn probe(probe: &Value, kind: &str, pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], pod, at, errors);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        at.child(field).non_negative(errors, number(probe, field));
    }
    let grace = number(probe, "terminationGracePeriodSeconds");
    if let Some(grace) = grace.filter(|g| *g <= 0) {
        at.child("terminationGracePeriodSeconds").invalid(errors, grace, "must be greater than 0");
    }
    if kind == "readinessProbe" {
        if let Some(grace) = grace {
            at.child("terminationGracePeriodSeconds").invalid(errors, grace, "must not be set for readinessProbes");
        }
        return;
    }
    let successes = number(probe, "successThreshold").unwrap_or(0);
    if successes != 1 {
        at.child("successThreshold").invalid(errors, successes, "must be 1");
    }
}

/// Exactly one of the kinds.
fn handler(handler: &Value, kinds: &[&str], pod: &Pod<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let mut found = false;
    for kind in kinds {
        let Some(action) = given(handler, kind) else { continue };
        let at = at.child(kind);
        if found {
            at.forbidden(errors, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match *kind {
            "exec" => {
                if items(action, "command").next().is_none() {
                    at.child("command").required(errors, "");
                }
            }
            "httpGet" => http_get(action, &at, errors),
            "sleep" => sleep(action, pod.grace, &at, errors),
            _ => port(action, &at, errors),
        }
    }
    if !found {
        at.required(errors, "must specify a handler type");
    }
}

fn http_get(action: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if text(action, "path").is_empty() {
        at.child("path").required(errors, "");
    }
    port(action, at, errors);
    let scheme = text(action, "scheme");
    if !matches!(scheme, "HTTP" | "HTTPS") {
        at.child("scheme").not_supported(errors, scheme, &["HTTP", "HTTPS"]);
    }
    for (_, header) in items(action, "httpHeaders") {
        let name = text(header, "name");
        at.child("httpHeaders").invalid_all(errors, name, &http_header(name));
    }
}

/// A number, or the name of one of the container's ports.
fn port(action: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("port");
    match action.get("port") {
        Some(Value::String(name)) => at.invalid_all(errors, name, &names::port_name(name)),
        port => {
            let number = port.and_then(Value::as_i64).unwrap_or(0);
            at.invalid_number(errors, number, &names::port_number(number));
        }
    }
}

fn sleep(action: &Value, grace: Option<i64>, at: &At<'_>, errors: &mut ErrorList) {
    let seconds = number(action, "seconds").unwrap_or(0);
    if let Some(grace) = grace.filter(|grace| seconds < 0 || seconds > *grace) {
        at.invalid(errors, seconds, &format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})"));
    }
}
