use super::{Event, Known, Worker};
use crate::testing::{Api, FakeRuntime, Fate, agent};
use interfaces::workload::ContainerId;
use object::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Scene {
    api: Arc<Api>,
    runtime: Arc<FakeRuntime>,
    events: UnboundedSender<Event>,
    task: JoinHandle<()>,
    dir: tempfile::TempDir,
}

/// A pod of this spec on a node whose containers have this fate.
async fn scene(spec: Value, status: Value, known: Known, fate: impl Fn(&str, u32) -> Fate + Send + Sync + 'static) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let api = Api::new(json!({"apiVersion": "v1", "kind": "Pod", "spec": spec, "status": status,
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "5", "generation": 1}}));
    let runtime = FakeRuntime::new(fate);
    let agent = agent(dir.path(), &api, runtime.clone()).await;
    let (worker, events) = Worker::new(agent, api.object(), known);
    let task = tokio::spawn(worker.run(CancellationToken::new()));
    Scene { api, runtime, events, task, dir }
}

impl Scene {
    fn calls(&self) -> Vec<String> {
        self.runtime.calls.lock().clone()
    }

    fn delete(&self) {
        let metadata = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 7});
        for (key, value) in metadata.as_object().unwrap() {
            self.api.pod.lock()["metadata"][key] = value.clone();
        }
        self.events.send(Event::Spec(self.api.object())).unwrap();
    }

    fn exits(&self, name: &str, attempt: u32, code: i32) {
        let id = ContainerId { pod_uid: "u".into(), name: name.into(), attempt };
        self.events.send(Event::Container("wasm", FakeRuntime::state(&id, Fate::Exits(code)))).unwrap();
    }
}

fn one() -> Value {
    json!({"nodeName": "node1", "restartPolicy": "Always", "containers": [{"name": "c", "image": "app", "imagePullPolicy": "IfNotPresent"}]})
}

fn condition(status: &Value, name: &str) -> bool {
    super::status::find_condition(status, name).is_some_and(|c| c["status"] == "True")
}

#[tokio::test]
async fn a_pod_starts_runs_and_is_deleted() {
    let scene = scene(one(), json!({}), Vec::new(), |_, _| Fate::Runs).await;
    let status = scene.api.until("ready", |s| condition(s, "Ready")).await;
    assert_eq!((&status["phase"], &status["podIP"]), (&json!("Running"), &json!("10.42.0.5")));
    assert_eq!(status["containerStatuses"][0]["ready"], true);
    // Made and ready in one write.
    assert_eq!(scene.api.pod.lock()["metadata"]["resourceVersion"], "6");
    for reason in ["Pulled", "Created", "Started"] {
        scene.api.until_logged(reason).await;
    }
    scene.delete();
    let deleted = scene.api.until_logged("DELETE").await;
    let options: Value = serde_json::from_str(deleted.strip_prefix("DELETE ").unwrap()).unwrap();
    assert_eq!((&options["gracePeriodSeconds"], &options["preconditions"]["uid"]), (&json!(0), &json!("u")));
    assert_eq!(scene.calls(), ["start c/0", "stop c/0 7", "remove_pod"]);
    assert_eq!(scene.api.pod.lock()["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 143);
    assert!(!scene.dir.path().join("pods/u").exists());
    scene.events.send(Event::Removed).unwrap();
    scene.task.await.unwrap();
}

#[tokio::test]
async fn restart_policies() {
    for (policy, codes, phase, starts) in
        [("Never", [3, 0], "Failed", 1), ("Never", [0, 0], "Succeeded", 1), ("OnFailure", [3, 0], "Succeeded", 2)]
    {
        let mut spec = one();
        spec["restartPolicy"] = json!(policy);
        let scene = scene(spec, json!({}), Vec::new(), move |_, attempt| Fate::Exits(codes[attempt as usize])).await;
        let status = scene.api.until(phase, |s| s["phase"] == phase).await;
        assert_eq!(scene.calls().iter().filter(|c| c.starts_with("start")).count(), starts, "{policy}");
        assert_eq!(status["containerStatuses"][0]["restartCount"], starts - 1);
    }
}

#[tokio::test]
async fn a_crashing_container_backs_off() {
    let scene = scene(one(), json!({}), Vec::new(), |_, _| Fate::Runs).await;
    scene.api.until("ready", |s| condition(s, "Ready")).await;
    scene.exits("c", 0, 1);
    // The first restart is immediate, the second waits.
    let status = scene.api.until("restarted", |s| s["containerStatuses"][0]["restartCount"] == 1 && condition(s, "Ready")).await;
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
    scene.exits("c", 1, 1);
    let status = scene.api.until("waiting", |s| s["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff").await;
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["message"], "back-off 10s restarting failed container=c pod=p_n(u)");
    assert_eq!(status["phase"], "Running");
    scene.api.until_logged("BackOff").await;
}

#[tokio::test]
async fn init_containers_go_first_one_after_the_other() {
    let container = |name: &str| json!({"name": name, "image": "app", "imagePullPolicy": "IfNotPresent"});
    let mut sidecar = container("side");
    sidecar["restartPolicy"] = json!("Always");
    let mut spec = one();
    spec["initContainers"] = json!([container("one"), sidecar, container("two")]);
    let scene = scene(spec, json!({}), Vec::new(), |name, _| if matches!(name, "one" | "two") { Fate::Exits(0) } else { Fate::Runs }).await;
    let status = scene.api.until("ready", |s| condition(s, "Ready")).await;
    assert_eq!(scene.calls(), ["start one/0", "start side/0", "start two/0", "start c/0"]);
    assert!(condition(&status, "Initialized"));
    scene.delete();
    scene.api.until_logged("DELETE").await;
    // Sidecars stop after the main containers.
    assert_eq!(scene.calls()[4..6], ["stop c/0 7", "stop side/0 7"].map(str::to_owned));
}

#[tokio::test]
async fn a_running_container_is_adopted() {
    let id = ContainerId { pod_uid: "u".into(), name: "c".into(), attempt: 2 };
    let known: Known = vec![("wasm", FakeRuntime::state(&id, Fate::Runs))];
    let scene = scene(one(), json!({}), known, |_, _| Fate::Refused).await;
    let status = scene.api.until("ready", |s| condition(s, "Ready")).await;
    assert_eq!(status["containerStatuses"][0]["restartCount"], 2);
    assert!(scene.calls().is_empty());
    scene.exits("c", 2, 0);
    scene.api.until("restart", |_| scene.calls() == ["start c/3"]).await;
}

#[tokio::test]
async fn a_missing_config_map_is_waited_for() {
    let mut spec = one();
    spec["containers"][0]["env"] = json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]);
    let scene = scene(spec, json!({}), Vec::new(), |_, _| Fate::Runs).await;
    let status =
        scene.api.until("refused", |s| s["containerStatuses"][0]["state"]["waiting"]["reason"] == "CreateContainerConfigError").await;
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["message"], "configmap \"m\" not found");
    assert_eq!(status["phase"], "Pending");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}, "data": {"k": "v"}});
    scene.api.objects.lock().insert("/api/v1/namespaces/n/configmaps/m".into(), map);
    scene.events.send(Event::Sources).unwrap();
    scene.api.until("ready", |s| condition(s, "Ready")).await;
    let container = scene.runtime.containers.lock().get("c").cloned().unwrap();
    assert_eq!(container.env, [("HOSTNAME".to_owned(), "p".to_owned()), ("A".to_owned(), "v".to_owned())]);
}

