//! Scheduler plugins in wasm: loaded by apply, heard in pod events, contained when they misbehave.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tests::{Cluster, Options, Space, condition};

const CLI: &str = "image: coracle.dev/test/cli-args:v1, args: [args, hello]";

/// A plugin is asked about every pod, so these tests have a cluster of their own and take turns.
fn cluster() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let plugins = vec!["node-requirements", "plugin-hostile", "plugin-uninvited"];
    let cluster = CLUSTER.get_or_init(|| Cluster::start(Options { images: vec!["cli-args"], plugins, ..Options::default() }));
    (cluster, turn)
}

/// Deletes the plugin when the test is over, however it ends.
struct Plugin(&'static Cluster, &'static str);

impl Plugin {
    fn apply(cluster: &'static Cluster, name: &'static str, file: &str, more: &str) -> Self {
        cluster.kubectl().apply(&format!(
            "apiVersion: coracle.dev/v1alpha1
kind: WasmPlugin
metadata: {{name: {name}}}
spec:
  world: scheduler
  path: {file}
  scheduler: {{extensionPoints: [filter, score]}}
  {}
",
            more.replace('\n', "\n  ")
        ));
        Self(cluster, name)
    }

    fn until(&self, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        self.0.kubectl().until("wasmplugins", self.1, what, |plugin| is_so(&plugin["status"]))["status"].clone()
    }

    fn ready(self) -> Self {
        self.until("be loaded", |status| status["phase"] == "Ready");
        self
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.0.kubectl().run(&["delete", "wasmplugin", self.1, "--ignore-not-found"]);
    }
}

fn pod(space: &Space, name: &str, annotations: &str) {
    space.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec:
  restartPolicy: Never
  containers: [{{name: main, {CLI}}}]
"
    ));
}

fn is_bound(pod: &serde_json::Value) -> bool {
    condition(pod, "PodScheduled") == Some("True")
}

#[test]
fn plugin_filters_by_its_own_words_until_it_is_deleted() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("plugin-filter");
    let plugin = Plugin::apply(cluster, "node-requirements", "node-requirements.wasm", "failurePolicy: Fail").ready();
    pod(&space, "plain", "");
    assert_eq!(space.until_ended("plain")["status"]["phase"], "Succeeded");
    pod(&space, "disk", "coracle.dev/requires: disk=ssd");
    let message = space.until_event("disk", "FailedScheduling", "node(s) lacked what the pod requires: disk=ssd");
    assert!(message.starts_with("0/1 nodes are available: 1 node(s) lacked what the pod requires: disk=ssd."), "{message}");
    let waiting = space.get("pod", "disk");
    assert_eq!(waiting["status"]["conditions"][0]["reason"], "Unschedulable", "{:#}", waiting["status"]);
    // What the node lacked comes: the pod is tried again because of it.
    cluster.kubectl().ok(&["label", "node", tests::NODE, "disk=ssd"]);
    assert_eq!(space.until_ended("disk")["status"]["phase"], "Succeeded");
    cluster.kubectl().ok(&["label", "node", tests::NODE, "disk-"]);
    // The plugin goes: nothing stands in the way any more.
    pod(&space, "gpu", "coracle.dev/requires: gpu");
    space.until_event("gpu", "FailedScheduling", "lacked what the pod requires: gpu");
    cluster.kubectl().ok(&["delete", "wasmplugin", "node-requirements"]);
    assert_eq!(space.until_ended("gpu")["status"]["phase"], "Succeeded");
    drop(plugin);
}

#[test]
fn plugin_is_configured_by_its_object() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("plugin-config");
    let _plugin = Plugin::apply(cluster, "node-requirements", "node-requirements.wasm", "config: {prefix: example.com}").ready();
    pod(&space, "other", "coracle.dev/requires: gpu");
    assert_eq!(space.until_ended("other")["status"]["phase"], "Succeeded", "that is not its prefix any more");
    pod(&space, "ours", "example.com/requires: gpu");
    space.until_event("ours", "FailedScheduling", "lacked what the pod requires: gpu");
}

