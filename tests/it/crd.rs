//! Custom resources with kubectl: from the definition to the end of the namespace.

use serde_json::json;
use tests::{Cluster, Space};

/// A definition in a group of the test's own, so that tests do not meet.
fn crd(group: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: crontabs.{group}
spec:
  group: {group}
  scope: Namespaced
  names:
    plural: crontabs
    kind: CronTab
    shortNames: [ct]
    categories: [all]
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: Runs an image by a schedule.
        properties:
          spec:
            type: object
            required: [cronSpec]
            x-kubernetes-validations:
            - rule: self.replicas <= 10 || self.image == 'big'
              message: only big images may have more than ten replicas
            properties:
              cronSpec:
                type: string
                description: When to run.
                pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){{4}}$'
              image:
                type: string
                default: small
              replicas:
                type: integer
                default: 1
          status:
            type: object
            properties:
              replicas: {{type: integer}}
              labelSelector: {{type: string}}
              conditions:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [type]
                items:
                  type: object
                  required: [type, status]
                  properties:
                    type: {{type: string}}
                    status: {{type: string}}
    subresources:
      status: {{}}
      scale:
        specReplicasPath: .spec.replicas
        statusReplicasPath: .status.replicas
        labelSelectorPath: .status.labelSelector
    additionalPrinterColumns:
    - {{name: Spec, type: string, jsonPath: .spec.cronSpec}}
    - {{name: Replicas, type: integer, jsonPath: .spec.replicas}}
    - {{name: Age, type: date, jsonPath: .metadata.creationTimestamp}}
    selectableFields:
    - {{jsonPath: .spec.image}}
"
    )
}

fn tab(group: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: {group}/v1\nkind: CronTab\nmetadata:\n  name: {name}\nspec: {spec}\n")
}

fn established<'c>(cluster: &'c Cluster, name: &str, group: &str) -> Space<'c> {
    let space = cluster.space(name);
    space.apply(&crd(group));
    space.ok(&["wait", "--for=condition=Established", &format!("crd/crontabs.{group}"), "--timeout=30s"]);
    space
}

#[test]
fn a_custom_resource_is_like_any_other() {
    let group = "stable.example.com";
    let space = established(Cluster::shared(), "crd", group);
    let tabs = "crontabs.stable.example.com";
    space.apply(&tab(group, "mine", "{cronSpec: '* * * * */5'}"));
    let shown = space.ok(&["get", tabs]);
    let lines: Vec<Vec<&str>> = shown.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "SPEC", "REPLICAS", "AGE"]);
    assert_eq!((lines[1][0], lines[1][6]), ("mine", "1"), "{shown}");
    assert_eq!(space.get(tabs, "mine")["spec"], json!({"cronSpec": "* * * * */5", "image": "small", "replicas": 1}));
    assert!(space.ok(&["get", "all"]).contains("crontab.stable.example.com/mine"));
    let explained = space.ok(&["explain", &format!("{tabs}.spec"), "--recursive"]);
    assert!(explained.contains("cronSpec\t<string> -required-"), "{explained}");
    assert!(space.ok(&["explain", tabs]).contains("Runs an image by a schedule."));

    // What the schema and its rules refuse, before and at the server.
    space.apply_fails(&tab(group, "bad", "{cronSpec: '* * * * *', unknown: 1}"), ".spec.unknown: field not declared in schema");
    space.apply_fails(&tab(group, "bad", "{cronSpec: daily}"), "spec.cronSpec in body should match");
    space.apply_fails(&tab(group, "bad", "{cronSpec: '* * * * *', replicas: 11}"), "only big images may have more than ten replicas");
    space.fails(&["patch", tabs, "mine", "-p", r#"{"spec":{"image":"x"}}"#, "--type=strategic"], "");

    space.ok(&["patch", tabs, "mine", "-p", r#"{"spec":{"image":"medium"}}"#, "--type=merge"]);
    let found = space.ok(&["get", tabs, "--field-selector", "spec.image=medium", "-o", "name"]);
    assert_eq!(found.trim(), "crontab.stable.example.com/mine");
    space.ok(&["scale", &format!("{tabs}/mine"), "--replicas=3"]);
    let status = r#"{"status":{"replicas":3,"labelSelector":"a=b","conditions":[{"type":"Ready","status":"True"}]}}"#;
    space.ok(&["patch", tabs, "mine", "--subresource=status", "--type=merge", "-p", status]);
    space.ok(&["wait", "--for=condition=Ready", &format!("{tabs}/mine"), "--timeout=10s"]);
    let mine = space.get(tabs, "mine");
    assert_eq!((&mine["spec"]["replicas"], &mine["status"]["replicas"]), (&json!(3), &json!(3)));
    assert_eq!(mine["metadata"]["generation"], 3);
    let server = tab(group, "mine", "{cronSpec: '1 * * * *'}");
    let said = space.kubectl().run_with(&["-n", space.name(), "apply", "--server-side", "--force-conflicts", "-f", "-"], &server, &[]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(space.get(tabs, "mine")["spec"]["cronSpec"], "1 * * * *");
    space.ok(&["delete", tabs, "mine", "--timeout=20s"]);
    space.ok(&["delete", "crd", tabs, "--timeout=30s"]);
    space.fails(&["get", tabs], "the server doesn't have a resource type");
}

#[test]
fn owners_and_namespaces_take_custom_resources_along() {
    let group = "owned.example.com";
    let cluster = Cluster::shared();
    let space = established(cluster, "crd-owned", group);
    let tabs = "crontabs.owned.example.com";
    let uid = |kind: &str, name: &str| space.get(kind, name)["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let owned = |text: &str, api_version: &str, kind: &str, owner: &str, uid: &str| {
        let owners = format!("metadata:\n  ownerReferences:\n  - {{apiVersion: {api_version}, kind: {kind}, name: {owner}, uid: {uid}}}\n");
        text.replace("metadata:\n", &owners)
    };
    let api_version = format!("{group}/v1");
    space.apply(&tab(group, "parent", "{cronSpec: '* * * * *'}"));
    // A custom resource owns a built-in one and another custom one; a built-in one owns a custom one.
    let parent = uid(tabs, "parent");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: child\n";
    space.apply(&owned(map, &api_version, "CronTab", "parent", &parent));
    space.apply(&owned(&tab(group, "child", "{cronSpec: '* * * * *'}"), &api_version, "CronTab", "parent", &parent));
    let map = uid("configmap", "child");
    space.apply(&owned(&tab(group, "grandchild", "{cronSpec: '* * * * *'}"), "v1", "ConfigMap", "child", &map));
    space.ok(&["delete", tabs, "parent", "--timeout=20s"]);
    for gone in ["configmap/child", "crontabs.owned.example.com/child", "crontabs.owned.example.com/grandchild"] {
        space.ok(&["wait", "--for=delete", gone, "--timeout=30s"]);
    }
    // A namespace ends when its custom resources have ended.
    space.apply(&tab(group, "last", "{cronSpec: '* * * * *'}"));
    let name = space.name().to_owned();
    cluster.kubectl().ok(&["delete", "namespace", &name, "--timeout=60s"]);
    cluster.kubectl().ok(&["create", "namespace", &name]);
    assert_eq!(space.json(&["get", tabs])["items"], json!([]));
    cluster.kubectl().ok(&["delete", "crd", tabs, "--timeout=30s"]);
}
