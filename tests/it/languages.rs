//! The same three guests in every language: a scheduler filter, an admission hook and a workload, each by the manifest that
//! stands beside it.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tests::{Cluster, Options, paths};

/// A filter and an admission hook are asked about everything, so these tests have a cluster of their own and take turns.
fn cluster() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = CLUSTER.get_or_init(|| {
        let workloads = ["c-workload", "javascript-workload", "typescript-workload", "python-workload"];
        let filters = ["c-filter", "go-filter", "javascript-filter", "typescript-filter", "python-filter"];
        let hooks = ["c-admission", "go-admission", "javascript-admission", "typescript-admission", "python-admission"];
        let mut images = built(&workloads);
        images.extend(["hello-http", "cli-args"]);
        Cluster::start(Options { images, plugins: [built(&filters), built(&hooks)].concat(), ..Options::default() })
    });
    (cluster, turn)
}

fn built(names: &[&'static str]) -> Vec<&'static str> {
    names.iter().copied().filter(|name| !is_skipped(name)).collect()
}

/// A language whose tools cannot be had here: `cargo xtask guests` left the reason in the component's place.
fn is_skipped(name: &str) -> bool {
    paths::guests().join(format!("{name}.skipped")).is_file()
}

fn skip(name: &str) -> bool {
    let reason = std::fs::read_to_string(paths::guests().join(format!("{name}.skipped")));
    if let Ok(reason) = &reason {
        eprintln!("skipped: {name} was not built: {reason}");
    }
    reason.is_ok()
}

fn manifest(language: &str, role: &str, file: &str) -> String {
    let path = paths::root().join("guest-examples").join(language).join(role).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Deletes the plugin when the test is over, however it ends.
struct Plugin<'a>(&'a Cluster, String);

impl<'a> Plugin<'a> {
    fn load(cluster: &'a Cluster, language: &str, role: &str) -> Self {
        cluster.kubectl().apply(&manifest(language, role, "wasmplugin.yaml"));
        let plugin = Self(cluster, format!("{language}-{role}"));
        cluster.kubectl().until("wasmplugins", &plugin.1, "be loaded", |plugin| plugin["status"]["phase"] == "Ready");
        plugin
    }
}

impl Drop for Plugin<'_> {
    fn drop(&mut self) {
        self.0.kubectl().run(&["delete", "wasmplugin", &self.1, "--ignore-not-found"]);
    }
}

fn filters(language: &str) {
    if skip(&format!("{language}-filter")) {
        return;
    }
    let (cluster, _turn) = cluster();
    let space = cluster.space(&format!("{language}-filter"));
    let _plugin = Plugin::load(cluster, language, "filter");
    space.pod_with("disk", "image: coracle.dev/test/cli-args:v1, args: [args]", "restartPolicy: Never");
    let message = space.until_event("disk", "FailedScheduling", "node(s) lacked the label");
    assert!(message.starts_with("0/1 nodes are available: 1 node(s) lacked the label example.com/disk."), "{message}");
    cluster.kubectl().ok(&["label", "node", tests::NODE, "example.com/disk=ssd"]);
    let pod = space.until_ended("disk");
    cluster.kubectl().ok(&["label", "node", tests::NODE, "example.com/disk-"]);
    assert_eq!(pod["status"]["phase"], "Succeeded", "{:#}", pod["status"]);
}

fn admits(language: &str) {
    let name = format!("{language}-admission");
    if skip(&name) {
        return;
    }
    let (cluster, _turn) = cluster();
    let space = cluster.space(&name);
    cluster.kubectl().ok(&["label", "namespace", space.name(), "example.com/labelled=yes"]);
    let _plugin = Plugin::load(cluster, language, "admission");
    let map = |labels: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: map, labels: {{{labels}}}}}\n");
    let denied = format!("admission plugin \"{name}\" denied the request: the label example.com/team is required");
    space.apply_fails(&map("app: shop"), &denied);
    space.apply(&map("example.com/team: shop"));
    space.fails(&["label", "configmap", "map", "example.com/team-"], &denied);
    space.ok(&["delete", "configmap", "map"]);
    // Settings are judged when they are loaded; what served before goes on.
    cluster.kubectl().ok(&["patch", "wasmplugin", &name, "--type=merge", "-p", r#"{"spec":{"config":{"require":7}}}"#]);
    let wrong = |plugin: &serde_json::Value| plugin["status"].to_string().contains("config.require must be the name of a label");
    cluster.kubectl().until("wasmplugins", &name, "be told that its settings are wrong", wrong);
    space.apply_fails(&map("app: shop"), &denied);
}

fn counts_lines(language: &str) {
    let name = format!("{language}-workload");
    if skip(&name) {
        return;
    }
    let (cluster, _turn) = cluster();
    let space = cluster.space(&name);
    space.apply(&manifest(language, "workload", "manifest.yaml"));
    assert_eq!(space.output(&name), "3 lines in /data/poem.txt\n");
}

fn says_hello(language: &str, words: &str) {
    let name = format!("{language}-workload");
    if skip(&name) {
        return;
    }
    let (cluster, _turn) = cluster();
    let space = cluster.space(&name);
    space.apply(&manifest(language, "workload", "manifest.yaml"));
    let pod = space.until_ready(&name);
    let address = format!("{}:8080", pod["status"]["podIP"].as_str().expect("a ready pod has an address"));
    assert_eq!(cluster.http(&address, "/there"), Ok((200, format!("{words}, asked for /there\n"))));
}

#[test]
fn languages_c_admits() {
    admits("c");
}

#[test]
fn languages_c_filters() {
    filters("c");
}

#[test]
fn languages_go_admits() {
    admits("go");
}

#[test]
fn languages_go_filters() {
    filters("go");
}

#[test]
fn languages_javascript_admits() {
    admits("javascript");
}

#[test]
fn languages_javascript_filters() {
    filters("javascript");
}

#[test]
fn languages_typescript_admits() {
    admits("typescript");
}

#[test]
fn languages_typescript_filters() {
    filters("typescript");
}

#[test]
fn languages_python_admits() {
    admits("python");
}

#[test]
fn languages_python_filters() {
    filters("python");
}

#[test]
fn languages_c_counts_lines() {
    counts_lines("c");
}

#[test]
fn languages_javascript_says_hello() {
    says_hello("javascript", "hello from JavaScript");
}

#[test]
fn languages_typescript_says_hello() {
    says_hello("typescript", "hello from TypeScript");
}

#[test]
fn languages_python_says_hello() {
    says_hello("python", "hello from Python");
}
