use super::plan::Restart;
use super::slot::{Role, Run, Slot, Step};
use super::status::{Input, compute, covers, find_condition, overlay, patch, phase};
use interfaces::workload::{ContainerId, ContainerState, Phase};
use object::{Value, json};
use std::time::Instant;
use typed::api::core::v1::PodSpec;

/// One letter per container: `-` never ran, `r` runs and is ready, `s` runs and is not ready, `0`…`9` ended with this
/// code, `w` waits after an end with 1, `p` waits without having run.
fn slots(spec: &PodSpec, stages: &str) -> Vec<Slot> {
    let mut all = Slot::all(spec);
    for (slot, stage) in all.iter_mut().zip(stages.chars()) {
        let run = |phase, exit_code| {
            let id = ContainerId { pod_uid: "u".into(), name: slot.name.clone(), attempt: 0 };
            let state = ContainerState { id, phase, exit_code, started_at: 1_000_000_000, ..ContainerState::default() };
            Some(Run { state, runtime: "wasm", image_id: "img".into() })
        };
        match stage {
            'r' | 's' => slot.run = run(Phase::Running, 0),
            'w' => slot.run = run(Phase::Exited, 1),
            digit => slot.run = digit.to_digit(10).and_then(|code| run(Phase::Exited, code as i32)),
        }
        if matches!(stage, 'w' | 'p') {
            let reason = if stage == 'w' { "CrashLoopBackOff" } else { "ErrImagePull" };
            slot.step = Step::Waiting { until: Instant::now(), reason, message: "m".into() };
        }
        (slot.started, slot.ready) = (matches!(stage, 'r' | 's'), stage == 'r');
    }
    all
}

fn spec(inits: &[&str], main: &[&str]) -> PodSpec {
    let containers = |names: &[&str]| {
        names
            .iter()
            .map(|n| json!({"name": n, "image": "i", "restartPolicy": n.starts_with("side").then_some("Always")}))
            .collect::<Vec<_>>()
    };
    typed::part(&json!({"initContainers": containers(inits), "containers": containers(main)})).unwrap()
}

fn with<T>(spec: &PodSpec, stages: &str, initialized: bool, over: bool, before: &Value, f: impl FnOnce(&Input<'_>) -> T) -> T {
    f(&Input {
        spec,
        generation: 1,
        before,
        slots: &slots(spec, stages),
        initialized,
        sandbox_ready: true,
        addresses: &["10.42.0.5".parse().unwrap()],
        host_addresses: &["192.0.2.1".parse().unwrap()],
        over,
        ended_because: None,
        now: "2026-01-01T00:00:00Z",
    })
}

#[test]
fn phases() {
    let plain = spec(&[], &["a", "b"]);
    let staged = spec(&["init"], &["a"]);
    let none = json!({});
    for (spec, stages, initialized, over, expect) in [
        (&plain, "--", true, false, "Pending"),
        (&plain, "r-", true, false, "Pending"),
        (&plain, "pr", true, false, "Pending"),
        (&plain, "rr", true, false, "Running"),
        (&plain, "rw", true, false, "Running"),
        (&plain, "ww", true, false, "Running"),
        (&plain, "00", true, false, "Running"),
        (&plain, "r0", true, false, "Running"),
        (&plain, "00", true, true, "Succeeded"),
        (&plain, "01", true, true, "Failed"),
        (&plain, "0-", true, true, "Failed"),
        (&staged, "--", false, false, "Pending"),
        (&staged, "r-", false, false, "Pending"),
        (&staged, "0r", true, false, "Running"),
        (&staged, "1-", false, true, "Failed"),
    ] {
        assert_eq!(with(spec, stages, initialized, over, &none, phase), expect, "{stages}");
    }
    let failed = json!({"phase": "Failed"});
    assert_eq!(with(&plain, "rr", true, false, &failed, phase), "Failed");
}

#[test]
fn conditions_and_containers() {
    let plain = spec(&[], &["b", "a"]);
    let status = with(&plain, "rs", true, false, &json!({}), compute);
    let told = |status: &Value, name: &str| find_condition(status, name).and_then(|c| c["status"].as_str()).unwrap_or_default().to_owned();
    assert_eq!(
        (told(&status, "Ready"), told(&status, "Initialized"), told(&status, "PodReadyToStartContainers")),
        ("False".into(), "True".into(), "True".into())
    );
    assert_eq!(find_condition(&status, "Ready").unwrap()["message"], "containers with unready status: [a]");
    // By name, as the kubelet sorts them.
    assert_eq!((&status["containerStatuses"][0]["name"], &status["containerStatuses"][0]["ready"]), (&json!("a"), &json!(false)));
    assert_eq!(status["containerStatuses"][1]["state"], json!({"running": {"startedAt": "1970-01-01T00:00:01Z"}}));
    assert_eq!(status["containerStatuses"][1]["containerID"], "coracle-wasm://u/b/0");
    assert_eq!(
        (&status["podIP"], &status["podIPs"][0]["ip"], &status["hostIP"]),
        (&json!("10.42.0.5"), &json!("10.42.0.5"), &json!("192.0.2.1"))
    );

    let status = with(&plain, "wr", true, false, &json!({}), compute);
    assert_eq!(status["containerStatuses"][1]["state"], json!({"waiting": {"reason": "CrashLoopBackOff", "message": "m"}}));
    assert_eq!(status["containerStatuses"][1]["lastState"]["terminated"]["exitCode"], 1);

    let staged = spec(&["one", "side"], &["a"]);
    let status = with(&staged, "0--", false, false, &json!({}), compute);
    assert_eq!(find_condition(&status, "Initialized").unwrap()["message"], "containers with incomplete status: [side]");
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    assert_eq!(status["initContainerStatuses"][0]["state"]["terminated"]["reason"], "Completed");

    let status = with(&plain, "00", true, true, &json!({}), compute);
    assert_eq!(find_condition(&status, "Ready").unwrap()["reason"], "PodCompleted");
}

#[test]
fn transition_times_are_kept_and_equal_statuses_are_not_written() {
    let plain = spec(&[], &["a"]);
    let first = with(&plain, "s", true, false, &json!({}), compute);
    let known = overlay(&json!({"conditions": [{"type": "example.com/gate", "status": "True"}]}), &first);
    assert!(covers(&known, &first) && known["conditions"].as_array().unwrap().len() == 6);
    let mut old = known.clone();
    old["conditions"][1]["lastTransitionTime"] = json!("2025-01-01T00:00:00Z");
    let same = with(&plain, "s", true, false, &old, compute);
    assert!(covers(&old, &same));
    let second = with(&plain, "r", true, false, &known, compute);
    assert!(!covers(&known, &second));
    // A reason that is gone is removed by the patch.
    let patch = patch("u", &known, &second);
    let ready = find_condition(&patch["status"], "Ready").unwrap();
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("True"), &Value::Null));
}

#[test]
fn roles() {
    let spec = spec(&["one", "side"], &["a"]);
    let roles: Vec<Role> = Slot::all(&spec).iter().map(|s| s.role).collect();
    assert_eq!(roles, [Role::Init, Role::Sidecar, Role::Main]);
    assert!(Restart::of(&spec.containers[0], Role::Main, &spec).wants(0));
}
