//! Cells of pods: `printPod` of upstream's printers.

use super::{age, list, none, str_of, text};
use object::{Object, Value, json};

/// What the columns Ready, Status and Restarts are made of.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    /// RFC 3339 instant of the newest restart; `""` when unknown.
    last_restart: String,
}

pub(crate) fn ready(pod: &Object) -> Value {
    let s = summary(pod);
    json!(format!("{}/{}", s.ready, s.total))
}

pub(crate) fn status(pod: &Object) -> Value {
    json!(summary(pod).reason)
}

pub(crate) fn restarts(pod: &Object) -> Value {
    let s = summary(pod);
    if s.restarts != 0 && !s.last_restart.is_empty() {
        json!(format!("{} ({} ago)", s.restarts, age::since(&s.last_restart)))
    } else {
        json!(s.restarts.to_string())
    }
}

pub(crate) fn ip(pod: &Object) -> Value {
    let first = list(pod, &["status", "podIPs"]).first().map(|ip| str_of(ip, "ip")).unwrap_or_default();
    if first.is_empty() { text(pod, &["status", "podIP"], "<none>") } else { json!(first) }
}

pub(crate) fn node(pod: &Object) -> Value {
    text(pod, &["spec", "nodeName"], "<none>")
}

pub(crate) fn nominated_node(pod: &Object) -> Value {
    text(pod, &["status", "nominatedNodeName"], "<none>")
}

pub(crate) fn readiness_gates(pod: &Object) -> Value {
    let gates = list(pod, &["spec", "readinessGates"]);
    if gates.is_empty() {
        return none();
    }
    let is_true = |gate: &&Value| condition(pod, str_of(gate, "conditionType")).is_some_and(|c| str_of(c, "status") == "True");
    json!(format!("{}/{}", gates.iter().filter(is_true).count(), gates.len()))
}

fn condition<'a>(pod: &'a Object, ty: &str) -> Option<&'a Value> {
    list(pod, &["status", "conditions"]).iter().find(|c| str_of(c, "type") == ty)
}

fn is_true(pod: &Object, ty: &str) -> bool {
    condition(pod, ty).is_some_and(|c| str_of(c, "status") == "True")
}

fn summary(pod: &Object) -> Summary {
    let phase = pod.str_at(&["status", "phase"]);
    let mut reason = phase.to_owned();
    let status_reason = pod.str_at(&["status", "reason"]);
    if !status_reason.is_empty() {
        reason = status_reason.to_owned();
    }
    if condition(pod, "PodScheduled").is_some_and(|c| str_of(c, "reason") == "SchedulingGated") {
        reason = "SchedulingGated".to_owned();
    }
    let init_specs = list(pod, &["spec", "initContainers"]);
    let sidecars: Vec<&str> = init_specs.iter().filter(|c| str_of(c, "restartPolicy") == "Always").map(|c| str_of(c, "name")).collect();
    let total = list(pod, &["spec", "containers"]).len() + sidecars.len();
    let mut s = Summary { ready: 0, total, reason, restarts: 0, last_restart: String::new() };
    let mut of_sidecars = (0, String::new());
    let mut initializing = false;
    for (at, container) in list(pod, &["status", "initContainerStatuses"]).iter().enumerate() {
        count_restarts(container, &mut s.restarts, &mut s.last_restart);
        let sidecar = sidecars.contains(&str_of(container, "name"));
        if sidecar {
            count_restarts(container, &mut of_sidecars.0, &mut of_sidecars.1);
        }
        let terminated = state(container, "terminated");
        if terminated.is_some_and(|t| exit_code(t) == 0) {
            continue;
        }
        if sidecar && flag(container, "started") {
            s.ready += usize::from(flag(container, "ready"));
            continue;
        }
        let waiting = state(container, "waiting").map(|w| str_of(w, "reason")).unwrap_or_default();
        s.reason = match terminated {
            Some(t) => format!("Init:{}", ended(t)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            None => format!("Init:{at}/{}", init_specs.len()),
        };
        initializing = true;
        break;
    }
    if !initializing || is_true(pod, "Initialized") {
        (s.restarts, s.last_restart) = of_sidecars;
        main_containers(pod, &mut s);
    }
    if pod.is_deleting() && status_reason == "NodeLost" {
        s.reason = "Unknown".to_owned();
    } else if pod.is_deleting() && phase != "Succeeded" && phase != "Failed" {
        s.reason = "Terminating".to_owned();
    }
    s
}

fn main_containers(pod: &Object, s: &mut Summary) {
    let mut running = false;
    for container in list(pod, &["status", "containerStatuses"]).iter().rev() {
        count_restarts(container, &mut s.restarts, &mut s.last_restart);
        let waiting = state(container, "waiting").map(|w| str_of(w, "reason")).unwrap_or_default();
        if !waiting.is_empty() {
            s.reason = waiting.to_owned();
        } else if let Some(terminated) = state(container, "terminated") {
            s.reason = ended(terminated);
        } else if flag(container, "ready") && state(container, "running").is_some() {
            running = true;
            s.ready += 1;
        }
    }
    // One container that still runs makes the pod more than completed.
    if s.reason == "Completed" && running {
        s.reason = if is_true(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
    }
}

fn state<'a>(container: &'a Value, name: &str) -> Option<&'a Value> {
    container.get("state")?.get(name).filter(|s| !s.is_null())
}

