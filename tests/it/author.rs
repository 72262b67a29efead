//! The road of a plugin's author: new, build, test, inspect, push, apply – and a pod feels it.

use crate::registry::serve;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::{Cluster, Options, paths};

/// Runs `coracle plugin` in `folder`; whether it went well, and what it said.
fn plugin(folder: &Path, args: &[&str]) -> (bool, String) {
    let output = command(folder, args).output().expect("coracle can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(paths::coracle());
    command.arg("plugin").args(args).current_dir(folder);
    command.env("RUSTC", paths::guest_rustc()).env("CARGO_TARGET_DIR", paths::scratch("author-build"));
    command
}

fn ok(folder: &Path, args: &[&str]) -> String {
    let (good, said) = plugin(folder, args);
    assert!(good, "coracle plugin {args:?}: {said}");
    said
}

/// An empty folder of this test's own.
fn workshop(name: &str) -> PathBuf {
    let folder = paths::scratch("author").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

/// Templates in Rust: of each world, and what `inspect` finds in the component.
const WORLDS: [(&str, &str); 10] = [
    ("adapter", "adapter"),
    ("admission", "admission"),
    ("cloud-provider", "cloud-provider-basic"),
    ("controller", "controller"),
    ("http-middleware", "http-middleware"),
    ("scheduler", "scheduler"),
    ("scheduler-filter", "scheduler-filter"),
    ("scheduler-score", "scheduler-score"),
    ("workload-command", "wasi:cli/command"),
    ("workload-http", "wasi:http/proxy"),
];

#[test]
fn author_templates_in_rust_build_and_pass_their_cases() {
    let folder = workshop("templates");
    let list = ok(&folder, &["new", "--list"]);
    let mut listed: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("--world ")?.strip_suffix(" --lang rust")).collect();
    listed.sort_unstable();
    assert_eq!(listed, WORLDS.map(|(world, _)| world));
    for (world, found) in WORLDS {
        let name = format!("new-{world}");
        ok(&folder, &["new", "--world", world, "--lang", "rust", &name]);
        let project = folder.join(&name);
        let said = ok(&project, &["build"]);
        assert!(said.contains(&format!("build/{name}.wasm")) && !said.contains("warning"), "{said}");
        let said = ok(&project, &["test"]);
        assert!(said.contains(" passed"), "{world}: {said}");
        let said = ok(&project, &["bench", "--calls", "3"]);
        assert!(said.contains("p99"), "{world}: {said}");
        let inspected: Value = serde_json::from_str(&ok(&project, &["inspect", "-o", "json"])).expect("it is JSON");
        assert_eq!((&inspected["grants"], &inspected["refused"]), (&json!([]), &json!([])), "{world}: {inspected}");
        assert!(inspected["worlds"].as_array().is_some_and(|worlds| worlds.contains(&json!(found))), "{world}: {inspected}");
    }
}

#[test]
fn author_sdk_has_every_extension_point() {
    let folder = workshop("points");
    ok(&folder, &["new", "--world", "scheduler", "points"]);
    let project = folder.join("points");
    let put = |file: &str, text: &str| std::fs::write(project.join(file), text).expect("the project can be written");
    put("src/lib.rs", include_str!("author/points.rs"));
    std::fs::remove_file(project.join("cases/teams.yaml")).expect("the template has a case");
    put("cases/points.yaml", include_str!("author/points.yaml"));
    let manifest = std::fs::read_to_string(project.join("wasmplugin.yaml")).expect("the manifest can be read");
    let points = "preEnqueue, queueSort, requeue, preFilter, preFilterExtensions, filter, postFilter, preScore, score, scoreNormalize, reserve, permit, preBind, bind, postBind";
    put("wasmplugin.yaml", &manifest.replace("filter, score", points));
    ok(&project, &["build"]);
    assert!(ok(&project, &["test"]).contains("4 passed"));
}

#[test]
fn author_sees_what_a_plugin_answers_otherwise() {
    let folder = workshop("cases");
    ok(&folder, &["new", "judge"]);
    let project = folder.join("judge");
    let said = plugin(&project, &["test"]).1;
    assert!(said.contains("judge is not built yet; run `coracle plugin build`"), "{said}");
    ok(&project, &["build"]);
    let file = project.join("cases/filter.yaml");
    let text = std::fs::read_to_string(&file).expect("the case can be read");
    std::fs::write(&file, text.replace("lacked the label gpu", "had no gpu")).expect("the case can be written");
    let (good, said) = plugin(&project, &["test"]);
    assert!(!good && said.contains("FAIL filter.yaml: another label is asked for"), "{said}");
    let lines = ["filter.without", "  expected \"node(s) had no gpu\"", "  got      \"node(s) lacked the label gpu\""];
    assert!(said.contains(&lines.join("\n       ")), "{said}");
    ok(&project, &["test", "--record"]);
    assert!(ok(&project, &["test"]).contains("2 passed"));
    // What the server would refuse is refused here, in its words.
    let manifest = project.join("wasmplugin.yaml");
    let text = std::fs::read_to_string(&manifest).expect("the manifest can be read");
    std::fs::write(&manifest, text.replace("[filter]", "[score]")).expect("the manifest can be written");
    let said = plugin(&project, &["test"]).1;
    assert!(said.contains("coracle:plugin/score"), "{said}");
}

#[test]
fn author_pushes_and_a_pod_feels_it() {
    let cluster = Cluster::start(Options { images: vec!["cli-args"], ..Options::default() });
    let space = cluster.space("author");
    let folder = workshop("push");
    ok(&folder, &["new", "disk"]);
    ok(&folder, &["new", "--world", "controller", "greeter"]);
    let (project, greeter) = (folder.join("disk"), folder.join("greeter"));
    ok(&project, &["build"]);
    ok(&greeter, &["build"]);
    let (_open, _closed) = (serve(&cluster, 5010, false), serve(&cluster, 5011, true));
    let push_of = |project: &Path, image: &str| {
        let mut push = command(project, &["push", "--insecure", "-C", &project.display().to_string(), image]);
        push.env("HOME", &folder);
        cluster.spawn_on_node(push).rest().join("\n")
    };
    let push = |image: &str| push_of(&project, image);
    let image_of =
        |said: &str| said.split("spec.image: ").nth(1).unwrap_or_else(|| panic!("{said}")).lines().next().unwrap_or_default().to_owned();
    let said = push("127.0.0.1:5010/author/disk:v1");
    let image = image_of(&said);
    assert!(image.starts_with("127.0.0.1:5010/author/disk@sha256:"), "{said}");
    // A registry that asks who it is gets what docker keeps.
    let refused = push("127.0.0.1:5011/author/disk:v1");
    assert!(refused.contains("cannot push to 127.0.0.1:5011/author/disk:v1"), "{refused}");
    std::fs::create_dir_all(folder.join(".docker")).expect("a folder can be made");
    let login = r#"{"auths": {"127.0.0.1:5011": {"auth": "dXNlcjpzZXNhbWU="}}}"#;
    std::fs::write(folder.join(".docker/config.json"), login).expect("the login can be written");
    let said = push("127.0.0.1:5011/author/disk:v1");
    assert!(said.contains("pushed "), "{said}");

    let manifest = std::fs::read_to_string(project.join("wasmplugin.yaml")).expect("the manifest can be read");
    cluster.kubectl().apply(&manifest.replace("registry.example.org/disk:v1", &image));
    cluster.kubectl().until("wasmplugins", "disk", "be loaded", |plugin| plugin["status"]["phase"] == "Ready");
    space.pod("web", "image: coracle.dev/test/cli-args:v1, args: [args, hello]");
    space.until_event("web", "FailedScheduling", "1 node(s) lacked the label disk");
    cluster.kubectl().ok(&["label", "node", tests::NODE, "disk=ssd"]);
    space.until("pod", "web", "be bound", |pod| tests::condition(pod, "PodScheduled") == Some("True"));

    // A controller brings its kind along.
    let said = push_of(&greeter, "127.0.0.1:5010/author/greeter:v1");
    assert!(said.contains("with greetings.example.org"), "{said}");
    let manifest = std::fs::read_to_string(greeter.join("wasmplugin.yaml")).expect("the manifest can be read");
    cluster.kubectl().apply(&manifest.replace("registry.example.org/greeter:v1", &image_of(&said)));
    cluster.kubectl().until("crd", "greetings.example.org", "be established", |crd| tests::condition(crd, "Established") == Some("True"));
    space.apply("apiVersion: example.org/v1\nkind: Greeting\nmetadata: {name: hello}\nspec: {text: Good morning}\n");
    space.until("configmap", "hello", "be made", |made| made["data"]["text"] == "Good morning");
}
