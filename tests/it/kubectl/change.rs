//! apply, edit, patch, label, annotate, scale, delete, diff.

use super::{names, roll_out, web};
use std::os::unix::fs::PermissionsExt;
use tests::{Cluster, Space, condition};

const SETTINGS: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  a: one
  b: two
";

#[test]
fn apply_on_the_client_side_adds_changes_and_removes_fields() {
    let space = Cluster::shared().space("apply-client");
    let apply = |yaml: &str| {
        let said = space.kubectl().run_with(&["apply", "-f", "-"], yaml, &[]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out
    };
    assert_eq!(apply(SETTINGS), "configmap/settings created\n");
    assert_eq!(apply(SETTINGS), "configmap/settings unchanged\n");
    space.ok(&["patch", "configmap", "settings", "-p", r#"{"data":{"c":"of another"}}"#]);
    assert_eq!(apply(&SETTINGS.replace("  a: one\n", "").replace("two", "zwei")), "configmap/settings configured\n");
    assert_eq!(space.get("configmap", "settings")["data"], serde_json::json!({"b": "zwei", "c": "of another"}));
    // Lists with merge keys: a container's image changes, the other container stays, variables are merged by name.
    apply(&web("web", 0));
    let old = "        - {name: VERSION, value: one}\n";
    apply(&web("web", 0).replace(old, &format!("{old}        - {{name: SECOND, value: two}}\n")));
    apply(&web("web", 0).replace(old, "        - {name: SECOND, value: zwei}\n"));
    let env = &space.get("deployment", "web")["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(*env, serde_json::json!([{"name": "SECOND", "value": "zwei"}]));
}

#[test]
fn apply_on_the_server_side_keeps_the_book_of_owners() {
    let space = Cluster::shared().space("apply-server");
    let apply = |yaml: &str, more: &[&str]| space.kubectl().run_with(&[&["apply", "--server-side", "-f", "-"], more].concat(), yaml, &[]);
    assert_eq!(apply(SETTINGS, &["--field-manager=one"]).out, "configmap/settings serverside-applied\n");
    let theirs = SETTINGS.replace("one", "eins");
    let refused = apply(&theirs, &["--field-manager=two"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("conflict with \"one\": .data.a"), "{}", refused.err);
    assert_eq!(space.get("configmap", "settings")["data"]["a"], "one", "a refused apply changes nothing");
    assert_eq!(apply(&theirs, &["--field-manager=two", "--force-conflicts"]).code, Some(0));
    assert_eq!(space.get("configmap", "settings")["data"]["a"], "eins");
    // What one no longer applies and nobody else owns goes; what two owns as well stays.
    assert_eq!(apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n", &["--field-manager=one"]).code, Some(0));
    assert_eq!(space.get("configmap", "settings")["data"], serde_json::json!({"a": "eins", "b": "two"}));
    assert_eq!(apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n", &["--field-manager=two"]).code, Some(0));
    assert!(space.get("configmap", "settings")["data"].is_null());
}

#[test]
fn diff_shows_what_apply_would_change() {
    let space = Cluster::shared().space("diff");
    space.apply(SETTINGS);
    let diff = |yaml: &str| space.kubectl().run_with(&["diff", "--server-side", "-f", "-"], yaml, &[]);
    assert_eq!(diff(SETTINGS).code, Some(0), "nothing differs");
    let said = diff(&SETTINGS.replace("two", "zwei"));
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("-  b: two") && said.out.contains("+  b: zwei"), "{}", said.out);
    assert_eq!(space.get("configmap", "settings")["data"]["b"], "two", "a dry run changes nothing");
    let dry = space.ok(&["create", "configmap", "never", "--dry-run=server", "-o", "name"]);
    assert_eq!(dry, "configmap/never\n");
    space.fails(&["get", "configmap", "never"], "not found");
}

#[test]
fn patch_knows_four_ways() {
    let space = Cluster::shared().space("patch");
    space.apply(&web("web", 0));
    let container = |space: &Space| space.get("deployment", "web")["spec"]["template"]["spec"]["containers"].clone();
    space.ok(&[
        "patch",
        "deployment",
        "web",
        "-p",
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","workingDir":"/strategic"}]}}}}"#,
    ]);
    assert_eq!(container(&space)[0]["workingDir"], "/strategic");
    assert_eq!(container(&space)[0]["image"], "coracle.dev/test/echo-http:v1", "a strategic merge keeps the rest of the container");
    space.ok(&["patch", "deployment", "web", "--type=json", "-p", r#"[{"op":"test","path":"/spec/replicas","value":0},{"op":"replace","path":"/spec/template/spec/containers/0/workingDir","value":"/json"}]"#]);
    assert_eq!(container(&space)[0]["workingDir"], "/json");
    space.fails(&["patch", "deployment", "web", "--type=json", "-p", r#"[{"op":"test","path":"/spec/replicas","value":5}]"#], "test");
    space.ok(&[
        "patch",
        "deployment",
        "web",
        "--type=merge",
        "-p",
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"other","image":"other:v1"}]}}},"metadata":{"labels":{"app":null}}}"#,
    ]);
    assert_eq!(container(&space).as_array().map(Vec::len), Some(1), "a merge patch replaces lists");
    assert_eq!(container(&space)[0]["name"], "other");
    assert!(space.get("deployment", "web")["metadata"]["labels"]["app"].is_null(), "null removes");
    space.ok(&["patch", "deployment", "web", "--subresource=scale", "--type=merge", "-p", r#"{"spec":{"replicas":0}}"#]);
    space.fails(&["patch", "deployment", "web", "-p", r#"{"spec":{"replicas":-1}}"#], "must be greater than or equal to 0");
}

#[test]
fn edit_saves_what_the_editor_wrote() {
    let space = Cluster::shared().space("edit");
    space.apply(SETTINGS);
    let editor = Cluster::shared().dir().join("editor.sh");
    std::fs::write(&editor, "#!/bin/sh\nsed -i 's/two/zwei/' \"$1\"\n").expect("the editor can be written");
    std::fs::set_permissions(&editor, PermissionsExt::from_mode(0o755)).expect("the editor can be made a program");
    let said = space.kubectl().run_with(&["edit", "configmap", "settings"], "", &[("KUBE_EDITOR", &editor.display().to_string())]);
    assert_eq!(said.out, "configmap/settings edited\n", "{}", said.err);
    assert_eq!(space.get("configmap", "settings")["data"]["b"], "zwei");
}

#[test]
fn label_and_annotate_set_overwrite_and_remove() {
    let space = Cluster::shared().space("label");
    space.ok(&["create", "configmap", "it"]);
    for (command, field) in [("label", "labels"), ("annotate", "annotations")] {
        let value = || space.get("configmap", "it")["metadata"][field]["color"].clone();
        space.ok(&[command, "configmap", "it", "color=red"]);
        assert_eq!(value(), "red");
        space.fails(&[command, "configmap", "it", "color=blue"], "--overwrite is false");
        space.ok(&[command, "configmap", "it", "color=blue", "--overwrite"]);
        assert_eq!(value(), "blue");
        space.ok(&[command, "configmap", "it", "color-"]);
        assert!(value().is_null());
    }
    space.fails(&["label", "configmap", "it", "bad=a b"], "a valid label must be");
}

#[test]
fn scale_changes_the_number_of_pods() {
    let space = Cluster::shared().space("scale");
    roll_out(&space, "web", 1);
    space.ok(&["scale", "deployment", "web", "--replicas=3"]);
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert_eq!(names(&space, "pods", "app=web").len(), 3);
    space.fails(&["scale", "deployment", "web", "--current-replicas=1", "--replicas=2"], "Expected replicas to be 1, was 3");
    space.ok(&["scale", "deployment", "web", "--replicas=0"]);
    space.ok(&["wait", "--for=delete", "pod", "-l", "app=web", "--timeout=60s"]);
    assert_eq!(space.get("deployment", "web")["spec"]["replicas"], 0);
}

#[test]
fn delete_cascades_as_it_is_told() {
    let space = Cluster::shared().space("delete");
    let set = |name: &str| names(&space, "replicasets", &format!("app={name}"));
    for name in ["background", "foreground", "orphan"] {
        roll_out(&space, name, 1);
    }
    space.ok(&["delete", "deployment", "background"]);
    space.ok(&["wait", "--for=delete", "pod", "-l", "app=background", "--timeout=60s"]);
    assert!(set("background").is_empty());
    space.ok(&["delete", "deployment", "foreground", "--cascade=foreground", "--timeout=60s"]);
    assert!(set("foreground").is_empty(), "the owner goes after what it owns");
    space.ok(&["delete", "deployment", "orphan", "--cascade=orphan", "--timeout=60s"]);
    let orphans = set("orphan");
    assert_eq!(orphans.len(), 1);
    assert!(space.get("replicaset", &orphans[0])["metadata"]["ownerReferences"].is_null());
    assert_eq!(names(&space, "pods", "app=orphan").len(), 1);
    // What comes back adopts the orphan instead of making another.
    roll_out(&space, "orphan", 1);
    assert_eq!(set("orphan"), orphans);
    space.ok(&["delete", "deployment,replicaset,pod", "--all", "--timeout=60s"]);
    space.fails(&["delete", "configmap", "absent"], "not found");
    assert_eq!(space.ok(&["delete", "configmap", "absent", "--ignore-not-found"]), "");
}

/// KEP-5080: what a pod may depend on stays until it is gone.
#[test]
fn pods_of_a_namespace_go_first() {
    let cluster = Cluster::shared();
    let space = cluster.space("ordered");
    space.apply(
        "apiVersion: v1
kind: Pod
metadata: {name: held, finalizers: [example.com/hold]}
spec:
  nodeSelector: {none: such}
  containers: [{name: c, image: none.invalid/x}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept}
",
    );
    space.ok(&["delete", "namespace", "ordered", "--wait=false"]);
    let told = |namespace: &serde_json::Value| condition(namespace, "NamespaceFinalizersRemaining") == Some("True");
    cluster.kubectl().until("namespace", "ordered", "tell what holds it", told);
    assert!(!space.get("pod", "held")["metadata"]["deletionTimestamp"].is_null());
    assert!(space.get("configmap", "kept")["metadata"]["deletionTimestamp"].is_null(), "it waits for the pod");
    space.ok(&["patch", "pod", "held", "--type=merge", "--patch", r#"{"metadata":{"finalizers":null}}"#]);
    cluster.kubectl().ok(&["wait", "--for=delete", "namespace/ordered", "--timeout=60s"]);
}

#[test]
fn delete_of_a_namespace_sweeps_it() {
    let cluster = Cluster::shared();
    let space = cluster.space("swept");
    roll_out(&space, "web", 1);
    space.ok(&["create", "configmap", "settings"]);
    cluster.kubectl().ok(&["delete", "namespace", "swept", "--timeout=60s"]);
    cluster.kubectl().fails(&["get", "namespace", "swept"], "not found");
    // A namespace of that name starts empty.
    let again = cluster.space("swept");
    assert_eq!(again.json(&["get", "deployments,pods,replicasets"])["items"], serde_json::json!([]));
    again.fails(&["get", "configmap", "settings"], "not found");
}
