//! Garbage collection between owners that are pods and ReplicaSets, and what a namespace takes along.

use tests::{Cluster, Space};

const IMAGE: &str = "image: coracle.dev/test/cli-args:v1, args: [sleep, '3600']";

fn uid(space: &Space, kind: &str, name: &str) -> String {
    space.get(kind, name)["metadata"]["uid"].as_str().expect("an object has a UID").to_owned()
}

fn own(space: &Space, pod: &str, kind: &str, api_version: &str, owner: &str) {
    let reference = serde_json::json!({"apiVersion": api_version, "kind": kind, "name": owner, "uid": uid(space, kind, owner),
        "controller": true, "blockOwnerDeletion": true});
    let patch = serde_json::json!({"metadata": {"ownerReferences": [reference]}});
    space.ok(&["patch", "pod", pod, "--patch", &patch.to_string()]);
}

#[test]
fn a_cycle_of_owners_blocks_nothing() {
    let space = Cluster::shared().space("owner-cycle");
    for name in ["pod1", "pod2", "pod3"] {
        space.pod(name, IMAGE);
    }
    for (name, owner) in [("pod1", "pod3"), ("pod2", "pod1"), ("pod3", "pod2")] {
        own(&space, name, "Pod", "v1", owner);
    }
    space.ok(&["delete", "pod", "pod1", "--cascade=foreground", "--timeout=60s"]);
    for name in ["pod2", "pod3"] {
        space.ok(&["wait", "--for=delete", &format!("pod/{name}"), "--timeout=60s"]);
    }
}

fn set(name: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1
kind: ReplicaSet
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{set: {name}}}}}
  template:
    metadata: {{labels: {{set: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: main, {IMAGE}}}]
"
    )
}

fn pods(space: &Space, selector: &str) -> Vec<serde_json::Value> {
    space.json(&["get", "pods", "--selector", selector])["items"].as_array().cloned().unwrap_or_default()
}

/// Upstream's entry has ReplicationControllers in these parts.
#[test]
fn a_second_owner_that_stays_keeps_what_both_own() {
    let space = Cluster::shared().space("two-owners");
    space.apply(&set("to-be-deleted", 4));
    space.apply(&set("stays", 0));
    space.until("replicaset", "to-be-deleted", "have its pods", |set| set["status"]["replicas"] == 4);
    let names: Vec<String> =
        pods(&space, "set=to-be-deleted").iter().filter_map(|p| p["metadata"]["name"].as_str().map(str::to_owned)).collect();
    assert_eq!(names.len(), 4);
    let second = uid(&space, "ReplicaSet", "stays");
    let kept = &names[..2];
    for pod in kept {
        let add = serde_json::json!([{"op": "add", "path": "/metadata/ownerReferences/-",
            "value": {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "stays", "uid": second}}]);
        space.ok(&["patch", "pod", pod, "--type=json", "--patch", &add.to_string()]);
    }
    space.ok(&["delete", "replicaset", "to-be-deleted", "--cascade=foreground", "--timeout=60s"]);
    let left = pods(&space, "set=to-be-deleted");
    let mut found: Vec<&str> = left.iter().filter_map(|p| p["metadata"]["name"].as_str()).collect();
    found.sort_unstable();
    let mut expect: Vec<&str> = kept.iter().map(String::as_str).collect();
    expect.sort_unstable();
    assert_eq!(found, expect);
    for pod in &left {
        assert!(pod["metadata"]["deletionTimestamp"].is_null(), "{pod:#}");
        let owners = pod["metadata"]["ownerReferences"].as_array().expect("an owner is left");
        assert!(owners.iter().any(|o| o["uid"] == second.as_str()), "{pod:#}");
    }
}

#[test]
fn a_set_in_the_foreground_goes_after_its_pods() {
    let space = Cluster::shared().space("foreground");
    space.apply(&set("web", 3));
    space.until("replicaset", "web", "have its pods", |set| set["status"]["replicas"] == 3);
    space.ok(&["delete", "replicaset", "web", "--cascade=foreground", "--timeout=60s"]);
    assert!(pods(&space, "set=web").is_empty());
    space.apply(&set("orphans", 2));
    space.until("replicaset", "orphans", "have its pods", |set| set["status"]["replicas"] == 2);
    space.ok(&["delete", "replicaset", "orphans", "--cascade=orphan", "--timeout=60s"]);
    let left = pods(&space, "set=orphans");
    assert_eq!(left.len(), 2);
    for pod in left {
        assert!(pod["metadata"]["ownerReferences"].is_null() && pod["metadata"]["deletionTimestamp"].is_null(), "{pod:#}");
    }
    space.apply(&set("background", 2));
    space.until("replicaset", "background", "have its pods", |set| set["status"]["replicas"] == 2);
    space.ok(&["delete", "replicaset", "background", "--cascade=background"]);
    space.ok(&["wait", "--for=delete", "pod", "-l", "set=background", "--timeout=60s"]);
}

#[test]
fn a_namespace_takes_its_pods_and_services_along() {
    let cluster = Cluster::shared();
    let space = cluster.space("nsdeletetest");
    space.pod("test-pod", IMAGE);
    space.until("pods", "test-pod", "run", |pod| pod["status"]["phase"] == "Running");
    space.ok(&["create", "service", "clusterip", "test-service", "--tcp=80"]);
    cluster.kubectl().ok(&["delete", "namespace", "nsdeletetest", "--timeout=60s"]);
    let again = cluster.space("nsdeletetest");
    again.fails(&["get", "pod", "test-pod"], "not found");
    again.fails(&["get", "service", "test-service"], "not found");
}
