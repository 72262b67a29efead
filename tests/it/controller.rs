//! Controllers in wasm: their definitions come with them, they watch as their own account, and lose nothing.

use serde_json::Value;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tests::{Cluster, Options, Space, eventually};

/// These tests apply and delete one plugin, and one kills the server: they have a cluster of their own and take turns.
fn cluster() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let plugins = vec!["plugin-controller", "static-site", "ttl-sweeper"];
    let images = vec!["nginx"];
    let cluster = CLUSTER.get_or_init(|| Cluster::start(Options { images, plugins, ..Options::default() }));
    (cluster, turn)
}

pub(super) const ACCOUNT: &str = "apiVersion: v1
kind: ServiceAccount
metadata: {name: widgets, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: widgets}
rules:
- {apiGroups: [test.coracle.dev], resources: [widgets, widgets/status], verbs: [get, list, watch, patch]}
- {apiGroups: [''], resources: [configmaps], verbs: [get, list, watch, create, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: widgets}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: widgets}
subjects: [{kind: ServiceAccount, name: widgets, namespace: kube-system}]
";

pub(super) const DEFINITION: &str = "
    crds:
    - apiVersion: apiextensions.k8s.io/v1
      kind: CustomResourceDefinition
      metadata: {name: widgets.test.coracle.dev}
      spec:
        group: test.coracle.dev
        scope: Namespaced
        names: {kind: Widget, plural: widgets, singular: widget}
        versions:
        - name: v1
          served: true
          storage: true
          subresources: {status: {}}
          schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}";

/// A WasmPlugin of the test's guest.
pub(super) fn manifest(name: &str, definition: &str, more: &str) -> String {
    format!(
        "apiVersion: coracle.dev/v1alpha1
kind: WasmPlugin
metadata: {{name: {name}}}
spec:
  world: controller
  path: plugin-controller.wasm
  grants: {{serviceAccount: {{namespace: kube-system, name: widgets}}}}
  controller:
    idleSeconds: 1{definition}
  {}
",
        more.replace('\n', "\n  ")
    )
}

/// Deletes the plugins when the test is over, however it ends.
struct Plugin(&'static Cluster, Vec<String>);

impl Plugin {
    fn apply(cluster: &'static Cluster, more: &str) -> Self {
        cluster.kubectl().apply(&format!("{ACCOUNT}---\n{}", manifest("widgets", DEFINITION, more)));
        Self(cluster, vec!["widgets".to_owned()])
    }

    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.0.kubectl().until("wasmplugins", &self.1[0], what, |plugin| is_so(&plugin["status"]))["status"].clone()
    }

    fn running(self) -> Self {
        self.until("run its controllers", |status| status["controller"]["phase"] == "Running");
        self
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        for name in &self.1 {
            self.0.kubectl().run(&["delete", "wasmplugin", name, "--ignore-not-found"]);
        }
    }
}

fn widget(space: &Space, name: &str, spec: &str) {
    space.apply(&format!("apiVersion: test.coracle.dev/v1\nkind: Widget\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"));
}

fn until_gone(space: &Space, kind: &str, name: &str) {
    eventually(&format!("{kind}/{name} to be gone"), || match space.ok(&["get", kind, name, "--ignore-not-found", "--output=name"]) {
        found if found.trim().is_empty() => Ok(()),
        found => Err(found),
    });
}

fn seen(widget: &Value) -> u64 {
    widget["status"]["seen"].as_u64().unwrap_or(0)
}

