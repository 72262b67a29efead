//! get, describe, api-resources, explain, wait.

use super::{roll_out, web};
use tests::Cluster;

#[test]
fn get_shows_tables_as_kubernetes_does() {
    let space = Cluster::shared().space("get-tables");
    roll_out(&space, "web", 2);
    for (args, head, cell) in [
        (vec!["get", "pods"], vec!["NAME", "READY", "STATUS", "RESTARTS", "AGE"], "Running"),
        (
            vec!["get", "pods", "-o", "wide"],
            vec!["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"],
            "node-1",
        ),
        (vec!["get", "deployments"], vec!["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"], "2/2"),
        (vec!["get", "deployments", "-o", "wide"], vec!["CONTAINERS", "IMAGES", "SELECTOR"], "coracle.dev/test/echo-http:v1"),
        (vec!["get", "replicasets"], vec!["NAME", "DESIRED", "CURRENT", "READY", "AGE"], "2"),
        (vec!["get", "nodes"], vec!["NAME", "STATUS", "ROLES", "AGE", "VERSION"], "v1.37"),
        (vec!["get", "serviceaccounts"], vec!["NAME", "AGE"], "default"),
        (vec!["get", "configmaps"], vec!["NAME", "DATA", "AGE"], "kube-root-ca.crt"),
        (vec!["get", "pods", "--show-labels"], vec!["LABELS"], "pod-template-hash="),
        (vec!["get", "pods", "-L", "app"], vec!["APP"], "web"),
        (vec!["get", "events"], vec!["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"], "Scheduled"),
        (vec!["get", "namespaces"], vec!["NAME", "STATUS", "AGE"], "get-tables"),
    ] {
        let table = space.ok(&args);
        let first = table.lines().next().unwrap_or_default();
        for column in head {
            assert!(first.contains(column), "{args:?} has no column {column}: {first}");
        }
        assert!(table.lines().skip(1).any(|row| row.contains(cell)), "{args:?} does not show {cell}:\n{table}");
    }
}

#[test]
fn get_writes_yaml_json_names_and_paths() {
    let space = Cluster::shared().space("get-formats");
    space.ok(&["create", "configmap", "settings", "--from-literal=color=blue"]);
    let yaml = space.ok(&["get", "configmap", "settings", "-o", "yaml"]);
    assert!(yaml.starts_with("apiVersion: v1\ndata:\n  color: blue\nkind: ConfigMap\n"), "{yaml}");
    assert!(!yaml.contains("managedFields"), "kubectl leaves them out unless asked: {yaml}");
    let managed = space.ok(&["get", "configmap", "settings", "-o", "yaml", "--show-managed-fields"]);
    assert!(managed.contains("manager: kubectl-create") && managed.contains("f:color"), "{managed}");
    let json = space.get("configmap", "settings");
    assert_eq!(json["data"]["color"], "blue");
    assert_eq!(space.ok(&["get", "configmap", "settings", "-o", "name"]), "configmap/settings\n");
    assert_eq!(space.ok(&["get", "configmap", "settings", "-o", "jsonpath={.data.color}"]), "blue");
    assert_eq!(space.ok(&["get", "configmap", "settings", "-o", "go-template={{.data.color}}"]), "blue");
    let columns = space.ok(&["get", "configmap", "settings", "-o", "custom-columns=N:.metadata.name,C:.data.color", "--no-headers"]);
    assert_eq!(columns.split_whitespace().collect::<Vec<_>>(), ["settings", "blue"]);
}

#[test]
fn get_selects_by_labels_and_fields_and_pages() {
    let space = Cluster::shared().space("get-selects");
    for (name, color) in [("a", "red"), ("b", "blue"), ("c", "blue"), ("d", "green")] {
        space.ok(&["create", "configmap", name]);
        space.ok(&["label", "configmap", name, &format!("color={color}")]);
    }
    for (args, expect) in [
        (vec!["-l", "color=blue"], "b c"),
        (vec!["-l", "color!=blue,color"], "a d"),
        (vec!["-l", "color in (red,green)"], "a d"),
        (vec!["-l", "color notin (red,green),color"], "b c"),
        (vec!["--field-selector", "metadata.name=d"], "d"),
        (vec!["-l", "color", "--field-selector", "metadata.name!=d"], "a b c"),
        (vec!["-l", "color", "--chunk-size=1"], "a b c d"),
        (vec!["-l", "color", "--chunk-size=3", "--sort-by=.metadata.labels.color"], "b c d a"),
    ] {
        let found = space.ok(&[&["get", "configmaps", "-o", "custom-columns=N:.metadata.name", "--no-headers"], args.as_slice()].concat());
        assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), expect, "{args:?}");
    }
    space.fails(&["get", "pods", "--field-selector", "spec.nonsense=1"], "field label not supported");
    space.fails(&["get", "configmap", "absent"], "configmaps \"absent\" not found");
    assert_eq!(space.ok(&["get", "configmap", "absent", "--ignore-not-found"]), "");
}

