//! Starting, ending, restarting, probing.

use super::script;
use tests::{Cluster, eventually};

const BUSYBOX: &str = "image: coracle.dev/examples/busybox:v1";

#[test]
fn oci_containers_end_with_their_exit_code() {
    let space = Cluster::shared().space("oci-exit");
    for (name, text, code, reason) in
        [("fine", "true", 0, "Completed"), ("fails", "exit 3", 3, "Error"), ("killed", "sleep 60 & kill -9 $!; wait $!", 137, "Error")]
    {
        assert_eq!(script(&space, name, text, "", "").0, code, "{name}");
        let pod = space.get("pod", name);
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(ended["reason"], reason, "{ended:#}");
        assert!(ended["startedAt"].is_string() && ended["finishedAt"].is_string() && ended["containerID"].is_string(), "{ended:#}");
    }
    let (_, _) = script(&space, "message", "echo the last word > /dev/termination-log; exit 1", "", "");
    assert_eq!(space.get("pod", "message")["status"]["containerStatuses"][0]["state"]["terminated"]["message"], "the last word\n");
    script(&space, "from-logs", "echo in the log; exit 1", "terminationMessagePolicy: FallbackToLogsOnError", "");
    assert_eq!(space.get("pod", "from-logs")["status"]["containerStatuses"][0]["state"]["terminated"]["message"], "in the log\n");
}

#[test]
fn oci_container_that_cannot_start_says_why() {
    let space = Cluster::shared().space("oci-no-start");
    space.pod("absent", &format!("{BUSYBOX}, command: [/no/such/program]"));
    let pod = space.until("pods", "absent", "fail to start", |pod| {
        let state = &pod["status"]["containerStatuses"][0]["state"];
        state["terminated"].is_object() || state["waiting"]["message"].as_str().is_some_and(|message| message.contains("/no/such/program"))
    });
    let text = pod["status"]["containerStatuses"][0]["state"].to_string();
    assert!(text.contains("/no/such/program"), "{text}");
    space.until_event("absent", "Failed", "/no/such/program");
}

#[test]
fn oci_containers_are_restarted_with_back_off() {
    let space = Cluster::shared().space("oci-restart");
    space.pod_with("crashes", &format!("{BUSYBOX}, command: [sh, -c, exit 3]"), "restartPolicy: Always");
    let pod = space.until("pods", "crashes", "back off", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    });
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 3, "{status:#}");
    let message = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("back-off 10s restarting failed container=main pod=crashes_oci-restart("), "{message}");
    space.until_event("crashes", "BackOff", "Back-off restarting failed container main in pod crashes_oci-restart");
    // The wait ends: it runs again.
    space.until("pods", "crashes", "be restarted again", |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(2));
}

#[test]
fn oci_init_containers_run_one_after_the_other() {
    let space = Cluster::shared().space("oci-init");
    let step = |name: &str, text: &str| {
        format!(
            "{{name: {name}, {BUSYBOX}, command: [sh, -c, {}], volumeMounts: [{{name: w, mountPath: /w}}]}}",
            serde_json::Value::from(text)
        )
    };
    let spec = format!(
        "restartPolicy: Never\nvolumes: [{{name: w, emptyDir: {{}}}}]\ninitContainers: [{}, {}]",
        step("first", "echo one >> /w/log"),
        step("second", "echo two >> /w/log")
    );
    space.pod_with("init", &format!("{BUSYBOX}, command: [cat, /w/log], volumeMounts: [{{name: w, mountPath: /w}}]"), &spec);
    assert_eq!(space.output("init"), "one\ntwo\n");
    space.pod_with(
        "broken",
        &format!("{BUSYBOX}, command: [echo, never]"),
        &format!("restartPolicy: Never\nvolumes: [{{name: w, emptyDir: {{}}}}]\ninitContainers: [{}]", step("first", "exit 1")),
    );
    let pod = space.until_ended("broken");
    assert_eq!(pod["status"]["phase"], "Failed");
    assert!(pod["status"]["containerStatuses"][0]["state"]["waiting"].is_object(), "the main container never ran: {:#}", pod["status"]);
}