fn misbehaves(how: &'static str, said: &str, counter: &str) {
    let (cluster, _turn) = cluster();
    let space = cluster.space(&format!("plugin-{how}"));
    let plugin = Plugin::apply(
        cluster,
        "hostile",
        "plugin-hostile.wasm",
        &format!("config: {{filter: {how}}}\nlimits: {{timeoutMilliseconds: 50, memoryMiB: 8}}"),
    )
    .ready();
    pod(&space, "stopped", "");
    space.until_event("stopped", "FailedScheduling", said);
    assert!(!is_bound(&space.get("pod", "stopped")), "a broken filter lets no pod pass");
    if !counter.is_empty() {
        let status = plugin.until("be counted", |status| status[counter].as_i64() >= Some(1));
        assert!(status["calls"].as_i64() >= status[counter].as_i64(), "{status:#}");
        assert!(status["message"].as_str().is_some_and(|message| message.contains("hostile")), "{status:#}");
    }
    // Better behaviour frees the pod.
    cluster.kubectl().ok(&["patch", "wasmplugin", "hostile", "--type=merge", "-p", r#"{"spec":{"config":{"filter":"behave"}}}"#]);
    assert_eq!(space.until_ended("stopped")["status"]["phase"], "Succeeded");
    // So does a policy that ignores failures.
    let policy = format!(r#"{{"spec":{{"failurePolicy":"Ignore","config":{{"filter":"{how}","score":"{how}"}}}}}}"#);
    cluster.kubectl().ok(&["patch", "wasmplugin", "hostile", "--type=merge", "-p", &policy]);
    plugin.until("be loaded again", |status| status["observedGeneration"].as_i64() == Some(3));
    pod(&space, "passes", "");
    assert_eq!(space.until_ended("passes")["status"]["phase"], "Succeeded");
}

#[test]
fn plugin_that_traps_is_contained() {
    misbehaves("trap", "plugin hostile trapped", "traps");
}

#[test]
fn plugin_that_never_returns_is_stopped() {
    misbehaves("spin", "plugin hostile exceeded its time of 50 ms", "timeouts");
}

#[test]
fn plugin_that_takes_all_memory_is_stopped() {
    misbehaves("hog", "plugin hostile", "traps");
}

#[test]
fn plugin_that_uses_up_the_stack_is_stopped() {
    misbehaves("recurse", "plugin hostile", "traps");
}

#[test]
fn plugin_that_fails_is_told_as_failing() {
    misbehaves("fail", "plugin hostile failed", "");
}

#[test]
fn plugin_that_lies_is_not_believed() {
    misbehaves("lie", "plugin hostile failed: it gave", "");
}

#[test]
fn plugin_with_an_import_it_was_not_granted_fails_at_load_by_name() {
    let (cluster, _turn) = cluster();
    let plugin = Plugin::apply(cluster, "uninvited", "plugin-uninvited.wasm", "failurePolicy: Ignore");
    let status = plugin.until("fail", |status| status["phase"] == "Failed");
    let message = status["message"].as_str().unwrap_or_default();
    assert!(message.contains("test:uninvited/secrets") && message.contains("was not granted"), "{message}");
    let event = cluster.kubectl().until_any(&["events", "--all-namespaces"], "an event", |event| {
        event["reason"] == "FailedLoad" && event["involvedObject"]["name"] == "uninvited"
    });
    assert_eq!(event["message"], message);
}

#[test]
fn plugin_that_is_no_component_fails_at_load() {
    let (cluster, _turn) = cluster();
    let folder = cluster.data().join("plugins");
    for (name, file, bytes, part) in [
        ("text", "text.wasm", b"this is a poem".as_slice(), "not WebAssembly"),
        ("module", "module.wasm", b"\0asm\x01\0\0\0", "module"),
        ("cut", "cut.wasm", b"\0asm\x0d\0\x01\0\x07", "cannot be compiled"),
        ("absent", "absent.wasm", b"", "cannot read"),
    ] {
        if !bytes.is_empty() {
            std::fs::write(folder.join(file), bytes).expect("the plugin can be written");
        }
        let plugin = Plugin::apply(cluster, name, file, "failurePolicy: Ignore");
        let status = plugin.until("fail", |status| status["phase"] == "Failed");
        assert!(status["message"].as_str().is_some_and(|message| message.contains(part)), "{name}: {status:#}");
    }
}

#[test]
fn plugin_that_cannot_be_loaded_lets_nothing_pass_unless_it_may_be_ignored() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("plugin-closed");
    let plugin = Plugin::apply(cluster, "absent", "absent.wasm", "failurePolicy: Fail");
    plugin.until("fail", |status| status["phase"] == "Failed");
    pod(&space, "stopped", "");
    space.until_event("stopped", "FailedScheduling", "plugin absent failed: it is not loaded");
    drop(plugin);
    assert_eq!(space.until_ended("stopped")["status"]["phase"], "Succeeded");
}
