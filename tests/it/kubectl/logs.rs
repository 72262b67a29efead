//! logs, of both kinds of workload.

use tests::{Cluster, Space};

const BUSYBOX: &str = "image: coracle.dev/examples/busybox:v1";

/// Numbers from 1 to 5, one a line.
const COUNT: &str = r#"image: coracle.dev/examples/busybox:v1, command: [sh, -c, "for n in 1 2 3 4 5; do echo line $n; done"]"#;

/// The same word by a component.
const SAY: &str = "image: coracle.dev/test/cli-args:v1, args: [one, two]";

#[test]
fn logs_have_both_streams_of_both_kinds() {
    let space = Cluster::shared().space("logs-both");
    let (code, oci) = space.outcome("oci", &format!(r#"{BUSYBOX}, command: [sh, -c, "echo to stdout; echo to stderr >&2"]"#), "");
    assert_eq!(code, 0);
    let mut lines: Vec<&str> = oci.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["to stderr", "to stdout"]);
    let (code, wasm) = space.outcome("wasm", "image: coracle.dev/test/cli-args:v1, args: [fail]", "");
    assert_eq!((code, wasm.as_str()), (1, "failed, as it was told\n"));
}

#[test]
fn logs_are_cut_by_tail_bytes_and_time() {
    let space = Cluster::shared().space("logs-cut");
    space.pod("count", COUNT);
    assert_eq!(space.output("count"), "line 1\nline 2\nline 3\nline 4\nline 5\n");
    for (args, expect) in [
        (vec!["--tail=2"], "line 4\nline 5\n"),
        (vec!["--tail=0"], ""),
        (vec!["--tail=99"], "line 1\nline 2\nline 3\nline 4\nline 5\n"),
        (vec!["--limit-bytes=10"], "line 1\nlin"),
        (vec!["--since=1h", "--tail=1"], "line 5\n"),
        (vec!["--since-time=2999-01-01T00:00:00Z"], ""),
        (vec!["--since-time=2001-01-01T00:00:00Z", "--tail=1"], "line 5\n"),
    ] {
        assert_eq!(space.ok(&[&["logs", "count"], args.as_slice()].concat()), expect, "{args:?}");
    }
    let stamped = space.ok(&["logs", "count", "--timestamps", "--tail=1"]);
    let (time, line) = stamped.split_once(' ').expect("a time and a line");
    assert_eq!(line, "line 5\n");
    assert!(time.starts_with("20") && time.contains('T') && time.contains('.'), "{time}");
    // Lines since a moment: exactly those from it on.
    let all = space.ok(&["logs", "count", "--timestamps"]);
    let third = all.lines().nth(2).and_then(|line| line.split(' ').next()).expect("there is a third line");
    let since = space.ok(&["logs", "count", &format!("--since-time={third}")]);
    assert!(since.contains("line 5"), "{since}");
    space.fails(&["logs", "count", "-c", "nobody"], "container nobody is not valid for pod count");
}

fn follows(space: &Space, name: &str, container: &str) {
    space.pod(name, container);
    space.until("pods", name, "run", |pod| pod["status"]["containerStatuses"][0]["state"]["running"].is_object());
    let mut logs = space.spawn(&["logs", "-f", name]);
    logs.line("first");
    space.ok(&["delete", "pod", name, "--wait=false"]);
    logs.rest();
}

#[test]
fn logs_follow_an_oci_container_to_its_end() {
    let space = Cluster::shared().space("logs-follow-oci");
    follows(&space, "oci", &format!(r#"{BUSYBOX}, command: [sh, -c, "echo first; exec sleep 3600"]"#));
}

#[test]
fn logs_follow_a_component_to_its_end() {
    let space = Cluster::shared().space("logs-follow-wasm");
    space.pod("wasm", "image: coracle.dev/test/cli-args:v1, args: [sleep, '3600']");
    space.until("pods", "wasm", "run", |pod| pod["status"]["containerStatuses"][0]["state"]["running"].is_object());
    let mut logs = space.spawn(&["logs", "-f", "wasm"]);
    logs.line("sleeping");
    space.ok(&["delete", "pod", "wasm", "--wait=false"]);
    logs.rest();
}

#[test]
fn logs_follow_lines_that_come_later() {
    let space = Cluster::shared().space("logs-later");
    let script = "until [ -e /data/go ]; do sleep 0.05; done; echo gone";
    let folder = space.cluster().dir().join("logs-later").display().to_string();
    space.pod_with(
        "both",
        &format!(r#"{BUSYBOX}, command: [sh, -c, "echo waiting; {script}"], volumeMounts: [{{name: data, mountPath: /data}}]"#),
        &format!("restartPolicy: Never\nvolumes: [{{name: data, hostPath: {{path: {folder}, type: DirectoryOrCreate}}}}]"),
    );
    space.until("pods", "both", "run", |pod| pod["status"]["containerStatuses"][0]["state"]["running"].is_object());
    let mut logs = space.spawn(&["logs", "-f", "both"]);
    logs.line("waiting");
    let said = space.cluster().on_node("touch", &[&format!("{folder}/go")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    logs.line("gone");
    assert_eq!(logs.rest(), ["waiting", "gone"]);
}

#[test]
fn logs_of_the_previous_run_are_kept() {
    let space = Cluster::shared().space("logs-previous");
    for (name, container, part) in [
        ("oci", format!(r#"{BUSYBOX}, command: [sh, -c, "echo run at $(date +%s%N); exit 3"]"#), "run at"),
        ("wasm", "image: coracle.dev/test/cli-args:v1, args: [fail]".to_owned(), "failed, as it was told"),
    ] {
        space.pod_with(name, &container, "restartPolicy: Always");
        space.until("pods", name, "be restarted", |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1));
        let previous = space.ok(&["logs", "--previous", name]);
        assert!(previous.contains(part), "{name}: {previous}");
        assert_eq!(previous.lines().count(), 1, "one run's logs only: {previous}");
    }
    space.pod("once", SAY);
    space.until_ended("once");
    space.fails(&["logs", "--previous", "once"], "previous terminated container \"main\" in pod \"once\" not found");
}

#[test]
fn logs_of_a_deployment_and_of_all_containers() {
    let space = Cluster::shared().space("logs-many");
    space.apply(
        "apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: two}}
spec:
  restartPolicy: Never
  containers:
  - {name: a, image: coracle.dev/test/cli-args:v1, args: [from, a]}
  - {name: b, image: coracle.dev/test/cli-args:v1, args: [from, b]}
",
    );
    space.until_ended("two");
    let all = space.ok(&["logs", "two", "--all-containers", "--prefix"]);
    assert!(all.contains("[pod/two/a] ") && all.contains("[pod/two/b] "), "{all}");
    let selected = space.ok(&["logs", "-l", "app=two", "--all-containers"]);
    assert_eq!(selected.lines().count(), 2, "{selected}");
}
