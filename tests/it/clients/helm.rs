//! helm 4 with a chart of this test.

use std::fs;
use std::path::Path;
use std::process::Command;
use tests::{Cluster, Said, Space, paths};

fn write_files(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = dir.join(name);
        fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("the chart's folder can be made");
        fs::write(file, text).expect("the chart can be written");
    }
}

fn write_chart(dir: &Path) {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: harbour\nversion: 1.0.0\n"),
        ("values.yaml", "replicas: 1\ngreeting: Ahoy\n"),
        (
            "templates/all.yaml",
            "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      containers:
      - name: web
        image: coracle.dev/test/echo-http:v1
        envFrom: [{configMapRef: {name: {{ .Release.Name }}}}]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {app: {{ .Release.Name }}}
  ports: [{port: 80, targetPort: 8080}]
",
        ),
    ];
    write_files(dir, &files);
}

fn run_helm(space: &Space, args: &[&str]) -> Said {
    let cluster = space.cluster();
    let mut command = Command::new(paths::tool("helm"));
    command.args(args).args(["--namespace", space.name(), "--kubeconfig"]).arg(cluster.kubeconfig());
    command.env("HOME", cluster.dir()).current_dir(cluster.dir());
    let output = cluster.sandbox().in_network(|| command.output()).expect("helm can be started");
    Said::from(output)
}

fn helm(space: &Space, args: &[&str]) -> String {
    let said = run_helm(space, args);
    assert_eq!(said.code, Some(0), "helm {}: {}{}\n{}", args.join(" "), said.out, said.err, space.kubectl().state());
    said.out
}

#[test]
fn helm_installs_upgrades_rolls_back_and_uninstalls() {
    let cluster = Cluster::shared();
    let space = cluster.space("helm");
    let chart = cluster.dir().join("harbour");
    write_chart(&chart);
    let chart = chart.display().to_string();
    let greeting = || space.get("configmap", "port")["data"]["greeting"].clone();
    helm(&space, &["install", "port", &chart, "--wait", "--timeout", "60s"]);
    assert_eq!(space.get("deployment", "port")["status"]["readyReplicas"], 1);
    assert_eq!(greeting(), "Ahoy");
    let list = helm(&space, &["list"]);
    assert!(list.contains("port") && list.contains("deployed") && list.contains("harbour-1.0.0"), "{list}");
    helm(&space, &["upgrade", "port", &chart, "--set", "replicas=2,greeting=Hello", "--wait", "--timeout", "60s"]);
    assert_eq!(space.get("deployment", "port")["status"]["readyReplicas"], 2);
    assert_eq!(greeting(), "Hello");
    helm(&space, &["rollback", "port", "1", "--wait", "--timeout", "60s"]);
    assert_eq!(greeting(), "Ahoy");
    let history = helm(&space, &["history", "port"]);
    assert!(history.contains("Rollback to 1"), "{history}");
    helm(&space, &["uninstall", "port", "--wait", "--timeout", "60s"]);
    space.fails(&["get", "deployment", "port"], "not found");
    space.fails(&["get", "service", "port"], "not found");
}

