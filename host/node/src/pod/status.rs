//! A pod's status from what the agent knows: `getPhase`, `convertToAPIContainerStatuses` and `generateAPIPodStatus` in
//! `pkg/kubelet/kubelet_pods.go`, `pkg/kubelet/status/generate.go`. Pure.

use super::slot::{Role, Run, Slot, Step};
use crate::resources;
use interfaces::workload::Phase;
use object::{Map, Value, json};
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};
use typed::api::core::v1::{Container, PodSpec};

pub struct Input<'a> {
    pub spec: &'a PodSpec,
    pub generation: i64,
    /// The pod's status as it was last written or read.
    pub before: &'a Value,
    pub slots: &'a [Slot],
    /// All init containers are through.
    pub initialized: bool,
    /// Network and volumes are there.
    pub sandbox_ready: bool,
    /// Empty while not known.
    pub addresses: &'a [IpAddr],
    pub host_addresses: &'a [IpAddr],
    /// The pod is over: everything ended and nothing runs again.
    pub over: bool,
    /// Why the agent ended it: `reason` and `message` of the pod.
    pub ended_because: Option<(&'a str, &'a str)>,
    /// RFC 3339.
    pub now: &'a str,
}

/// The part of `status` that the agent owns.
pub fn compute(input: &Input<'_>) -> Value {
    let phase = phase(input);
    let mut status = Map::new();
    let mut set = |name: &str, value: Value| {
        status.insert(name.to_owned(), value);
    };
    set("phase", json!(phase));
    set("observedGeneration", json!(input.generation));
    set("qosClass", json!(resources::qos(input.spec).as_str()));
    let start_time = input.before.get("startTime").and_then(Value::as_str).unwrap_or(input.now);
    set("startTime", json!(start_time));
    if let Some(first) = input.host_addresses.first() {
        set("hostIP", json!(first));
        set("hostIPs", input.host_addresses.iter().map(|ip| json!({ "ip": ip })).collect());
    }
    if let Some(first) = input.addresses.first() {
        set("podIP", json!(first));
        set("podIPs", input.addresses.iter().map(|ip| json!({ "ip": ip })).collect());
    }
    if let Some((reason, message)) = input.ended_because {
        set("reason", json!(reason));
        set("message", json!(message));
    }
    let of = |wanted: fn(Role) -> bool| -> Vec<Value> {
        let statuses = input.slots.iter().filter(|s| wanted(s.role));
        statuses.filter_map(|slot| Some(container_status(input, slot, spec_of(input.spec, &slot.name)?))).collect()
    };
    let mut main = of(|role| role == Role::Main);
    main.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    set("containerStatuses", Value::Array(main));
    let inits = of(|role| role != Role::Main);
    if !inits.is_empty() {
        set("initContainerStatuses", Value::Array(inits));
    }
    let conditions = conditions(input, phase);
    set("conditions", Value::Array(conditions));
    Value::Object(status)
}

fn name_of(status: &Value) -> &str {
    status.get("name").and_then(Value::as_str).unwrap_or_default()
}

pub fn spec_of<'a>(spec: &'a PodSpec, name: &str) -> Option<&'a Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|c| c.name == name)
}

/// `getPhase`.
pub fn phase(input: &Input<'_>) -> &'static str {
    let before = input.before.get("phase").and_then(Value::as_str).unwrap_or_default();
    // A pod that is over stays as it ended.
    match before {
        "Succeeded" => return "Succeeded",
        "Failed" => return "Failed",
        _ => {}
    }
    if input.over {
        let failed = input.ended_because.is_some()
            || input.slots.iter().any(|slot| match (slot.role, &slot.run) {
                (Role::Main, Some(run)) => run.state.exit_code != 0,
                (Role::Main, None) => true,
                (Role::Init, Some(run)) => run.state.exit_code != 0,
                _ => false,
            });
        return if failed { "Failed" } else { "Succeeded" };
    }
    if !input.initialized {
        return "Pending";
    }
    let main = || input.slots.iter().filter(|s| s.role == Role::Main);
    // A container that never ran keeps the pod pending; one that did and waits for its next run does not.
    if main().any(|slot| slot.run.as_ref().is_none_or(|run| run.state.phase == Phase::Created && slot.previous.is_none())) {
        return "Pending";
    }
    "Running"
}

fn container_status(input: &Input<'_>, slot: &Slot, spec: &Container) -> Value {
    let exited = |run: &Run| run.state.phase == Phase::Exited;
    let (state, last) = match (&slot.step, &slot.run) {
        (Step::Waiting { reason, message, .. }, run) => {
            let last = run.as_ref().filter(|r| exited(r)).or(slot.previous.as_ref());
            (waiting(reason, message), last)
        }
        (_, Some(run)) => match run.state.phase {
            Phase::Created => (waiting("ContainerCreating", ""), slot.previous.as_ref()),
            Phase::Running => (json!({"running": {"startedAt": time(run.state.started_at)}}), slot.previous.as_ref()),
            Phase::Exited => (terminated(run), slot.previous.as_ref()),
        },
        (_, None) if input.over && input.initialized => (
            json!({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": null, "finishedAt": null,
                "message": "The container could not be located when the pod was terminated"}}),
            None,
        ),
        (_, None) => {
            let has_inits = input.slots.iter().any(|s| s.role != Role::Main);
            let blocked = slot.role == Role::Main && has_inits && !input.initialized;
            (waiting(if blocked || (slot.role != Role::Main && has_inits) { "PodInitializing" } else { "ContainerCreating" }, ""), None)
        }
    };
    let running = slot.is_running();
    let ready = match slot.role {
        Role::Init => slot.run.as_ref().is_some_and(|r| exited(r) && r.state.exit_code == 0),
        _ => running && slot.ready,
    };
    let shown = slot.run.as_ref();
    let mut status = json!({
        "name": slot.name, "image": spec.image.as_deref().unwrap_or_default(),
        "imageID": shown.map(|r| r.image_id.as_str()).unwrap_or_default(),
        "ready": ready, "started": running && slot.started,
        "restartCount": shown.map(|r| r.state.id.attempt).unwrap_or_default(),
        "state": state, "lastState": last.map(terminated).unwrap_or_else(|| json!({})),
    });
    if let (Some(run), Value::Object(map)) = (shown, &mut status) {
        map.insert("containerID".to_owned(), json!(container_id(run)));
    }
    prune(&mut status);
    status
}

