//! helm 4 with a chart of this test.

use std::fs;
use std::path::Path;
use std::process::Command;
use tests::{Cluster, Space, paths};

fn write_chart(dir: &Path) {
    fs::create_dir_all(dir.join("templates")).expect("the chart's folder can be made");
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
    for (name, text) in files {
        fs::write(dir.join(name), text).expect("the chart can be written");
    }
}

fn helm(space: &Space, args: &[&str]) -> String {
    let cluster = space.cluster();
    let mut command = Command::new(paths::tool("helm"));
    command.args(args).args(["--namespace", space.name(), "--kubeconfig"]).arg(cluster.kubeconfig());
    command.env("HOME", cluster.dir()).current_dir(cluster.dir());
    let output = cluster.sandbox().in_network(|| command.output()).expect("helm can be started");
    let said = tests::Said::from(output);
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
