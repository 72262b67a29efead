//! The same three guests in every language: a scheduler filter, an admission hook and a workload, each by the manifest that
//! stands beside it; and as what `coracle plugin new` makes a new plugin of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tests::{Cluster, Options, paths};

/// A filter and an admission hook are asked about everything, so these tests have a cluster of their own and take turns.
fn cluster() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = CLUSTER.get_or_init(|| {
        let workloads = ["c-workload", "go-workload", "javascript-workload", "typescript-workload", "python-workload"];
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
fn languages_go_counts_lines() {
    counts_lines("go");
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

/// Language as `--lang` has it and as its examples are called; the world of its workload, and how many cases that passes.
const LANGUAGES: [(&str, &str, (&str, usize)); 5] = [
    ("c", "c", ("workload-command", 2)),
    ("go", "go", ("workload-command", 2)),
    ("js", "javascript", ("workload-http", 1)),
    ("ts", "typescript", ("workload-http", 1)),
    ("python", "python", ("workload-http", 1)),
];

/// From nothing to a plugin that answers as its cases say, by the author's own commands.
#[test]
fn languages_new_plugins_build_and_pass_their_cases() {
    let folder = paths::scratch("languages-new");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    for (lang, called, workload) in LANGUAGES {
        let tools = paths::cache().join("tools").join(format!("guest-{}", if lang == "ts" { "javascript" } else { called }));
        if skip(&format!("{called}-filter")) || !tools.is_dir() {
            eprintln!("skipped: the tools of {called} are not installed");
            continue;
        }
        for (world, cases) in [("scheduler-filter", 2), ("admission", 3), workload] {
            let name = format!("{lang}-{world}");
            author(&folder, &["new", "--world", world, "--lang", lang, &name]);
            if lang == "go" {
                go_workspace(&folder, &name);
            }
            let project = folder.join(&name);
            let said = author(&project, &["build"]);
            assert!(said.contains(&format!("build/{name}.wasm")) && !said.contains("warning"), "{name}: {said}");
            let said = author(&project, &["test"]);
            assert!(said.contains(&format!("{cases} passed")), "{name}: {said}");
        }
    }
}

/// Runs `coracle plugin` with the tools that `cargo xtask guests` installed, and gives what it said.
fn author(folder: &Path, args: &[&str]) -> String {
    let tools = |name: &str| paths::cache().join("tools").join(name);
    let bin = [tools("guest-c/ziglang"), tools("guest-go/go/bin"), tools("guest-javascript/node_modules/.bin"), tools("guest-python/bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(bin.into_iter().chain(std::env::split_paths(&path))).expect("folders can be joined");
    let mut command = Command::new(paths::coracle());
    command.arg("plugin").args(args).current_dir(folder).env("PATH", path);
    command.env("PYTHONPATH", tools("guest-python")).env("ZIG_GLOBAL_CACHE_DIR", tools("guest-c-cache"));
    command.env("GOROOT", tools("guest-go/go")).env("GOCACHE", tools("guest-go-cache"));
    command.env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
    let output = command.output().expect("coracle can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "coracle plugin {args:?} in {}: {said}", folder.display());
    said
}

/// What a network would give: the module that Go's bindings are written for, here from the sources of their generator.
fn go_workspace(folder: &Path, name: &str) {
    let told = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .current_dir(paths::root().join("host"))
        .output()
        .expect("cargo can be started");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("cargo metadata is JSON");
    let generator = told["packages"].as_array().and_then(|all| all.iter().find(|package| package["name"] == "wit-bindgen-go"));
    let manifest = generator.and_then(|package| package["manifest_path"].as_str()).expect("the generator is a dependency");
    let runtime: PathBuf = Path::new(manifest).with_file_name("src").join("pkg");
    let text = format!("go 1.27.1\nuse ./{name}\nreplace go.bytecodealliance.org/pkg => {}\n", runtime.display());
    std::fs::write(folder.join("go.work"), text).expect("the workspace can be written");
}