#[tokio::test]
async fn images_that_are_not_here() {
    for (image, policy, reason) in [("none", "Never", "ErrImageNeverPull"), ("Bad Name", "IfNotPresent", "InvalidImageName")] {
        let mut spec = one();
        spec["containers"][0]["image"] = json!(image);
        spec["containers"][0]["imagePullPolicy"] = json!(policy);
        let scene = scene(spec, json!({}), Vec::new(), |_, _| Fate::Runs).await;
        scene.api.until(reason, |s| s["containerStatuses"][0]["state"]["waiting"]["reason"] == reason).await;
        assert!(scene.calls().is_empty());
        // A pod that never started is deleted all the same.
        scene.delete();
        scene.api.until_logged("DELETE").await;
    }
}

#[tokio::test]
async fn probes_decide_over_readiness_and_life() {
    let mut spec = one();
    spec["containers"][0]["readinessProbe"] = json!({"exec": {"command": ["true"]}});
    let scene_ready = scene(spec.clone(), json!({}), Vec::new(), |_, _| Fate::Runs).await;
    scene_ready.api.until("ready", |s| condition(s, "Ready")).await;
    spec["containers"][0]["livenessProbe"] = json!({"exec": {"command": ["false"]}, "failureThreshold": 1});
    let scene_dead = scene(spec, json!({}), Vec::new(), |_, _| Fate::Runs).await;
    scene_dead.api.until("restart", |_| scene_dead.calls().iter().any(|c| c == "start c/1")).await;
    scene_dead.api.until_logged("Unhealthy").await;
    scene_dead.api.until_logged("Killing").await;
}

#[tokio::test]
async fn a_pod_that_is_over_stays_over_after_a_restart_of_the_agent() {
    let terminated = json!({"exitCode": 3, "containerID": "coracle-wasm://u/c/0"});
    let status = json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": {"terminated": terminated}}]});
    let scene = scene(one(), status.clone(), Vec::new(), |_, _| Fate::Runs).await;
    scene.api.until("freed", |_| scene.calls() == ["remove_pod"]).await;
    scene.delete();
    scene.api.until_logged("DELETE").await;
    assert_eq!(scene.api.pod.lock()["status"], status);
}

#[tokio::test]
async fn a_pod_past_its_deadline_fails() {
    let mut spec = one();
    spec["activeDeadlineSeconds"] = json!(1);
    spec["terminationGracePeriodSeconds"] = json!(4);
    let scene = scene(spec, json!({"startTime": "2026-01-01T00:00:00Z"}), Vec::new(), |_, _| Fate::Runs).await;
    let status = scene.api.until("failed", |s| s["phase"] == "Failed").await;
    assert_eq!((&status["reason"], &status["message"]), (&json!("DeadlineExceeded"), &json!(super::finish::DEADLINE_MESSAGE)));
}

#[tokio::test]
async fn another_image_replaces_the_container() {
    let mut spec = one();
    spec["restartPolicy"] = json!("Never");
    let scene = scene(spec, json!({}), Vec::new(), |_, _| Fate::Runs).await;
    scene.api.until("ready", |s| condition(s, "Ready")).await;
    scene.api.pod.lock()["spec"]["containers"][0]["image"] = json!("app:latest");
    scene.events.send(Event::Spec(scene.api.object())).unwrap();
    scene.api.until("replaced", |s| s["containerStatuses"][0]["restartCount"] == 1 && condition(s, "Ready")).await;
    assert_eq!(scene.calls(), ["start c/0", "stop c/0 30", "start c/1"]);
}
