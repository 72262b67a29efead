//! Pods outlive the daemon and are adopted again.

use serde_json::Value;
use tests::{Cluster, Options, Space};

const TICKS: &str =
    r#"image: coracle.dev/examples/busybox:v1, command: [sh, -c, "n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.1; done"]"#;
const PODS: [&str; 4] = ["oci", "wasm-http", "wasm-sleeps", "init-done"];

fn start() -> Cluster {
    Cluster::start(Options { images: vec!["busybox", "echo-http", "cli-args"], ..Options::default() })
}

fn run_pods(space: &Space) {
    space.pod_with("oci", TICKS, "restartPolicy: Always");
    let probe = "readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}";
    space.pod_with(
        "wasm-http",
        &format!("image: coracle.dev/test/echo-http:v1, ports: [{{containerPort: 8080}}], {probe}"),
        "restartPolicy: Always",
    );
    space.pod_with("wasm-sleeps", "image: coracle.dev/test/cli-args:v1, args: [sleep, '3600']", "restartPolicy: Always");
    space.pod_with(
        "init-done",
        "image: coracle.dev/examples/busybox:v1, command: [sleep, '3600']",
        "restartPolicy: Always\ninitContainers: [{name: once, image: coracle.dev/test/cli-args:v1, args: [args]}]",
    );
    space.ok(&["expose", "pod", "wasm-http", "--port=80", "--target-port=8080"]);
    for name in PODS {
        space.until_ready(name);
    }
}

/// What must not change: identity, address, and the start of every container.
fn identity(space: &Space, name: &str) -> Value {
    let pod = space.get("pod", name);
    let containers: Vec<Value> = ["initContainerStatuses", "containerStatuses"]
        .iter()
        .filter_map(|field| pod["status"][field].as_array())
        .flatten()
        .map(|status| serde_json::json!([status["name"], status["containerID"], status["restartCount"], status["state"]]))
        .collect();
    serde_json::json!([pod["metadata"]["uid"], pod["status"]["podIP"], pod["status"]["startTime"], containers])
}

fn survives(how: &str, end: impl Fn(&Cluster)) {
    let cluster = start();
    let space = cluster.space("survive");
    run_pods(&space);
    let before: Vec<Value> = PODS.iter().map(|name| identity(&space, name)).collect();
    let address = format!("{}:8080", space.get("pod", "wasm-http")["status"]["podIP"].as_str().expect("a ready pod has an address"));
    let service = format!("{}:80", space.get("service", "wasm-http")["spec"]["clusterIP"].as_str().expect("a Service has an address"));
    let lines = || space.ok(&["logs", "oci"]).lines().count();
    let ticks = lines();
    end(&cluster);
    // Without the daemon, pods and Services go on.
    assert_eq!(cluster.http(&address, "/alone"), Ok((200, "GET /alone \n".to_owned())), "{how}");
    assert_eq!(cluster.http(&service, "/alone"), Ok((200, "GET /alone \n".to_owned())), "{how}");
    cluster.spawn();
    cluster.wait_ready();
    for name in PODS {
        space.until_ready(name);
    }
    let after: Vec<Value> = PODS.iter().map(|name| identity(&space, name)).collect();
    assert_eq!(before, after, "{how}");
    let log = space.ok(&["logs", "oci"]);
    let numbers: Vec<usize> = log.lines().filter_map(|line| line.strip_prefix("tick ")?.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len()) && numbers.len() > ticks, "no line is lost: {log}");
    // Adopted means obeyed: new lines are followed, and they end when they are told to.
    let next = format!("tick {}", numbers.len() + 5);
    space.spawn(&["logs", "-f", "oci"]).line(&next);
    assert!(space.ok(&["logs", "wasm-http"]).contains("/alone"));
    space.ok(&[&["delete", "pod", "--timeout=30s"], PODS.as_slice()].concat());
    space.pod_with("new", "image: coracle.dev/test/cli-args:v1, args: [args, new]", "restartPolicy: Never");
    assert_eq!(space.until_ended("new")["status"]["phase"], "Succeeded");
}

#[test]
fn survive_pods_the_sudden_death_of_the_daemon() {
    survives("kill -9", Cluster::kill9);
}

#[test]
fn survive_pods_an_orderly_stop_of_the_daemon() {
    survives("SIGTERM", |cluster| assert!(cluster.stop().success(), "an orderly stop is a success\n{}", cluster.log_tail()));
}

#[test]
fn survive_ends_that_nobody_saw_are_told_afterwards() {
    let cluster = start();
    let space = cluster.space("unseen");
    let folder = cluster.dir().join("unseen").display().to_string();
    let waits = "until [ -e /f/go ]; do sleep 0.05; done; echo last words; exit 7";
    space.pod_with(
        "ends",
        &format!("image: coracle.dev/examples/busybox:v1, command: [sh, -c, '{waits}'], volumeMounts: [{{name: f, mountPath: /f}}]"),
        &format!("restartPolicy: Never\nvolumes: [{{name: f, hostPath: {{path: {folder}, type: DirectoryOrCreate}}}}]"),
    );
    space.until_ready("ends");
    let uid = space.get("pod", "ends")["metadata"]["uid"].as_str().expect("a pod has a UID").to_owned();
    cluster.kill9();
    cluster.on_node("touch", &[&format!("{folder}/go")]);
    let log = format!("{}/logs/pods", cluster.data().display());
    tests::eventually("the container's last words", || {
        let said = cluster.on_node("grep", &["-r", "last words", &log]);
        if said.out.contains(&uid) { Ok(()) } else { Err(said.out) }
    });
    cluster.spawn();
    cluster.wait_ready();
    let pod = space.until_ended("ends");
    assert_eq!(pod["status"]["phase"], "Failed");
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 7, "{:#}", pod["status"]);
    assert_eq!(space.ok(&["logs", "ends"]), "last words\n");
}