/// Drops nulls, as the API does.
fn prune(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, v| !v.is_null());
        map.values_mut().for_each(prune);
    }
}

/// `coracle-wasm://<pod uid>/<container>/<attempt>`: unique, and readable back ([`attempt_of`]).
pub fn container_id(run: &Run) -> String {
    let id = &run.state.id;
    format!("coracle-{}://{}/{}/{}", run.runtime, id.pod_uid, id.name, id.attempt)
}

fn waiting(reason: &str, message: &str) -> Value {
    if message.is_empty() { json!({"waiting": {"reason": reason}}) } else { json!({"waiting": {"reason": reason, "message": message}}) }
}

fn terminated(run: &Run) -> Value {
    let state = &run.state;
    let reason = match state.reason.as_str() {
        "" if state.exit_code == 0 => "Completed",
        "" => "Error",
        known => known,
    };
    let mut inner = json!({"exitCode": state.exit_code, "reason": reason, "containerID": container_id(run),
        "startedAt": time(state.started_at), "finishedAt": time(state.finished_at)});
    if let Value::Object(map) = &mut inner {
        if state.signal != 0 {
            map.insert("signal".to_owned(), json!(state.signal));
        }
        if !state.message.is_empty() {
            map.insert("message".to_owned(), json!(state.message));
        }
    }
    json!({ "terminated": inner })
}

/// Nanoseconds since the epoch as RFC 3339; null when zero.
pub fn time(nanos: i64) -> Value {
    match u64::try_from(nanos) {
        Ok(nanos) if nanos > 0 => json!(object::time::format(UNIX_EPOCH + Duration::from_nanos(nanos))),
        _ => Value::Null,
    }
}

struct Verdict {
    ok: bool,
    reason: &'static str,
    message: String,
}

fn verdict(ok: bool, reason: &'static str, message: String) -> Verdict {
    if ok { Verdict { ok, reason: "", message: String::new() } } else { Verdict { ok, reason, message } }
}

fn conditions(input: &Input<'_>, phase: &str) -> Vec<Value> {
    let list = |names: Vec<&str>| format!("[{}]", names.join(" "));
    let through = |slot: &&Slot| match slot.role {
        Role::Init => slot.run.as_ref().is_some_and(|r| r.state.phase == Phase::Exited && r.state.exit_code == 0),
        Role::Sidecar => slot.is_running() && slot.started,
        Role::Main => true,
    };
    let completed =
        |condition_reason: &'static str| Verdict { ok: condition_reason.is_empty(), reason: "PodCompleted", message: String::new() };
    let initialized = match phase {
        "Succeeded" => Verdict { ok: true, reason: "PodCompleted", message: String::new() },
        _ if input.initialized => verdict(true, "", String::new()),
        _ => {
            let open =
                input.slots.iter().filter(|s| s.role != Role::Main).filter(|s| !through(s)).map(|s| s.name.as_str()).collect::<Vec<_>>();
            verdict(open.is_empty(), "ContainersNotInitialized", format!("containers with incomplete status: {}", list(open)))
        }
    };
    let (containers_ready, ready) = match phase {
        "Succeeded" => (completed("done"), completed("done")),
        "Failed" => (
            Verdict { ok: false, reason: "PodFailed", message: String::new() },
            Verdict { ok: false, reason: "PodFailed", message: String::new() },
        ),
        _ => {
            let counted = input.slots.iter().filter(|s| s.role != Role::Init);
            let unready: Vec<&str> = counted.filter(|s| !(s.is_running() && s.ready)).map(|s| s.name.as_str()).collect();
            let message = format!("containers with unready status: {}", list(unready.clone()));
            let containers = unready.is_empty();
            let gates = closed_gates(input);
            let ready = if containers && !gates.is_empty() {
                verdict(false, "ReadinessGatesNotReady", gates.join(", "))
            } else {
                verdict(containers, "ContainersNotReady", message.clone())
            };
            (verdict(containers, "ContainersNotReady", message), ready)
        }
    };
    let sandbox = Verdict { ok: input.sandbox_ready, reason: "", message: String::new() };
    let scheduled = Verdict { ok: true, reason: "", message: String::new() };
    [
        ("PodReadyToStartContainers", sandbox),
        ("Initialized", initialized),
        ("Ready", ready),
        ("ContainersReady", containers_ready),
        ("PodScheduled", scheduled),
    ]
    .into_iter()
    .map(|(name, verdict)| condition(input, name, &verdict))
    .collect()
}

