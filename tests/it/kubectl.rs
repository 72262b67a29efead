//! The everyday commands of kubectl, on pods that run.

mod change;
mod create;
mod further;
mod logs;
mod read;
mod rollout;

use tests::Space;

/// A Deployment of wasm HTTP servers; the cheapest pods that stay.
fn web(name: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: coracle.dev/test/echo-http:v1
        env:
        - {{name: VERSION, value: one}}
        readinessProbe:
          httpGet: {{path: /healthz, port: 8080}}
          periodSeconds: 1
"
    )
}

/// Applies [`web`] and waits until all replicas are available.
fn roll_out(space: &Space, name: &str, replicas: u32) {
    space.apply(&web(name, replicas));
    space.ok(&["rollout", "status", &format!("deployment/{name}"), "--timeout=60s"]);
}

/// Names, one per item, of what a selector finds.
fn names(space: &Space, kind: &str, selector: &str) -> Vec<String> {
    let list = space.json(&["get", kind, "--selector", selector]);
    let items = list["items"].as_array().expect("a list has items");
    items.iter().filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned)).collect()
}
