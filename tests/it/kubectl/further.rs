//! Less common commands, and behaviour of the API that people rely on without a command of its own.

use super::{names, roll_out};
use tests::{Cluster, condition};

#[test]
fn describe_knows_the_other_kinds() {
    let space = Cluster::shared().space("describe-others");
    roll_out(&space, "web", 1);
    space.ok(&["create", "configmap", "settings", "--from-literal=color=blue"]);
    space.ok(&["create", "secret", "generic", "key", "--from-literal=word=sesame"]);
    space.ok(&["create", "role", "reader", "--verb=get", "--resource=pods"]);
    space.ok(&["expose", "deployment", "web", "--port=80", "--target-port=8080"]);
    for (kind, name, parts) in [
        ("configmap", "settings", vec!["color:\n----\nblue"]),
        ("secret", "key", vec!["word:  6 bytes"]),
        ("serviceaccount", "default", vec!["Name:", "default"]),
        ("namespace", "describe-others", vec!["Status:       Active"]),
        ("replicaset", "", vec!["Replicas:       1 current / 1 desired", "Controlled By:  Deployment/web"]),
        ("role", "reader", vec!["pods", "[get]"]),
        ("endpointslice", "", vec!["AddressType:  IPv4", "8080"]),
        ("service", "web", vec!["Selector:", "app=web", "TargetPort:               8080/TCP"]),
    ] {
        let mut args = vec!["describe", kind];
        args.extend((!name.is_empty()).then_some(name));
        let text = space.ok(&args);
        for part in parts {
            assert!(text.contains(part), "{kind}: no {part:?} in\n{text}");
        }
    }
}

#[test]
fn events_and_cluster_info_are_found() {
    let space = Cluster::shared().space("events");
    space.pod("box", "image: coracle.dev/test/cli-args:v1");
    space.until_ended("box");
    space.until_event("box", "Started", "Container started");
    let events = space.ok(&["events", "--for=pod/box"]);
    for reason in ["Scheduled", "Pulled", "Created", "Started"] {
        assert!(events.contains(reason), "no {reason} in\n{events}");
    }
    let warnings = space.run(&["events", "--types=Warning"]);
    assert!(warnings.err.contains("No events found"), "{warnings:?}");
    let info = space.ok(&["cluster-info"]);
    assert!(info.contains("control plane") && info.contains("https://127.0.0.1:6443"), "{info}");
    assert!(space.ok(&["get", "--raw", "/readyz?verbose"]).contains("ok"));
}

#[test]
fn delete_by_force_does_not_wait_for_the_pod() {
    let space = Cluster::shared().space("force");
    space.apply(
        "apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec:
  terminationGracePeriodSeconds: 600
  containers: [{name: main, image: coracle.dev/examples/busybox:v1, command: [sh, -c, \"trap '' TERM; while true; do sleep 0.1; done\"]}]
",
    );
    let uid = space.until_ready("stubborn")["metadata"]["uid"].as_str().expect("a pod has a UID").to_owned();
    space.ok(&["delete", "pod", "stubborn", "--force", "--grace-period=0", "--timeout=20s"]);
    space.fails(&["get", "pod", "stubborn"], "not found");
    // What it left behind is killed all the same.
    tests::eventually("its processes to end", || {
        let said = space
            .cluster()
            .on_node("sh", &["-c", &format!("find /sys/fs/cgroup -path '*coracle/pod{uid}/*' -name cgroup.procs -exec cat {{}} +")]);
        if said.out.is_empty() { Ok(()) } else { Err(said.out) }
    });
}

#[test]
fn finalizers_hold_an_object_until_they_are_gone() {
    let space = Cluster::shared().space("finalizers");
    space.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.com/hold]}\n");
    space.ok(&["delete", "configmap", "held", "--wait=false"]);
    let held = space.get("configmap", "held");
    assert!(held["metadata"]["deletionTimestamp"].is_string(), "{held:#}");
    space.fails(
        &["patch", "configmap", "held", "--type=merge", "-p", r#"{"metadata":{"finalizers":["example.com/hold","example.com/more"]}}"#],
        "no new finalizers can be added",
    );
    space.ok(&["patch", "configmap", "held", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    space.fails(&["get", "configmap", "held"], "not found");
}

#[test]
fn owners_take_what_they_own_with_them() {
    let space = Cluster::shared().space("owners");
    space.ok(&["create", "configmap", "owner"]);
    let uid = space.get("configmap", "owner")["metadata"]["uid"].as_str().expect("an object has a UID").to_owned();
    for (name, owner) in [("owned", uid.as_str()), ("stray", "00000000-0000-0000-0000-000000000000")] {
        space.apply(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {owner}}}]\n"
        ));
    }
    // Its owner is not the one of that name: it goes by itself.
    space.ok(&["wait", "--for=delete", "secret/stray", "--timeout=60s"]);
    assert_eq!(space.get("secret", "owned")["metadata"]["name"], "owned");
    space.ok(&["delete", "configmap", "owner"]);
    space.ok(&["wait", "--for=delete", "secret/owned", "--timeout=60s"]);
}