#[test]
fn survive_back_off_and_rollouts_in_the_middle() {
    let cluster = start();
    let space = cluster.space("middle");
    space.pod_with("crashes", "image: coracle.dev/test/cli-args:v1, args: [fail]", "restartPolicy: Always");
    space.until("pods", "crashes", "have been restarted", |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1));
    space.ok(&["create", "deployment", "web", "--image=coracle.dev/test/echo-http:v1", "--replicas=3"]);
    cluster.kill9();
    cluster.spawn();
    cluster.wait_ready();
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let pods = space.json(&["get", "pods", "-l", "app=web"]);
    assert_eq!(pods["items"].as_array().map(Vec::len), Some(3), "no pod was made twice");
    let crashes = space.get("pod", "crashes");
    assert!(crashes["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1), "the count is kept: {:#}", crashes["status"]);
}

const MIXED: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: mixed}
spec:
  replicas: 2
  selector: {matchLabels: {app: mixed}}
  template:
    metadata: {labels: {app: mixed}}
    spec:
      terminationGracePeriodSeconds: 1
      volumes: [{name: data, emptyDir: {medium: Memory}}]
      containers:
      - {name: oci, image: coracle.dev/examples/busybox:v1, command: [sleep, '3600'], volumeMounts: [{name: data, mountPath: /data}]}
      - {name: wasm, image: coracle.dev/test/echo-http:v1, volumeMounts: [{name: data, mountPath: /data}]}
";

/// What pods leave on a node: processes, mounts, network namespaces, cgroups, folders.
fn traces(cluster: &Cluster, uids: &[String]) -> Vec<String> {
    let data = cluster.data().display().to_string();
    let ask = |script: &str| cluster.on_node("sh", &["-c", script]).out;
    let seen = [
        ask("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'"),
        ask("cat /proc/mounts"),
        ask("find /sys/fs/cgroup -type d -path '*coracle/pod*'"),
        ask(&format!("find {data}/pods {data}/run -mindepth 1 -maxdepth 3")),
    ];
    // Links that are made in advance belong to no pod yet.
    let network = |line: &str| line.contains(&format!("{data}/run/netns/")) && !line.contains("/ready-");
    let ours = |line: &&str| network(line) || uids.iter().any(|uid| line.contains(uid.as_str()));
    seen.iter().flat_map(|text| text.lines().filter(ours)).map(str::to_owned).collect()
}

#[test]
fn survive_many_deaths_without_orphans() {
    let cluster = start();
    let space = cluster.space("deaths");
    space.apply(MIXED);
    let mut uids = std::collections::BTreeSet::new();
    for round in 0_u8..6 {
        // It dies while pods start, while they end, and in between.
        let wanted = if round % 2 == 0 { "4" } else { "1" };
        space.ok(&["scale", "deployment", "mixed", &format!("--replicas={wanted}")]);
        space.kubectl().until_any(&["pods", "-l", "app=mixed"], "a pod in the middle of something", |pod| {
            let starting = pod["status"]["phase"] == "Pending" && pod["spec"]["nodeName"].is_string();
            let ending = pod["metadata"]["deletionTimestamp"].is_string();
            if wanted == "4" { starting } else { ending }
        });
        let pods = space.json(&["get", "pods"]);
        uids.extend(pods["items"].as_array().into_iter().flatten().filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned)));
        cluster.kill9();
        cluster.spawn();
        cluster.wait_ready();
    }
    space.ok(&["rollout", "status", "deployment/mixed", "--timeout=60s"]);
    let count = || space.json(&["get", "pods", "-l", "app=mixed"])["items"].as_array().map(Vec::len);
    tests::eventually("one pod to be left", || if count() == Some(1) { Ok(()) } else { Err(format!("{:?}", count())) });
    let left = space.json(&["get", "pods"]);
    uids.extend(left["items"][0]["metadata"]["uid"].as_str().map(str::to_owned));
    assert_eq!(left["items"][0]["status"]["containerStatuses"][0]["restartCount"].as_i64(), Some(0), "{left:#}");
    assert!(!traces(&cluster, &uids.iter().cloned().collect::<Vec<_>>()).is_empty(), "a pod that runs leaves traces");
    space.ok(&["delete", "deployment", "mixed"]);
    space.ok(&["wait", "--for=delete", "pod", "-l", "app=mixed", "--timeout=60s"]);
    let uids: Vec<String> = uids.into_iter().collect();
    assert!(uids.len() >= 4, "{uids:?}");
    tests::eventually("every trace of the pods to go", || {
        let left = traces(&cluster, &uids);
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    });
    // Each link has its namespace: none was forgotten by a server that died.
    tests::eventually("as many links as namespaces", || {
        let count = |script: &str| cluster.on_node("sh", &["-c", script]).out.trim().to_owned();
        let links = count("ip -o link show type veth | wc -l");
        let namespaces = count(&format!("ls {}/run/netns | wc -l", cluster.data().display()));
        if links == namespaces { Ok(()) } else { Err(format!("{links} links, {namespaces} namespaces")) }
    });
}
