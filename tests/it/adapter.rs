//! Adapters beside containers, and HTTP middleware before Services.

use std::fs::read_to_string;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tests::{Cluster, Options, Space, eventually, paths};

/// Plugins are the cluster's: these tests have one of their own and take turns.
fn cluster() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let plugins = vec!["adapter-report", "adapter-told", "middleware-auth"];
    let images = vec!["busybox", "cli-args", "hello-http"];
    let cluster = CLUSTER.get_or_init(|| Cluster::start(Options { images, plugins, ..Options::default() }));
    (cluster, turn)
}

/// A container that runs a shell script.
fn script(text: &str) -> String {
    format!("image: coracle.dev/examples/busybox:v1, command: [sh, -c, {}]", serde_json::Value::from(text))
}

fn manifest(space: &Space, example: &str) {
    let path = paths::root().join("guest-examples").join(example).join("manifest.yaml");
    space.apply(&read_to_string(path).expect("the manifest can be read"));
}

/// The adapter of these tests, loaded anew.
fn told(cluster: &Cluster, spec: &str) {
    cluster.kubectl().run(&["delete", "wasmplugin", "adapter-told", "--ignore-not-found"]);
    cluster.kubectl().apply(&format!(
        "apiVersion: coracle.dev/v1alpha1
kind: WasmPlugin
metadata: {{name: adapter-told}}
spec:
  world: adapter
  path: adapter-told.wasm
  limits: {{timeoutMilliseconds: 200, memoryMiB: 8}}
  {spec}
"
    ));
    cluster.kubectl().until("wasmplugins", "adapter-told", "be loaded", |plugin| plugin["status"]["phase"] == "Ready");
}

fn pod(space: &Space, name: &str, annotation: &str, container: &str) {
    space.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, annotations: {{adapter.coracle.dev/main: '{annotation}'}}}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers: [{{name: main, {container}}}]
"
    ));
}

fn until_log(space: &Space, pod: &str, what: &str, is_so: impl Fn(&str) -> bool) -> String {
    let mut last = String::new();
    eventually(what, || {
        last = space.run(&["logs", pod]).out;
        if is_so(&last) { Ok(()) } else { Err(last.clone()) }
    });
    last
}

#[test]
fn adapter_rewrites_old_reports_and_counts_what_was_sold() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("adapter-report");
    manifest(&space, "adapter-report");
    space.ok(&["rollout", "status", "deployment/report", "--timeout=60s"]);
    let mut logs = space.spawn(&["logs", "-f", "deployment/report"]);
    let line = logs.line("HAMMER");
    let record: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let expect = r#"{"date":"2026-01-31","item":"0002","name":"LEFT-HANDED HAMMER","price":45.5,"quantity":3,"store":"0042"}"#;
    assert_eq!(record.to_string(), expect);
    assert!(logs.line("complete").contains("\"complete\":true,\"items\":2"));
    let pods = space.json(&["get", "pods", "-l", "app=report"]);
    let address = format!("{}:9100", pods["items"][0]["status"]["podIP"].as_str().expect("the pod has an address"));
    eventually("the metrics to be served", || {
        let (status, body) = cluster.http(&address, "/metrics")?;
        assert_eq!(status, 200, "{body}");
        let counted =
            body.contains("report_items_sold_total{item=\"0001\",store=\"0042\"} ") && body.contains("reports_total{complete=\"true\"} ");
        if counted { Ok(()) } else { Err(body) }
    });
    cluster.kubectl().run(&["delete", "wasmplugin", "adapter-report"]);
}

#[test]
fn adapter_changes_the_output_of_wasm_and_oci_containers_alike() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("adapter-both");
    told(cluster, "config: {mark: '* '}");
    pod(&space, "wasm", "adapter-told?source=stdout", "image: coracle.dev/test/cli-args:v1, args: [args, hello]");
    pod(&space, "oci", "adapter-told?arg.mark=x%20", &script("echo out; echo err >&2"));
    for name in ["wasm", "oci"] {
        assert_eq!(space.until_ended(name)["status"]["phase"], "Succeeded");
    }
    let log = until_log(&space, "wasm", "the wasm container's log", |log| log.contains("hello"));
    assert!(log.lines().all(|line| line.starts_with("* ")), "{log}");
    let log = until_log(&space, "oci", "the OCI container's log", |log| log.lines().count() == 2);
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["x err", "x out"]);
}

