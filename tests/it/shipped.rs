//! The plugins that come with Coracle, each by its own manifest.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tests::{Cluster, Options, Space, paths};

/// They are asked about everything, so these tests have a cluster of their own and take turns.
fn cluster() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let plugins = vec!["required-labels", "image-registries", "resource-defaults", "deny-privileged", "image-locality", "node-cost"];
    let cluster = CLUSTER.get_or_init(|| Cluster::start(Options { images: vec!["cli-args"], plugins, ..Options::default() }));
    (cluster, turn)
}

/// Deletes the plugin when the test is over, however it ends.
struct Plugin(&'static Cluster, &'static str);

impl Plugin {
    fn load(cluster: &'static Cluster, name: &'static str) -> Self {
        let file = paths::root().join("plugins").join(name).join("wasmplugin.yaml");
        cluster.kubectl().apply(&std::fs::read_to_string(file).expect("a plugin has a manifest"));
        let plugin = Self(cluster, name);
        plugin.until("be loaded", |status| status["phase"] == "Ready");
        plugin
    }

    fn until(&self, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
        self.0.kubectl().until("wasmplugins", self.1, what, |plugin| is_so(&plugin["status"]));
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        self.0.kubectl().run(&["delete", "wasmplugin", self.1, "--ignore-not-found"]);
    }
}

fn deployment(labels: &str, pod: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: shop, labels: {{{labels}}}}}\nspec:\n  replicas: 0\n  \
         selector: {{matchLabels: {{app: shop}}}}\n  template:\n    metadata: {{labels: {{app: shop}}}}\n    spec: {{{pod}}}\n"
    )
}

const CLI: &str = "{name: main, image: 'coracle.dev/test/cli-args:v1', args: [args]}";

fn pod(space: &Space, name: &str, annotations: &str) {
    space.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\nspec: {{restartPolicy: Never, containers: [{CLI}]}}\n"
    ));
}

#[test]
fn shipped_required_labels() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("shipped-labels");
    let _plugin = Plugin::load(cluster, "required-labels");
    let shop = |labels: &str| deployment(labels, &format!("containers: [{CLI}]"));
    space.apply_fails(&shop("a: b"), "the label example.com/team is required, the label example.com/tier is required; see the handbook");
    space.apply_fails(&shop("example.com/team: a, example.com/tier: gold"), "\"gold\", which is none of web, db");
    space.apply(&shop("example.com/team: a, example.com/tier: web"));
    space.fails(&["label", "deployment", "shop", "example.com/team-"], "the label example.com/team is required");
}

#[test]
fn shipped_image_registries() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("shipped-registries");
    space.apply(&deployment("a: b", "containers: [{name: old, image: 'ghcr.io/old/app'}]"));
    let _plugin = Plugin::load(cluster, "image-registries");
    space.fails(
        &["run", "evil", "--image=ghcr.io/evil/app"],
        "comes from ghcr.io/evil/app; allowed: coracle.dev, docker.io/library, *.example.com",
    );
    space.ok(&["create", "deployment", "web", "--image=nginx:1.27", "--replicas=0"]);
    space.fails(&["set", "image", "deployment/web", "nginx=docker.io/evil/app"], "comes from docker.io/evil/app");
    space.fails(&["create", "cronjob", "tick", "--image=quay.io/a/b", "--schedule=@daily"], "comes from quay.io/a/b");
    // What was there before may be changed otherwise.
    space.ok(&["label", "deployment", "shop", "c=d"]);
}