fn flag(container: &Value, name: &str) -> bool {
    container.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn exit_code(terminated: &Value) -> i64 {
    terminated.get("exitCode").and_then(Value::as_i64).unwrap_or_default()
}

fn ended(terminated: &Value) -> String {
    let reason = str_of(terminated, "reason");
    match terminated.get("signal").and_then(Value::as_i64).unwrap_or_default() {
        _ if !reason.is_empty() => reason.to_owned(),
        0 => format!("ExitCode:{}", exit_code(terminated)),
        signal => format!("Signal:{signal}"),
    }
}

fn count_restarts(container: &Value, restarts: &mut i64, last: &mut String) {
    *restarts += container.get("restartCount").and_then(Value::as_i64).unwrap_or_default();
    let finished = container.get("lastState").and_then(|l| l.get("terminated")).map(|t| str_of(t, "finishedAt")).unwrap_or_default();
    // RFC 3339 in UTC with whole seconds sorts as text.
    if finished > last.as_str() {
        *last = finished.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pod: Value, expect_ready: &str, expect_status: &str, expect_restarts: &str) {
        let pod = Object::from_value(pod).unwrap();
        assert_eq!((ready(&pod), status(&pod), restarts(&pod)), (json!(expect_ready), json!(expect_status), json!(expect_restarts)));
    }

    #[test]
    fn status_is_the_most_telling_reason() {
        let spec = json!({"containers": [{"name": "a"}, {"name": "b"}]});
        check(json!({"spec": spec, "status": {"phase": "Pending"}}), "0/2", "Pending", "0");
        let run = json!({"name": "a", "ready": true, "restartCount": 2, "state": {"running": {}}});
        let done = json!({"name": "b", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        check(json!({"spec": spec, "status": {"phase": "Running", "containerStatuses": [run, done]}}), "1/2", "NotReady", "2");
        let ready_condition = json!([{"type": "Ready", "status": "True"}]);
        check(
            json!({"spec": spec, "status": {"phase": "Running", "conditions": ready_condition, "containerStatuses": [run, done]}}),
            "1/2",
            "Running",
            "2",
        );
        let failed = json!({"name": "b", "restartCount": 1, "state": {"terminated": {"exitCode": 3}}});
        check(json!({"spec": spec, "status": {"phase": "Failed", "containerStatuses": [failed]}}), "0/2", "ExitCode:3", "1");
        let waits = json!({"name": "b", "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        check(json!({"spec": spec, "status": {"phase": "Running", "containerStatuses": [waits]}}), "0/2", "CrashLoopBackOff", "0");
        check(
            json!({"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}, "spec": spec, "status": {"phase": "Running"}}),
            "0/2",
            "Terminating",
            "0",
        );
    }

    #[test]
    fn init_containers_come_first() {
        let spec = json!({"initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}], "containers": [{"name": "a"}]});
        let waiting = json!({"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}});
        check(json!({"spec": spec, "status": {"phase": "Pending", "initContainerStatuses": [waiting]}}), "0/2", "Init:0/2", "0");
        let broken = json!({"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 1, "reason": "Error"}}});
        check(json!({"spec": spec, "status": {"phase": "Pending", "initContainerStatuses": [broken]}}), "0/2", "Init:Error", "4");
        let done = json!({"name": "i", "restartCount": 4, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let sidecar = json!({"name": "s", "ready": true, "started": true, "restartCount": 1, "state": {"running": {}}});
        let main = json!({"name": "a", "ready": true, "restartCount": 0, "state": {"running": {}}});
        let status = json!({"phase": "Running", "initContainerStatuses": [done, sidecar], "containerStatuses": [main]});
        check(json!({"spec": spec, "status": status}), "2/2", "Running", "1");
    }
}
