//! What a new worker takes over: containers that run, runs that the API knows of, a pod that is over.

use super::slot::{Role, Run, Slot, Step};
use super::worker::{Known, Worker};
use super::{State, stop};
use crate::backoff::Backoff;
use interfaces::workload::{ContainerId, ContainerState, Phase};
use object::Value;
use std::net::IpAddr;
use std::time::{Instant, UNIX_EPOCH};

/// Matches what runtimes run with the pod's containers. Runs that only the API's status knows of were lost with the
/// machine: they count as ended, so that attempts go on from there.
pub(super) fn adopt(worker: &mut Worker, mut known: Known) {
    known.sort_by_key(|(_, state)| state.id.attempt);
    // What was made and not started when the last agent ended is started again under the same id.
    known.retain(|(_, state)| state.phase != Phase::Created);
    let status = worker.report.known().clone();
    let address: Option<IpAddr> = status.get("podIP").and_then(Value::as_str).and_then(|ip| ip.parse().ok());
    let phase = status.get("phase").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut live = false;
    for slot in &mut worker.slots {
        let name = slot.name.clone();
        for (runtime, state) in known.iter().filter(|(_, s)| s.id.name == name) {
            slot.observe(Run { state: state.clone(), runtime, image_id: String::new() });
        }
        live |= slot.run.is_some();
    }
    for slot in &mut worker.slots {
        let list = if slot.role == Role::Main { "containerStatuses" } else { "initContainerStatuses" };
        let told = status.get(list).and_then(Value::as_array).into_iter().flatten();
        let Some(told) = told.into_iter().find(|s| s.get("name").and_then(Value::as_str) == Some(&slot.name)) else { continue };
        slot.image = told.get("image").and_then(Value::as_str).unwrap_or_default().to_owned();
        recall(slot, told, live);
        if let Some(run) = &slot.run {
            // When the present run began, the run before it had ended and been waited for.
            let started = super::drive::ago(run.state.started_at, Instant::now());
            slot.crash = Backoff::resume(run.state.id.attempt, started);
        }
    }
    if live {
        worker.addresses.extend(address);
        worker.initialized = worker.main_ran();
    }
    let running = worker.runs_of().any(|run| run.state.phase != Phase::Exited);
    if matches!(phase.as_str(), "Succeeded" | "Failed") {
        // Over: only what still runs is stopped.
        worker.state = if running { State::Terminating } else { State::Releasing };
        worker.cancel.cancel();
        if !running {
            worker.report.freeze();
        }
    }
    for run in worker.runs_of() {
        worker.adapted(&run.state);
    }
    let alive: Vec<ContainerId> = worker.runs_of().filter(|r| r.state.phase != Phase::Exited).map(|r| r.state.id.clone()).collect();
    for id in alive {
        worker.agent.runs.began(&id);
    }
}

/// Completes a slot from its status in the API.
fn recall(slot: &mut Slot, told: &Value, live: bool) {
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let flag = |key: &str| told.get(key).and_then(Value::as_bool).unwrap_or_default();
    let image_id = text(told, "imageID");
    if let Some(run) = &mut slot.run {
        if run.image_id.is_empty() {
            run.image_id = image_id;
        }
        let same = told.get("containerID").and_then(Value::as_str) == Some(&super::status::container_id(run));
        if same && run.state.phase == Phase::Running {
            (slot.started, slot.ready) = (flag("started"), flag("ready"));
        }
        if same
            && slot.previous.is_none()
            && let Some(last) = told.get("lastState").and_then(|l| l.get("terminated"))
        {
            slot.previous = ended(slot, last);
        }
        return;
    }
    let state = told.get("state");
    let terminated = state.and_then(|s| s.get("terminated")).or_else(|| told.get("lastState").and_then(|s| s.get("terminated")));
    let lost_while_running = state.and_then(|s| s.get("running"));
    let run = if let Some(running) = lost_while_running {
        let id = text(told, "containerID");
        let state = ContainerState { started_at: nanos(&text(running, "startedAt")), ..ContainerState::default() };
        identify(&id, slot).map(|(runtime, id)| Run {
            state: stop::lost(&ContainerState { id, ..state }),
            runtime,
            image_id: String::new(),
        })
    } else {
        terminated.and_then(|t| ended(slot, t))
    };
    let Some(mut run) = run else { return };
    run.image_id = image_id;
    slot.observe(run);
    slot.step = Step::Idle;
    // Init containers run again in a new sandbox; within a living one they are done.
    slot.stale = !live && slot.role == Role::Init;
}

fn ended(slot: &Slot, terminated: &Value) -> Option<Run> {
    let text = |key: &str| terminated.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| terminated.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok()).unwrap_or_default();
    let (runtime, id) = identify(&text("containerID"), slot)?;
    let state = ContainerState {
        id,
        phase: Phase::Exited,
        pid: 0,
        started_at: nanos(&text("startedAt")),
        finished_at: nanos(&text("finishedAt")),
        exit_code: number("exitCode"),
        signal: number("signal"),
        reason: text("reason"),
        message: text("message"),
    };
    Some(Run { state, runtime, image_id: String::new() })
}

/// Reads a container id back.
fn identify(id: &str, slot: &Slot) -> Option<(&'static str, ContainerId)> {
    let (scheme, path) = id.split_once("://")?;
    let runtime = match scheme {
        "coracle-wasm" => "wasm",
        "coracle-oci" => "oci",
        _ => return None,
    };
    let mut parts = path.split('/');
    let (pod_uid, name, attempt) = (parts.next()?, parts.next()?, parts.next()?);
    (name == slot.name).then(|| {
        (runtime, ContainerId { pod_uid: pod_uid.to_owned(), name: name.to_owned(), attempt: attempt.parse().unwrap_or_default() })
    })
}

fn nanos(text: &str) -> i64 {
    let since = object::time::parse(text).and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;
    use typed::api::core::v1::{Container, PodSpec};

    fn slot() -> Slot {
        let spec = PodSpec { containers: vec![Container { name: "c".into(), ..Container::default() }], ..PodSpec::default() };
        Slot::all(&spec).remove(0)
    }

    #[test]
    fn attempts_go_on_after_a_lost_machine() {
        let mut slot = slot();
        let told = json!({"name": "c", "imageID": "i", "restartCount": 4, "containerID": "coracle-oci://u/c/4", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}});
        recall(&mut slot, &told, false);
        let run = slot.run.as_ref().unwrap();
        assert_eq!(
            (slot.next_attempt, run.state.exit_code, run.state.reason.as_str(), run.runtime),
            (5, 137, "ContainerStatusUnknown", "oci")
        );
    }

    #[test]
    fn readiness_is_kept_and_the_last_state_recalled() {
        let mut slot = slot();
        let id = ContainerId { pod_uid: "u".into(), name: "c".into(), attempt: 1 };
        let state = ContainerState { id, phase: Phase::Running, ..ContainerState::default() };
        slot.observe(Run { state, runtime: "wasm", image_id: String::new() });
        let told = json!({"name": "c", "imageID": "i", "containerID": "coracle-wasm://u/c/1", "ready": true, "started": true, "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "containerID": "coracle-wasm://u/c/0"}}});
        recall(&mut slot, &told, true);
        assert!(slot.ready && slot.started);
        assert_eq!(slot.previous.as_ref().map(|p| (p.state.exit_code, p.state.id.attempt)), Some((3, 0)));
        assert_eq!(slot.run.as_ref().unwrap().image_id, "i");
    }
}