#[test]
fn names_are_generated_and_fields_converted() {
    let space = Cluster::shared().space("generated");
    let create = |yaml: &str| {
        let said = space.kubectl().run_with(&["create", "-f", "-", "-o", "name"], yaml, &[]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out.trim().to_owned()
    };
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: ship-}\n";
    let (one, two) = (create(map), create(map));
    assert!(one.starts_with("configmap/ship-") && one.len() == "configmap/ship-".len() + 5 && one != two, "{one} {two}");
    create("apiVersion: v1\nkind: Secret\nmetadata: {name: text}\nstringData: {word: sesame}\n");
    let secret = space.get("secret", "text");
    assert_eq!(secret["data"]["word"], "c2VzYW1l");
    assert!(secret["stringData"].is_null(), "{secret:#}");
}

#[test]
fn a_replica_set_heals_and_adopts() {
    let space = Cluster::shared().space("heals");
    roll_out(&space, "web", 2);
    let before = names(&space, "pods", "app=web");
    space.ok(&["delete", "pod", &before[0], "--timeout=30s"]);
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let after = names(&space, "pods", "app=web");
    assert!(after.len() == 2 && !after.contains(&before[0]) && after.contains(&before[1]), "{before:?} {after:?}");
    // A pod that is taken out of the selector is replaced and lives on by itself.
    space.ok(&["label", "pod", &after[0], "app=other", "--overwrite"]);
    space.until("pods", &after[0], "be let go", |pod| pod["metadata"]["ownerReferences"].is_null());
    space.ok(&["wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/web", "--timeout=60s"]);
    assert_eq!(condition(&space.get("pod", &after[0]), "Ready"), Some("True"));
    assert_eq!(names(&space, "pods", "app=web").len(), 2);
}

#[test]
fn a_failed_pod_of_a_replica_set_is_replaced_when_its_node_evicts_it() {
    let space = Cluster::shared().space("evicted");
    roll_out(&space, "web", 1);
    let pod = names(&space, "pods", "app=web").remove(0);
    let body = format!(r#"{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{pod}","namespace":"evicted"}}}}"#);
    let said =
        space.kubectl().run_with(&["create", "--raw", &format!("/api/v1/namespaces/evicted/pods/{pod}/eviction"), "-f", "-"], &body, &[]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    space.ok(&["wait", "--for=delete", &format!("pod/{pod}"), "--timeout=60s"]);
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert_ne!(names(&space, "pods", "app=web"), [pod]);
}

#[test]
fn deadlines_end_pods() {
    let space = Cluster::shared().space("deadlines");
    space.pod_with("late", "image: coracle.dev/test/cli-args:v1, args: [sleep, '3600']", "restartPolicy: Never\nactiveDeadlineSeconds: 1");
    let pod = space.until_ended("late");
    assert_eq!(
        (pod["status"]["phase"].as_str(), pod["status"]["reason"].as_str()),
        (Some("Failed"), Some("DeadlineExceeded")),
        "{:#}",
        pod["status"]
    );
    assert!(pod["status"]["message"].as_str().is_some_and(|message| message.contains("active")), "{:#}", pod["status"]);
}