fn closed_gates(input: &Input<'_>) -> Vec<String> {
    let gates = input.spec.readiness_gates.iter().flatten().map(|g| g.condition_type.as_str());
    let closed = gates.filter_map(|gate| match find_condition(input.before, gate) {
        None => Some(format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.")),
        Some(found) if found.get("status").and_then(Value::as_str) == Some("True") => None,
        Some(_) => Some(format!("the status of pod readiness gate \"{gate}\" is not \"True\", but False")),
    });
    closed.collect()
}

pub fn find_condition<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status.get("conditions")?.as_array()?.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(name))
}

fn condition(input: &Input<'_>, name: &str, verdict: &Verdict) -> Value {
    let told = if verdict.ok { "True" } else { "False" };
    let known = find_condition(input.before, name);
    let same = known.filter(|k| k.get("status").and_then(Value::as_str) == Some(told));
    let since = same.and_then(|k| k.get("lastTransitionTime")).and_then(Value::as_str).unwrap_or(input.now);
    let mut condition = json!({"type": name, "status": told, "lastTransitionTime": since, "observedGeneration": input.generation});
    if let Value::Object(map) = &mut condition {
        for (key, text) in [("reason", verdict.reason), ("message", verdict.message.as_str())] {
            if !text.is_empty() {
                map.insert(key.to_owned(), json!(text));
            }
        }
    }
    condition
}

/// Does `known`, the status as read or written last, already say everything that `ours` says?
pub fn covers(known: &Value, ours: &Value) -> bool {
    let Some(ours) = ours.as_object() else { return true };
    ours.iter().all(|(key, value)| match key.as_str() {
        "conditions" => value.as_array().into_iter().flatten().all(|condition| {
            let name = condition.get("type").and_then(Value::as_str).unwrap_or_default();
            find_condition(known, name).is_some_and(|k| same_object(k, condition))
        }),
        _ => known.get(key) == Some(value),
    })
}

/// Equal, where null and absent are one.
fn same_object(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let filled =
        |m: &Map<String, Value>| m.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect::<Map<_, _>>();
    filled(a) == filled(b)
}

/// `known` with `ours` laid over it, as the API will answer.
pub fn overlay(known: &Value, ours: &Value) -> Value {
    let mut merged = known.as_object().cloned().unwrap_or_default();
    for (key, value) in ours.as_object().into_iter().flatten() {
        if key == "conditions" {
            let ours = value.as_array().cloned().unwrap_or_default();
            let is_ours = |c: &Value| ours.iter().any(|o| o.get("type") == c.get("type"));
            let others = merged.get(key).and_then(Value::as_array).into_iter().flatten().filter(|c| !is_ours(c)).cloned();
            let all: Vec<Value> = others.chain(ours.iter().cloned()).collect();
            merged.insert(key.clone(), Value::Array(all));
        } else {
            merged.insert(key.clone(), value.clone());
        }
    }
    Value::Object(merged)
}

/// The strategic merge patch that makes `known` say `ours`. The UID makes it fail on another pod of the same name.
/// Conditions are merged by type; keys that a condition of ours no longer has are set to null.
pub fn patch(uid: &str, known: &Value, ours: &Value) -> Value {
    let mut status = ours.clone();
    if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        for condition in conditions {
            let name = condition.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            let (Some(old), Value::Object(new)) = (find_condition(known, &name).and_then(Value::as_object), condition) else { continue };
            for key in old.keys() {
                if !new.contains_key(key) {
                    new.insert(key.clone(), Value::Null);
                }
            }
        }
    }
    json!({"metadata": {"uid": uid}, "status": status})
}
