//! The scheduler's extension points and profiles, from outside: each plugin is in a profile of its own, so that pods of other
//! scheduler names never meet it.

use std::io::Write;
use std::sync::OnceLock;
use tests::{Cluster, NODE, Options, Space, condition};

const CLI: &str = "image: coracle.dev/test/cli-args:v1, args: [args, hello]";

/// Two profiles; the second has a plugin that is loaded later, or never.
const CONFIGURATION: &str = "apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: from-file
  plugins:
    multiPoint:
      enabled: [{name: named-in-file}]
";

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let mut file = tempfile::Builder::new().prefix("coracle-test-scheduler-").tempfile().expect("a file can be made");
        file.write_all(CONFIGURATION.as_bytes()).expect("a file can be written");
        let flags = vec!["--scheduler-config".to_owned(), file.path().display().to_string()];
        // The server reads it at its start.
        let options = Options { images: vec!["cli-args"], plugins: vec!["plugin-points"], flags, ..Options::default() };
        let cluster = Cluster::start(options);
        drop(file);
        cluster
    })
}

/// Deletes the plugin when the test is over, however it ends.
struct Plugin(&'static str);

impl Plugin {
    /// In the profile of its own name.
    fn ready(name: &'static str, points: &str, config: &str) -> Self {
        cluster().kubectl().apply(&format!(
            "apiVersion: coracle.dev/v1alpha1
kind: WasmPlugin
metadata: {{name: {name}}}
spec:
  world: scheduler
  path: plugin-points.wasm
  scheduler: {{extensionPoints: [{points}], profiles: [{name}]}}
  limits: {{timeoutMilliseconds: 5000}}
  config: {{{config}}}
"
        ));
        cluster().kubectl().until("wasmplugins", name, "be loaded", |plugin| plugin["status"]["phase"] == "Ready");
        Self(name)
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        cluster().kubectl().run(&["delete", "wasmplugin", self.0, "--ignore-not-found"]);
    }
}

fn pod(space: &Space, scheduler: &str, name: &str, labels: &str) {
    space.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{{labels}}}}}
spec:
  schedulerName: {scheduler}
  restartPolicy: Never
  containers: [{{name: main, {CLI}}}]
"
    ));
}

fn ends_well(space: &Space, name: &str) {
    assert_eq!(space.until_ended(name)["status"]["phase"], "Succeeded");
}

#[test]
fn points_two_profiles_side_by_side_have_different_plugins() {
    let space = cluster().space("points-profiles");
    let _picky = Plugin::ready("picky", "filter", "");
    let _binding = Plugin::ready("binding", "bind", "bind: write");
    // Of three scheduler names, one has a filter, one a binder, one neither.
    pod(&space, "picky", "refused", "wants: moon");
    space.until_event("refused", "FailedScheduling", "0/1 nodes are available: 1 node(s) had not what was wanted.");
    pod(&space, "binding", "annotated", "wants: moon");
    ends_well(&space, "annotated");
    let annotated = space.get("pod", "annotated");
    assert_eq!(annotated["metadata"]["annotations"]["bound-by"], format!("points for annotated to {NODE}"));
    pod(&space, "default-scheduler", "plain", "wants: moon");
    ends_well(&space, "plain");
    assert!(space.get("pod", "plain")["metadata"]["annotations"]["bound-by"].is_null());
}

#[test]
fn points_profile_of_the_file_waits_for_its_plugin() {
    let space = cluster().space("points-file");
    pod(&space, "from-file", "early", "");
    space.until_event("early", "FailedScheduling", "plugin named-in-file failed: it is in the configuration and not loaded");
    // Its own profiles do not matter: the file names it.
    let _named = Plugin::ready("named-in-file", "filter", "");
    ends_well(&space, "early");
    pod(&space, "from-file", "refused", "wants: moon");
    space.until_event("refused", "FailedScheduling", "had not what was wanted");
    // Nobody's pod stays untouched.
    pod(&space, "nobodys", "ignored", "");
    ends_well(&space, "early");
    assert!(condition(&space.get("pod", "ignored"), "PodScheduled").is_none());
}

#[test]
fn points_permit_waits_and_times_out() {
    let space = cluster().space("points-timeout");
    let _plugin = Plugin::ready("short-wait", "permit", "permit: wait, wait-ms: '50'");
    pod(&space, "short-wait", "late", "");
    let told = "0/1 nodes are available: 1 rejected due to timeout after waiting 50ms at plugin short-wait.";
    space.until_event("late", "FailedScheduling", told);
    assert_ne!(condition(&space.get("pod", "late"), "PodScheduled"), Some("True"));
}