#[test]
fn oci_liveness_probe_restarts_what_no_longer_answers() {
    let space = Cluster::shared().space("oci-liveness");
    let probe = "livenessProbe: {exec: {command: [test, -e, /tmp/alive]}, periodSeconds: 1, failureThreshold: 1, initialDelaySeconds: 1}";
    space.pod_with("dies", &format!("{BUSYBOX}, command: [sleep, '3600'], {probe}"), "restartPolicy: Always");
    space.until("pods", "dies", "be restarted", |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1));
    space.until_event("dies", "Unhealthy", "Liveness probe failed");
    space.until_event("dies", "Killing", "failed liveness probe, will be restarted");
}

#[test]
fn oci_readiness_probe_decides_about_traffic() {
    let cluster = Cluster::shared();
    let space = cluster.space("oci-readiness");
    let probe = "readinessProbe: {exec: {command: [test, -e, /flag/up]}, periodSeconds: 1, failureThreshold: 1}";
    let folder = cluster.dir().join("readiness").display().to_string();
    space.pod_with(
        "web",
        &format!("{BUSYBOX}, command: [sleep, '3600'], {probe}, volumeMounts: [{{name: flag, mountPath: /flag}}]"),
        &format!("restartPolicy: Always\nvolumes: [{{name: flag, hostPath: {{path: {folder}, type: DirectoryOrCreate}}}}]"),
    );
    space.ok(&["expose", "pod", "web", "--port=80"]);
    space.until_event("web", "Unhealthy", "Readiness probe failed");
    assert_eq!(tests::condition(&space.get("pod", "web"), "Ready"), Some("False"));
    let ready = |yes: bool| {
        space.kubectl().until_any(&["endpointslices", "-l", "kubernetes.io/service-name=web"], "the endpoint to change", move |slice| {
            slice["endpoints"][0]["conditions"]["ready"] == yes
        });
    };
    ready(false);
    cluster.on_node("touch", &[&format!("{folder}/up")]);
    ready(true);
    space.until_ready("web");
    cluster.on_node("rm", &["-r", &folder]);
    ready(false);
}

#[test]
fn oci_containers_may_end_in_peace() {
    let cluster = Cluster::shared();
    let space = cluster.space("oci-grace");
    let folder = cluster.dir().join("grace").display().to_string();
    let text = "trap 'echo bye > /out/bye; exit 0' TERM; echo up; while true; do sleep 0.1; done";
    space.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: polite}}
spec:
  terminationGracePeriodSeconds: 30
  volumes: [{{name: out, hostPath: {{path: {folder}, type: DirectoryOrCreate}}}}]
  containers:
  - {{name: main, {BUSYBOX}, command: [sh, -c, {}], volumeMounts: [{{name: out, mountPath: /out}}]}}
",
        serde_json::Value::from(text)
    ));
    space.until_ready("polite");
    space.spawn(&["logs", "-f", "polite"]).line("up");
    space.ok(&["delete", "pod", "polite", "--timeout=25s"]);
    assert_eq!(cluster.on_node("cat", &[&format!("{folder}/bye")]).out, "bye\n");
    cluster.on_node("rm", &["-r", &folder]);
    // One that does not listen is killed when its time is over.
    space.pod("stubborn", &format!("{BUSYBOX}, command: [sh, -c, \"trap '' TERM; while true; do sleep 0.1; done\"]"));
    space.until_ready("stubborn");
    space.ok(&["delete", "pod", "stubborn", "--timeout=25s"]);
}

#[test]
fn oci_leaves_nothing_behind() {
    let cluster = Cluster::shared();
    let space = cluster.space("oci-clean");
    space.pod("short", &format!("{BUSYBOX}, command: [sleep, '3600']"));
    let pod = space.until_ready("short");
    let uid = pod["metadata"]["uid"].as_str().expect("a pod has a UID").to_owned();
    let traces = |uid: &str| {
        let mounts = cluster.on_node("cat", &["/proc/mounts"]).out;
        let groups = cluster.on_node("find", &["/sys/fs/cgroup", "-path", &format!("*coracle/pod{uid}*")]).out;
        let folders = cluster
            .on_node("find", &[&cluster.data().display().to_string(), "-path", &format!("*{uid}*"), "-not", "-path", "*/wasm-cache/*"])
            .out;
        let mounts: Vec<&str> = mounts.lines().filter(|line| line.contains(uid)).collect();
        format!("{}{groups}{folders}", mounts.join("\n"))
    };
    assert!(!traces(&uid).is_empty(), "there is something to clean up");
    space.ok(&["delete", "pod", "short", "--timeout=30s"]);
    eventually("the pod's mounts, cgroups and folders to go", || {
        let left = traces(&uid);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}
