//! The examples, and pods that hold a component and an OCI container.

use std::fs::read_to_string;
use tests::{Cluster, eventually, paths};

#[test]
fn mixed_the_http_example_answers_from_three_replicas() {
    let cluster = Cluster::shared();
    let space = cluster.space("example-http");
    space.apply(&read_to_string(paths::root().join("guest-examples/hello-http/manifest.yaml")).expect("the manifest can be read"));
    space.ok(&["rollout", "status", "deployment/hello-http", "--timeout=60s"]);
    let address = format!("{}:80", space.get("service", "hello-http")["spec"]["clusterIP"].as_str().expect("a Service has an address"));
    let mut seen = std::collections::BTreeSet::new();
    eventually("all three replicas to answer", || {
        let (status, body) = cluster.http(&address, "/sea?deep")?;
        assert_eq!(status, 200, "{body}");
        let pod = body.strip_prefix("Ahoy from ").and_then(|rest| rest.split(',').next()).expect("the pod says its name");
        assert!(body.ends_with("asked for /sea?deep\n"), "{body}");
        seen.insert(pod.to_owned());
        if seen.len() == 3 { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    let pods = space.json(&["get", "pods"]);
    let names =
        pods["items"].as_array().expect("a list has items").iter().filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned));
    assert_eq!(names.collect::<std::collections::BTreeSet<_>>(), seen);
}

#[test]
fn mixed_the_log_shipper_example_ships_lines() {
    let space = Cluster::shared().space("example-shipper");
    space.apply(&read_to_string(paths::root().join("guest-examples/log-shipper/manifest.yaml")).expect("the manifest can be read"));
    space.ok(&["rollout", "status", "deployment/log-shipper", "--timeout=60s"]);
    let mut logs = space.spawn(&["logs", "-f", "deployment/log-shipper", "-c", "shipper"]);
    let line = logs.line("tick 2");
    let record: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(record.to_string().contains("busybox"), "{record}");
}

#[test]
fn mixed_containers_share_localhost_both_ways() {
    let space = Cluster::shared().space("mixed-localhost");
    space.apply(
        "apiVersion: v1
kind: Pod
metadata: {name: both}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 1
  containers:
  - {name: nginx, image: coracle.dev/test/nginx:v1}
  - {name: echo, image: coracle.dev/test/echo-http:v1}
  - {name: wasm-asks, image: coracle.dev/test/net-probe:v1, args: [get, 'http://127.0.0.1:80/']}
  - {name: oci-asks, image: coracle.dev/examples/busybox:v1, command: [wget, -q, -O, '-', 'http://localhost:8080/from/oci']}
",
    );
    let done = |name: &str| {
        let name = name.to_owned();
        space.until("pods", "both", "have asked", move |pod| {
            let statuses = pod["status"]["containerStatuses"].as_array();
            statuses.into_iter().flatten().any(|status| status["name"] == *name && status["state"]["terminated"]["exitCode"] == 0)
        });
    };
    done("wasm-asks");
    assert_eq!(space.ok(&["logs", "both", "-c", "wasm-asks"]).lines().last(), Some("200 Welcome to nginx in Coracle"));
    done("oci-asks");
    assert_eq!(space.ok(&["logs", "both", "-c", "oci-asks"]).lines().last(), Some("GET /from/oci "));
}

#[test]
fn mixed_containers_share_volumes_both_ways() {
    let space = Cluster::shared().space("mixed-volumes");
    space.apply(
        "apiVersion: v1
kind: Pod
metadata: {name: both}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  volumes: [{name: data, emptyDir: {}}]
  initContainers:
  - {name: oci-writes, image: coracle.dev/examples/busybox:v1, command: [sh, -c, 'echo by oci > /data/oci'], volumeMounts: [{name: data, mountPath: /data}]}
  - {name: wasm-writes, image: coracle.dev/test/cli-args:v1, args: [write, /data/wasm, by wasm], volumeMounts: [{name: data, mountPath: /data}]}
  containers:
  - {name: wasm-reads, image: coracle.dev/test/cli-args:v1, args: [cat, /data/oci], volumeMounts: [{name: data, mountPath: /data}]}
  - {name: oci-reads, image: coracle.dev/examples/busybox:v1, command: [cat, /data/wasm], volumeMounts: [{name: data, mountPath: /data}]}
",
    );
    let pod = space.until_ended("both");
    assert_eq!(pod["status"]["phase"], "Succeeded", "{:#}", pod["status"]);
    assert_eq!(space.ok(&["logs", "both", "-c", "wasm-reads"]), "by oci\n");
    assert_eq!(space.ok(&["logs", "both", "-c", "oci-reads"]), "by wasm");
}