#[test]
fn points_permit_lets_a_group_go_together() {
    let space = cluster().space("points-group");
    let _plugin = Plugin::ready("group", "permit", "permit: wait");
    pod(&space, "group", "first", "");
    pod(&space, "group", "second", "");
    assert_ne!(condition(&space.get("pod", "first"), "PodScheduled"), Some("True"), "it waits for ten minutes, or for the last");
    pod(&space, "group", "last", "go: 'yes'");
    for name in ["first", "second", "last"] {
        ends_well(&space, name);
    }
    // One that is dissolved is told so.
    pod(&space, "group", "third", "");
    pod(&space, "group", "quits", "stop: 'yes'");
    space.until_event("third", "FailedScheduling", "0/1 nodes are available: 1 the group is dissolved.");
}

#[test]
fn points_queue_is_sorted_by_the_plugin() {
    let space = cluster().space("points-sort");
    let plugin = Plugin::ready("sorted", "preEnqueue, queueSort, reserve", "gate: not yet, sort: name, room: '1'");
    for name in ["p-a", "p-c", "p-b"] {
        pod(&space, "sorted", name, "gate: 'yes'");
    }
    for name in ["p-a", "p-b", "p-c"] {
        space.until_event(name, "FailedScheduling", "plugin sorted keeps the pod out of the queue: not yet");
        assert_eq!(space.get("pod", name)["status"]["conditions"][0]["reason"], "SchedulingGated");
    }
    // The gate opens for all at once. There is room for one, and the last letter has it, not the first arrival.
    cluster().kubectl().ok(&["patch", "wasmplugin", plugin.0, "--type=merge", "-p", r#"{"spec":{"config":{"gate":null}}}"#]);
    ends_well(&space, "p-c");
    for name in ["p-a", "p-b"] {
        space.until_event(name, "FailedScheduling", "0/1 nodes are available: 1 no room is left.");
    }
    // They do not wake each other: one that was refused its place took nothing from anybody.
    let refused = cluster().log_text().lines().filter(|line| line.contains("unreserved p-")).count();
    assert!(refused < 20, "{refused} tries");
}

#[test]
fn points_requeue_hint_wakes_a_pod() {
    let space = cluster().space("points-hint");
    let _plugin = Plugin::ready("hinting", "filter, requeue", "");
    pod(&space, "hinting", "waits", "wants: points-hint-label");
    space.until_event("waits", "FailedScheduling", "had not what was wanted");
    cluster().kubectl().ok(&["label", "node", NODE, "points-hint-label=x"]);
    ends_well(&space, "waits");
    cluster().kubectl().ok(&["label", "node", NODE, "points-hint-label-"]);
}

#[test]
fn points_preemption_asks_plugins_that_can_tell() {
    let space = cluster().space("points-preempt");
    let _plugin = Plugin::ready("choosing", "filter, postFilter", "victim: old");
    cluster().kubectl().apply("{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: points-high}, value: 1000}");
    space.apply(
        "apiVersion: v1
kind: Pod
metadata: {name: old}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: coracle.dev/test/cli-args:v1, args: [sleep, '1000']}]
",
    );
    space.until("pod", "old", "be bound", |pod| condition(pod, "PodScheduled") == Some("True"));
    let columns = "custom-columns=name:.metadata.name,nominated:.status.nominatedNodeName";
    let mut seen = space.spawn(&["get", "pods", "--watch", "--no-headers", "-o", columns]);
    seen.line("old");
    space.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: new, labels: {{wants: moon}}}}
spec:
  schedulerName: choosing
  restartPolicy: Never
  priorityClassName: points-high
  containers: [{{name: main, {CLI}}}]
"
    ));
    // The plugin ends the pod of that name, and the pod is nominated for its node until it is tried again: still without what it
    // wants there, it loses the nomination.
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let nominated = loop {
        let line = words(&seen.line("new"));
        if line[1] != "<none>" {
            break line;
        }
    };
    assert_eq!(nominated, ["new", NODE]);
    space.ok(&["wait", "--for=delete", "pod/old", "--timeout=60s"]);
    cluster().kubectl().ok(&["label", "node", NODE, "moon=x"]);
    ends_well(&space, "new");
    cluster().kubectl().ok(&["label", "node", NODE, "moon-"]);
}