#[test]
fn controller_brings_its_definition_and_makes_children_that_it_owns() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-children");
    let plugin = Plugin::apply(cluster, "").running();
    widget(&space, "w", "children: 2");
    let child = space.until("configmap", "w-1", "be made", |child| child["data"]["of"] == "w");
    let owner = &child["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["name"], &owner["controller"]), (&"Widget".into(), &"w".into(), &true.into()), "{child:#}");
    // What somebody changes is changed back, by the owner reference.
    space.ok(&["patch", "configmap", "w-0", "--type=merge", "-p", r#"{"data":{"of":"nobody"}}"#]);
    space.until("configmap", "w-0", "be as it was", |child| child["data"]["of"] == "w");
    // Fewer are wanted.
    space.ok(&["patch", "widget", "w", "--type=merge", "-p", r#"{"spec":{"children":1}}"#]);
    until_gone(&space, "configmap", "w-1");
    // At rest there is no instance; the next event makes one.
    plugin.until("rest", |status| status["instances"] == 0 && status["controller"]["reconciles"].as_u64() >= Some(3));
    widget(&space, "v", "children: 1");
    space.until("configmap", "v-0", "be made", |child| child["data"]["of"] == "v");
    // The children go with their owner.
    space.ok(&["delete", "widget", "v"]);
    until_gone(&space, "configmap", "v-0");
}

#[test]
fn controller_failures_are_told_and_tried_again() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-fails");
    let plugin = Plugin::apply(cluster, "limits: {timeoutMilliseconds: 200}").running();
    widget(&space, "twice", "do: fail-twice, children: 1");
    space.until("configmap", "twice-0", "be made in the end", |child| child["data"]["of"] == "twice");
    space.until_event("twice", "ReconcileFailed", "told to fail twice");
    widget(&space, "final", "do: final");
    space.until_event("final", "ReconcileFailed", "told to give up");
    for (name, said) in [("trap", "trapped"), ("spin", "exceeded its time of 200 ms")] {
        widget(&space, name, &format!("do: {name}"));
        space.until_event(name, "ReconcileFailed", said);
    }
    // Nobody else waits for those who fail.
    widget(&space, "good", "children: 1");
    space.until("configmap", "good-0", "be made", |child| child["data"]["of"] == "good");
    // Two write the status, each when it is their time.
    plugin.until("tell of failures", |status| {
        let least = |value: &Value, count: u64| value.as_u64() >= Some(count);
        least(&status["controller"]["failures"], 5) && least(&status["traps"], 1) && least(&status["timeouts"], 1)
    });
    assert_eq!(seen(&space.get("widget", "final")), 1, "what is final is not tried again");
}

#[test]
fn controller_asks_to_be_called_again() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-again");
    let _plugin = Plugin::apply(cluster, "").running();
    widget(&space, "w", "do: again, children: 1");
    space.until("configmap", "w-0", "be made by the third call", |child| child["data"]["of"] == "w");
    assert!(seen(&space.get("widget", "w")) >= 3);
}

#[test]
fn controller_cleans_up_before_its_object_goes() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-finalizer");
    let _plugin = Plugin::apply(cluster, "config: {finalizer: test.coracle.dev/farewell}").running();
    widget(&space, "w", "hold: true");
    let held = |widget: &Value| widget["metadata"]["finalizers"][0] == "test.coracle.dev/farewell" && seen(widget) > 0;
    space.until("widget", "w", "be held by the finalizer", held);
    space.ok(&["delete", "widget", "w", "--wait=false"]);
    space.until("widget", "w", "be deleting", |widget| widget["metadata"]["deletionTimestamp"].is_string());
    space.ok(&["patch", "widget", "w", "--type=merge", "-p", r#"{"spec":{"hold":false}}"#]);
    until_gone(&space, "widget", "w");
    assert_eq!(space.get("configmap", "farewell-w")["metadata"]["name"], "farewell-w");
}

#[test]
fn controller_that_may_not_read_is_named_in_the_status() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-denied");
    let plugin = Plugin::apply(cluster, "config: {watchSecrets: true}");
    let status = plugin.until("be denied", |status| status["controller"]["phase"] == "Denied");
    let message = status["controller"]["message"].as_str().unwrap_or_default();
    assert_eq!(message, "system:serviceaccount:kube-system:widgets may not list, watch secrets");
    // A role that comes later is found.
    cluster.kubectl().ok(&["create", "clusterrole", "widget-secrets", "--verb=list,watch", "--resource=secrets"]);
    cluster.kubectl().ok(&[
        "create",
        "clusterrolebinding",
        "widget-secrets",
        "--clusterrole=widget-secrets",
        "--serviceaccount=kube-system:widgets",
    ]);
    plugin.until("run", |status| status["controller"]["phase"] == "Running");
    // What the component maps itself: a Secret concerns the Widgets that it names.
    widget(&space, "a", "children: 0");
    let before = seen(&space.until("widget", "a", "be seen", |widget| seen(widget) > 0));
    space.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {widgets: a}}\nstringData: {k: v}\n");
    space.until("widget", "a", "be seen again", |widget| seen(widget) > before);
    for kind in ["clusterrolebinding", "clusterrole"] {
        cluster.kubectl().ok(&["delete", kind, "widget-secrets"]);
    }
}

#[test]
fn controller_goes_on_after_the_server_was_killed() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-killed");
    let _plugin = Plugin::apply(cluster, "").running();
    widget(&space, "w", "children: 1");
    space.until("configmap", "w-0", "be made", |child| child["data"]["of"] == "w");
    cluster.kill9();
    cluster.spawn();
    cluster.wait_api();
    widget(&space, "v", "children: 1");
    space.until("configmap", "v-0", "be made", |child| child["data"]["of"] == "v");
    space.ok(&["delete", "configmap", "w-0"]);
    space.until("configmap", "w-0", "be made again", |child| child["data"]["of"] == "w");
}

#[test]
fn controller_that_is_replaced_under_load_loses_no_key() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-swap");
    let plugin = Plugin::apply(cluster, "config: {version: '0'}").running();
    let all: String = (0..60)
        .map(|n| format!("apiVersion: test.coracle.dev/v1\nkind: Widget\nmetadata: {{name: w{n}}}\nspec: {{children: 1}}\n---\n"))
        .collect();
    space.apply(&all);
    for version in 1..=3 {
        cluster.kubectl().apply(&manifest("widgets", DEFINITION, &format!("config: {{version: '{version}'}}")));
    }
    for n in 0..60 {
        space.until("configmap", &format!("w{n}-0"), "be made", |child| child["data"]["of"] == format!("w{n}"));
        space.until("widget", &format!("w{n}"), "be seen by the newest", |widget| widget["status"]["version"] == "3");
    }
    // A broken update keeps the old one at work.
    cluster.kubectl().ok(&["patch", "wasmplugin", "widgets", "--type=merge", "-p", r#"{"spec":{"path":"absent.wasm"}}"#]);
    plugin.until("fail to load", |status| status["message"].as_str().is_some_and(|message| message.contains("absent.wasm")));
    widget(&space, "late", "children: 1");
    space.until("configmap", "late-0", "be made", |child| child["data"]["of"] == "late");
}

#[test]
fn controller_that_declares_nonsense_is_not_run() {
    let (cluster, _turn) = cluster();
    let plugin = Plugin::apply(cluster, "config: {declare: bad}");
    let status = plugin.until("fail", |status| status["controller"]["phase"] == "Failed");
    let message = status["controller"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("it declared a controller called \"Not A Name\""), "{message}");
}

#[test]
fn a_hundred_idle_controllers_hold_no_instance() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-hundred");
    let names: Vec<String> = (0..100).map(|n| format!("idle-{n}")).collect();
    let all: Vec<String> = names.iter().map(|name| manifest(name, "", &format!("config: {{selector: 'for={name}'}}"))).collect();
    let _widgets = Plugin::apply(cluster, "config: {selector: nobody}").running();
    cluster.kubectl().apply(&all.join("---\n"));
    let plugins = Plugin(cluster, names);
    for name in &plugins.1 {
        let at_rest = |plugin: &Value| plugin["status"]["controller"]["phase"] == "Running" && plugin["status"]["instances"] == 0;
        cluster.kubectl().until("wasmplugins", name, "run and rest", at_rest);
    }
    space.apply("apiVersion: test.coracle.dev/v1\nkind: Widget\nmetadata: {name: w, labels: {for: idle-7}}\nspec: {children: 1}\n");
    space.until("configmap", "w-0", "be made by the one that it concerns", |child| child["data"]["of"] == "w");
}

#[test]
fn static_site_is_served_from_one_manifest() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-site");
    let root = tests::paths::root().join("plugins/static-site/plugin.yaml");
    let text = std::fs::read_to_string(root).expect("the manifest can be read");
    cluster.kubectl().apply(&text);
    let _plugin = Plugin(cluster, vec!["static-site".to_owned()]);
    cluster.kubectl().until("wasmplugins", "static-site", "run", |plugin| plugin["status"]["controller"]["phase"] == "Running");
    space.apply(
        "apiVersion: web.coracle.dev/v1alpha1
kind: StaticSite
metadata: {name: hello}
spec: {replicas: 2, pages: {index.html: Hello}}
",
    );
    let deployment = space.until("deployment", "hello", "be made", |deployment| deployment["spec"]["replicas"] == 2);
    assert_eq!(deployment["metadata"]["ownerReferences"][0]["kind"], "StaticSite", "{deployment:#}");
    assert_eq!(space.get("service", "hello")["spec"]["ports"][0]["port"], 80);
    assert_eq!(space.get("configmap", "hello")["data"]["index.html"], "Hello");
    space.ok(&["scale", "staticsite", "hello", "--replicas=1"]);
    space.until("deployment", "hello", "be scaled", |deployment| deployment["spec"]["replicas"] == 1);
    space.until("staticsite", "hello", "tell of it", |site| site["status"]["pages"] == 1);
    space.ok(&["delete", "staticsite", "hello"]);
    until_gone(&space, "deployment", "hello");
}

#[test]
fn ttl_sweeper_deletes_what_is_over() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("controller-ttl");
    let root = tests::paths::root().join("plugins/ttl-sweeper/plugin.yaml");
    let text = std::fs::read_to_string(root).expect("the manifest can be read");
    cluster.kubectl().apply(&text);
    let _plugin = Plugin(cluster, vec!["ttl-sweeper".to_owned()]);
    let map = |name: &str, ttl: &str| {
        space.apply(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{coracle.dev/ttl: {ttl}}}}}\n"));
    };
    map("stays", "1h");
    map("goes", "1s");
    map("wrong", "soon");
    until_gone(&space, "configmap", "goes");
    space.until_event("wrong", "ReconcileFailed", "\"soon\" is no duration");
    assert_eq!(space.get("configmap", "stays")["metadata"]["name"], "stays");
}
