//! Where pods may run, and what they are told when they may not.

use tests::{Cluster, NODE, Options, Space, condition};

/// A pod that does nothing, with further lines of its spec.
fn pod(space: &Space, name: &str, resources: &str, spec: &str) {
    space.pod_with(name, &format!("image: coracle.dev/test/cli-args:v1, resources: {resources}"), &format!("restartPolicy: Never\n{spec}"));
}

/// The pod waits, and its event says why.
fn waits(space: &Space, name: &str, why: &str) {
    let message = space.until_event(name, "FailedScheduling", why);
    assert!(message.starts_with("0/1 nodes are available: "), "{message}");
    let pod = space.get("pod", name);
    assert_eq!(pod["status"]["phase"], "Pending");
    assert_eq!(condition(&pod, "PodScheduled"), Some("False"), "{:#}", pod["status"]);
}

#[test]
fn scheduling_tells_why_no_node_fits() {
    let space = Cluster::shared().space("no-fit");
    for (name, resources, spec, why) in [
        ("cpu", "{requests: {cpu: 4k}}", "", "1 Insufficient cpu"),
        ("memory", "{requests: {memory: 9Ti}}", "", "1 Insufficient memory"),
        ("both", "{requests: {cpu: 4k, memory: 9Ti}}", "", "1 Insufficient cpu, 1 Insufficient memory"),
        ("device", "{limits: {example.com/gpu: 1}}", "", "1 Insufficient example.com/gpu"),
        ("selector", "{}", "nodeSelector: {disk: ssd}", "1 node(s) didn't match Pod's node affinity/selector"),
        (
            "affinity",
            "{}",
            "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, values: [node-1]}]}]}}}",
            "1 node(s) didn't match Pod's node affinity/selector",
        ),
    ] {
        pod(&space, name, resources, spec);
        waits(&space, name, why);
    }
    pod(&space, "fits", "{requests: {cpu: 1m, memory: 1Mi}}", "nodeSelector: {kubernetes.io/hostname: node-1, kubernetes.io/os: linux}");
    assert_eq!(space.until_ended("fits")["status"]["phase"], "Succeeded");
    // A pod for another scheduler is left alone; one that names its node is not scheduled at all.
    pod(&space, "foreign", "{}", "schedulerName: somebody-else");
    pod(&space, "direct", "{}", &format!("nodeName: {NODE}"));
    assert_eq!(space.until_ended("direct")["status"]["phase"], "Succeeded");
    assert!(space.get("pod", "foreign")["spec"]["nodeName"].is_null());
}

#[test]
fn scheduling_goes_on_when_a_node_becomes_fit() {
    let cluster = Cluster::start(Options { images: vec!["cli-args"], ..Options::default() });
    let space = cluster.space("becomes-fit");
    let node = |args: &[&str]| cluster.kubectl().ok(args);
    let runs = |name: &str| assert_eq!(space.until_ended(name)["status"]["phase"], "Succeeded", "{name}");
    node(&["cordon", NODE]);
    pod(&space, "cordoned", "{}", "");
    waits(&space, "cordoned", "1 node(s) were unschedulable");
    assert!(node(&["get", "nodes"]).contains("Ready,SchedulingDisabled"));
    node(&["uncordon", NODE]);
    runs("cordoned");
    node(&["taint", "node", NODE, "for=others:NoSchedule"]);
    pod(&space, "tainted", "{}", "");
    waits(&space, "tainted", "1 node(s) had untolerated taint");
    pod(&space, "tolerates", "{}", "tolerations: [{key: for, operator: Equal, value: others, effect: NoSchedule}]");
    runs("tolerates");
    node(&["taint", "node", NODE, "for-"]);
    runs("tainted");
    pod(&space, "selects", "{}", "nodeSelector: {disk: ssd}");
    waits(&space, "selects", "1 node(s) didn't match Pod's node affinity/selector");
    node(&["label", "node", NODE, "disk=ssd"]);
    runs("selects");
    // Room that another pod took comes back with its end.
    let whole = cluster.kubectl().get("node", NODE)["status"]["allocatable"]["cpu"].as_str().expect("a node has CPUs").to_owned();
    space.pod("takes", &format!("image: coracle.dev/test/cli-args:v1, args: [sleep, '3600'], resources: {{requests: {{cpu: '{whole}'}}}}"));
    space.until_ready("takes");
    pod(&space, "wants", &format!("{{requests: {{cpu: '{whole}'}}}}"), "");
    waits(&space, "wants", "1 Insufficient cpu");
    space.ok(&["delete", "pod", "takes", "--timeout=30s"]);
    runs("wants");
    // Drained: evicted pods end, and nothing new comes.
    space.ok(&["create", "deployment", "web", "--image=coracle.dev/test/cli-args:v1", "--", "cli-args", "sleep", "3600"]);
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    node(&["drain", NODE, "--force", "--timeout=60s"]);
    let pods = space.json(&["get", "pods", "-l", "app=web"]);
    let waiting = pods["items"].as_array().expect("a list has items").iter().all(|pod| pod["spec"]["nodeName"].is_null());
    assert!(waiting, "{pods:#}");
    node(&["uncordon", NODE]);
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
}