#[test]
fn adapter_that_misbehaves_loses_no_line() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("adapter-hostile");
    for (how, said) in [
        ("trap", "trapped"),
        ("loop", "exceeded its time of 200 ms"),
        ("hog", "exceeded its memory of 8 MiB"),
        ("recurse", "trapped"),
        ("flood", "at most 4096 are allowed"),
        ("carry", "at most 65536 are allowed"),
        ("error", "told to fail"),
    ] {
        // Ignored, they pass as they are, and the log says so.
        told(cluster, "failurePolicy: Ignore");
        let script = script(&format!("echo before; echo {how}; echo after"));
        pod(&space, &format!("{how}-passes"), "adapter-told?source=stdout", &script);
        let log = until_log(&space, &format!("{how}-passes"), "all lines", |log| log.contains("after"));
        let own = |line: &&str| !line.starts_with("coracle: ");
        assert_eq!(log.lines().filter(own).collect::<Vec<_>>(), ["before", how, "after"], "{log}");
        assert!(log.contains(said) && log.contains("lines pass as they are"), "{log}");
        // Otherwise they wait, and come when the plugin behaves.
        told(cluster, "failurePolicy: Fail");
        pod(&space, how, "adapter-told?source=stdout", &script);
        let log = until_log(&space, how, "the failure", |log| log.contains("lines wait until it works"));
        assert!(log.contains(said) && !log.contains("after"), "{log}");
        told(cluster, "config: {behave: 'yes', mark: '* '}");
        let log = until_log(&space, how, "all lines", |log| log.contains("after"));
        let expect = ["* before".to_owned(), format!("* {how}"), "* after".to_owned()];
        assert_eq!(log.lines().filter(own).collect::<Vec<_>>(), expect, "{log}");
    }
}

#[test]
fn adapter_annotations_are_checked_and_a_missing_plugin_is_told() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("adapter-checked");
    pod(&space, "wrong", "adapter-told?source=stdin", &script("echo hello"));
    space.until_event("wrong", "Failed", "source=stdin is none of output, stdout, stderr, file:<path>");
    pod(&space, "missing", "no-such?source=stdout", &script("echo hello"));
    let log = until_log(&space, "missing", "the failure", |log| log.contains("no-such is not loaded"));
    assert!(!log.contains("hello"), "{log}");
}

/// Status and body of a request from the node.
fn ask(cluster: &Cluster, address: &str, headers: &str) -> Result<(u16, String), String> {
    use std::io::{Read, Write};
    let request = format!("GET /sea HTTP/1.1\r\nHost: guarded\r\nConnection: close\r\n{headers}\r\n");
    let text = cluster.sandbox().in_network(|| -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    });
    let text = text.map_err(|error| error.to_string())?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| text.clone())?;
    Ok((status, text))
}

#[test]
fn middleware_lets_only_known_callers_to_a_service() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("middleware-auth");
    manifest(&space, "middleware-auth");
    space.ok(&["rollout", "status", "deployment/guarded", "--timeout=60s"]);
    let address = format!("{}:80", space.get("service", "guarded")["spec"]["clusterIP"].as_str().expect("a Service has an address"));
    let known = "Authorization: Bearer open-sesame\r\n";
    eventually("a known caller to be let in", || {
        let (status, text) = ask(cluster, &address, known)?;
        if status == 200 && text.contains("Hello from") && text.contains("cache-control: private") { Ok(()) } else { Err(text) }
    });
    for unknown in ["", "Authorization: Bearer wrong\r\n", "X-User: alice\r\n"] {
        let (status, text) = ask(cluster, &address, unknown).expect("the proxy answers");
        assert_eq!(status, 401, "{text}");
        assert!(text.contains("a known token is needed"), "{text}");
    }
    // From a pod, and to a pod's own Service: the same.
    let service = address.trim_end_matches(":80");
    space.pod(
        "asks",
        &script(&format!(
            "wget -q -O - --header 'Authorization: Bearer barrel-rider' http://{service}/pod && wget -O - http://{service}/pod"
        )),
    );
    space.until_ended("asks");
    let log = space.output("asks");
    assert!(log.contains("asked for /pod") && log.contains("401"), "{log}");
    // Hot: another token from one request to the next, while the old one serves until then.
    let users = r#"{"spec":{"config":{"users":"carol=new"}}}"#;
    cluster.kubectl().ok(&["patch", "wasmplugin", "middleware-auth", "--type=merge", "-p", users]);
    eventually("the new token to be known", || match ask(cluster, &address, "Authorization: Bearer new\r\n")? {
        (200, _) => Ok(()),
        (401, text) => Err(text),
        (_, text) => panic!("a change lets no request fail: {text}"),
    });
    // Without its plugin the Service is closed; without the annotation it is open.
    cluster.kubectl().ok(&["delete", "wasmplugin", "middleware-auth"]);
    eventually("the Service to be closed", || match ask(cluster, &address, known)? {
        (503, text) if text.contains("middleware middleware-auth of Service") => Ok(()),
        (_, text) => Err(text),
    });
    space.ok(&["annotate", "service", "guarded", "middleware.coracle.dev/80-"]);
    eventually("the Service to be open", || match ask(cluster, &address, "")? {
        (200, _) => Ok(()),
        (_, text) => Err(text),
    });
}