#[test]
fn get_watch_tells_changes_as_they_come() {
    let space = Cluster::shared().space("get-watch");
    let mut watch = space.spawn(&["get", "configmaps", "--watch", "--output-watch-events", "-l", "seen=yes"]);
    space.ok(&["create", "configmap", "one"]);
    space.ok(&["label", "configmap", "one", "seen=yes"]);
    watch.line("ADDED      one");
    space.ok(&["patch", "configmap", "one", "-p", r#"{"data":{"a":"b"}}"#]);
    watch.line("MODIFIED   one");
    // It no longer fits the selector: gone for this watch, though not deleted.
    space.ok(&["label", "configmap", "one", "seen-"]);
    watch.line("DELETED    one");
}

#[test]
fn get_all_shows_the_usual_kinds() {
    let space = Cluster::shared().space("get-all");
    roll_out(&space, "web", 1);
    space.ok(&["expose", "deployment", "web", "--port=80", "--target-port=8080"]);
    let all = space.ok(&["get", "all"]);
    for part in ["pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-"] {
        assert!(all.contains(part), "no {part} in\n{all}");
    }
}

#[test]
fn describe_tells_the_story_of_an_object() {
    let space = Cluster::shared().space("describe");
    roll_out(&space, "web", 1);
    let deployment = space.ok(&["describe", "deployment", "web"]);
    for part in [
        "1 desired | 1 updated | 1 total | 1 available",
        "StrategyType:           RollingUpdate",
        "MinimumReplicasAvailable",
        "Scaled up replica set web-",
    ] {
        assert!(deployment.contains(part), "no {part:?} in\n{deployment}");
    }
    let pod = space.ok(&["describe", "pod", "-l", "app=web"]);
    for part in [
        "Status:           Running",
        "Controlled By:  ReplicaSet/web-",
        "Successfully assigned",
        "Successfully assigned describe/web-",
        "Started",
        "VERSION:  one",
        "QoS Class:",
    ] {
        assert!(pod.contains(part), "no {part:?} in\n{pod}");
    }
    let node = space.ok(&["describe", "node", "node-1"]);
    for part in ["Capacity:", "Allocatable:", "InternalIP:", "Non-terminated Pods:", "Ready", "kubernetes.io/hostname=node-1"] {
        assert!(node.contains(part), "no {part:?} in\n{node}");
    }
    space.ok(&["expose", "deployment", "web", "--port=80", "--target-port=8080"]);
    space.until("endpoints", "web", "have an address", |endpoints| endpoints["subsets"][0]["addresses"][0]["ip"].is_string());
    let service = space.ok(&["describe", "service", "web"]);
    assert!(service.contains("Type:                     ClusterIP") && service.contains(":8080"), "{service}");
}

#[test]
fn api_resources_and_versions_are_discovered() {
    let space = Cluster::shared().space("discovery");
    let resources = space.ok(&["api-resources"]);
    let row = ["configmaps", "cm", "v1", "true", "ConfigMap"];
    assert!(resources.lines().any(|line| line.split_whitespace().eq(row)), "no row {row:?} in\n{resources}");
    for kind in [
        "Namespace",
        "Node",
        "Pod",
        "Service",
        "Endpoints",
        "EndpointSlice",
        "Secret",
        "ServiceAccount",
        "Event",
        "Lease",
        "ReplicaSet",
        "Deployment",
        "RuntimeClass",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "WasmPlugin",
    ] {
        assert!(resources.lines().any(|line| line.ends_with(&format!(" {kind}"))), "no kind {kind} in\n{resources}");
    }
    let names = space.ok(&["api-resources", "--verbs=list,watch", "--namespaced=true", "-o", "name"]);
    assert!(names.lines().any(|name| name == "deployments.apps") && !names.lines().any(|name| name == "nodes"), "{names}");
    let versions = space.ok(&["api-versions"]);
    for version in [
        "apps/v1",
        "coordination.k8s.io/v1",
        "coracle.dev/v1alpha1",
        "discovery.k8s.io/v1",
        "node.k8s.io/v1",
        "rbac.authorization.k8s.io/v1",
        "v1",
    ] {
        assert!(versions.lines().any(|line| line == version), "no {version} in\n{versions}");
    }
    let version = space.ok(&["version"]);
    assert!(version.contains("Client Version: v1.37") && version.contains("Server Version: v1.37"), "{version}");
}

#[test]
fn explain_reads_the_schema() {
    let space = Cluster::shared().space("explain");
    let text = space.ok(&["explain", "deployment.spec.strategy"]);
    assert!(text.contains("GROUP:      apps") && text.contains("rollingUpdate") && text.contains("FIELDS:"), "{text}");
    space.fails(&["explain", "deployment.spec.nonsense"], "field \"nonsense\" does not exist");
}

#[test]
fn wait_returns_when_the_condition_is_met() {
    let space = Cluster::shared().space("wait");
    let mut waiting = space.spawn(&["wait", "--for=create", "deployment/web", "--timeout=60s"]);
    space.apply(&web("web", 1));
    waiting.line("deployment.apps/web condition met");
    space.ok(&["wait", "--for=condition=Available", "deployment/web", "--timeout=60s"]);
    space.ok(&["wait", "--for=condition=Ready", "pod", "-l", "app=web", "--timeout=60s"]);
    space.ok(&["wait", "--for=jsonpath={.status.readyReplicas}=1", "deployment/web", "--timeout=60s"]);
    space.fails(
        &["wait", "--for=jsonpath={.status.readyReplicas}=7", "deployment/web", "--timeout=1s"],
        "timed out waiting for the condition",
    );
    let mut gone = space.spawn(&["wait", "--for=delete", "deployment/web", "--timeout=60s"]);
    space.ok(&["delete", "deployment", "web"]);
    // It may have gone before the wait had begun; then there is nothing to tell.
    let told = gone.rest().join("\n");
    assert!(told.is_empty() || told == "deployment.apps/web condition met", "{told}");
    space.fails(&["get", "deployment", "web"], "not found");
}