#[test]
fn shipped_resource_defaults() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("shipped-defaults");
    let _plugin = Plugin::load(cluster, "resource-defaults");
    pod(&space, "plain", "");
    let resources = &space.get("pod", "plain")["spec"]["containers"][0]["resources"];
    let expect = serde_json::json!({"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}});
    assert_eq!(*resources, expect);
    assert_eq!(space.until_ended("plain")["status"]["phase"], "Succeeded");
    let asks = CLI.replace("args: [args]", "resources: {requests: {cpu: 10m, memory: 256Mi}}, args: [args]");
    space.apply(&format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: asks}}\nspec: {{restartPolicy: Never, containers: [{asks}]}}\n"));
    let resources = &space.get("pod", "asks")["spec"]["containers"][0]["resources"];
    let expect = serde_json::json!({"requests": {"cpu": "10m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}});
    assert_eq!(*resources, expect);
}

#[test]
fn shipped_deny_privileged() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("shipped-privileged");
    let _plugin = Plugin::load(cluster, "deny-privileged");
    let bad = format!("hostNetwork: true, containers: [{}]", CLI.replace("args: [args]", "securityContext: {privileged: true}"));
    let told =
        "spec.template.spec.hostNetwork gives it a namespace of the node; spec.template.spec.containers[0].securityContext.privileged";
    space.apply_fails(&deployment("a: b", &bad), told);
    space.apply_fails(
        &format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: bad}}\nspec: {{{bad}}}\n"),
        "spec.hostNetwork gives it a namespace of the node",
    );
    pod(&space, "good", "");
    assert_eq!(space.until_ended("good")["status"]["phase"], "Succeeded");
    // A template may be let in with a warning; its pods are not.
    let warn = r#"{"spec":{"config":{"templates":"warn"}}}"#;
    cluster.kubectl().ok(&["patch", "wasmplugin", "deny-privileged", "--type=merge", "-p", warn]);
    cluster.kubectl().until("wasmplugins", "deny-privileged", "serve its new settings", |plugin| {
        plugin["status"]["phase"] == "Ready" && plugin["status"]["observedGeneration"] == plugin["metadata"]["generation"]
    });
    space.apply(&deployment("a: b", &bad));
}

#[test]
fn shipped_node_cost() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("shipped-cost");
    let _plugin = Plugin::load(cluster, "node-cost");
    cluster.kubectl().ok(&["label", "node", tests::NODE, "coracle.dev/cost=0.5"]);
    pod(&space, "any", "");
    assert_eq!(space.until_ended("any")["status"]["phase"], "Succeeded");
    pod(&space, "frugal", "coracle.dev/max-cost: '0.1'");
    let message = space.until_event("frugal", "FailedScheduling", "cost more than the pod may");
    assert!(message.starts_with("0/1 nodes are available: 1 node(s) cost more than the pod may."), "{message}");
    cluster.kubectl().ok(&["label", "--overwrite", "node", tests::NODE, "coracle.dev/cost=0.05"]);
    let ended = space.until_ended("frugal");
    cluster.kubectl().ok(&["label", "node", tests::NODE, "coracle.dev/cost-"]);
    assert_eq!(ended["status"]["phase"], "Succeeded");
}

/// With one node there is nothing to prefer: nodes that only stand in the table make it choose.
#[test]
fn shipped_image_locality() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("shipped-locality");
    let plugin = Plugin::load(cluster, "image-locality");
    for (name, images) in [("far", "[]"), ("near", "[{\"names\": [\"example.com/big:v1\"], \"sizeBytes\": 900000000}]")] {
        cluster.kubectl().apply(&format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{fake: \"true\"}}}}\n"));
        let status = format!(
            "{{\"status\": {{\"images\": {images}, \"allocatable\": {{\"cpu\": \"4\", \"memory\": \"8Gi\", \"pods\": \"110\"}}, \
             \"capacity\": {{\"cpu\": \"4\", \"memory\": \"8Gi\", \"pods\": \"110\"}}, \"conditions\": [{{\"type\": \"Ready\", \"status\": \"True\"}}]}}}}"
        );
        cluster.kubectl().ok(&["patch", "node", name, "--subresource=status", "--type=merge", "-p", &status]);
    }
    space.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: big}\nspec:\n  nodeSelector: {fake: \"true\"}\n  \
         tolerations: [{operator: Exists}]\n  containers: [{name: main, image: 'example.com/big:v1'}]\n",
    );
    let bound = space.until("pods", "big", "be bound", |pod| pod["spec"]["nodeName"].is_string());
    cluster.kubectl().ok(&["delete", "node", "far", "near"]);
    assert_eq!(bound["spec"]["nodeName"], "near");
    plugin.until("be called", |status| status["calls"].as_i64() >= Some(1));
}