/// A chart with a definition, an object of it, hooks in an order, and tests.
fn write_fleet(dir: &Path) {
    write_files(
        dir,
        &[
            ("Chart.yaml", "apiVersion: v2\nname: fleet\nversion: 2.0.0\n"),
            ("values.yaml", "size: 3\n"),
            (
                "crds/ships.yaml",
                "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ships.helm.example.com}
spec:
  group: helm.example.com
  scope: Namespaced
  names: {plural: ships, kind: Ship}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, minimum: 1}}}
",
            ),
            (
                "templates/ship.yaml",
                "apiVersion: helm.example.com/v1
kind: Ship
metadata: {name: {{ .Release.Name }}}
spec: {size: {{ .Values.size }}}
",
            ),
            (
                "templates/hooks.yaml",
                "apiVersion: v1
kind: ConfigMap
metadata:
  name: first
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: \"-5\"
    helm.sh/hook-delete-policy: before-hook-creation
data: {revision: \"{{ .Release.Revision }}\"}
---
apiVersion: v1
kind: Pod
metadata:
  name: second
  annotations:
    helm.sh/hook: pre-install
    helm.sh/hook-weight: \"5\"
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: coracle.dev/examples/busybox:v1
    command: [sh, -c, 'echo found $REVISION']
    env:
    - name: REVISION
      valueFrom: {configMapKeyRef: {name: first, key: revision}}
---
apiVersion: v1
kind: Pod
metadata:
  name: afterwards
  annotations:
    helm.sh/hook: post-install
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  containers: [{name: main, image: \"coracle.dev/test/cli-args:v1\", args: [args, done]}]
",
            ),
            (
                "templates/tests/sails.yaml",
                "apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-sails
  annotations: {helm.sh/hook: test}
spec:
  restartPolicy: Never
  containers: [{name: main, image: \"coracle.dev/test/cli-args:v1\", args: [args, it, sails]}]
",
            ),
        ],
    );
}

#[test]
fn helm_knows_definitions_hooks_and_tests() {
    let cluster = Cluster::shared();
    let space = cluster.space("helm-fleet");
    let chart = cluster.dir().join("fleet");
    write_fleet(&chart);
    let chart = chart.display().to_string();
    let size = || space.get("ships.helm.example.com", "armada")["spec"]["size"].clone();
    // The definition is there before the object of it, and the hooks before both.
    helm(&space, &["install", "armada", &chart, "--wait", "--timeout", "60s"]);
    assert_eq!(size(), 3);
    assert_eq!(space.get("configmap", "first")["data"]["revision"], "1");
    assert_eq!(space.output("second"), "found 1\n", "what has less weight is there first");
    let (map, pod) = (space.get("configmap", "first"), space.get("pod", "second"));
    let made = |object: &serde_json::Value| object["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
    assert!(made(&map) <= made(&pod));
    // A hook that goes when it succeeded.
    space.ok(&["wait", "--for=delete", "pod/afterwards", "--timeout=30s"]);

    let tested = helm(&space, &["test", "armada", "--timeout", "60s", "--logs"]);
    assert!(tested.contains("Succeeded") && tested.contains("args: main args it sails"), "{tested}");

    helm(&space, &["upgrade", "armada", &chart, "--set", "size=5", "--wait", "--timeout", "60s"]);
    assert_eq!(size(), 5);
    let again = space.get("configmap", "first");
    assert_eq!(again["data"]["revision"], "2");
    assert_ne!(again["metadata"]["uid"], map["metadata"]["uid"], "deleted before it is created again");
    // What the schema refuses fails, and the release before it can be had back.
    let failed = run_helm(&space, &["upgrade", "armada", &chart, "--set", "size=0", "--wait", "--timeout", "60s"]);
    assert!(failed.code != Some(0) && failed.err.contains("should be greater than or equal to 1"), "{}{}", failed.out, failed.err);
    helm(&space, &["rollback", "armada", "1", "--wait", "--timeout", "60s"]);
    assert_eq!(size(), 3);
    let list: serde_json::Value = serde_json::from_str(&helm(&space, &["list", "--output", "json"])).expect("helm writes JSON");
    assert_eq!((&list[0]["name"], &list[0]["status"], &list[0]["chart"]), (&"armada".into(), &"deployed".into(), &"fleet-2.0.0".into()));
    helm(&space, &["uninstall", "armada", "--wait", "--timeout", "60s"]);
    space.fails(&["get", "ships.helm.example.com", "armada"], "not found");
    // Definitions and what hooks made stay.
    space.ok(&["get", "crd", "ships.helm.example.com"]);
    space.ok(&["get", "configmap", "first"]);
    space.ok(&["delete", "crd", "ships.helm.example.com", "--timeout=30s"]);
}
