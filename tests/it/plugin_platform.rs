//! What a plugin may ask of its server: the API as its own account, state, secrets, figures; each by a pod that a real server's
//! scheduler asks the plugin about.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tests::{Cluster, Options, Space};

const RBAC: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: asker, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: asker}
rules:
- {apiGroups: [''], resources: [configmaps], verbs: [get, list, create, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: asker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: asker}
subjects: [{kind: ServiceAccount, name: asker, namespace: default}]
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: default}
stringData: {value: twelve bytes}
---
apiVersion: coracle.dev/v1alpha1
kind: WasmPlugin
metadata: {name: asker}
spec:
  world: scheduler
  path: plugin-platform.wasm
  scheduler: {extensionPoints: [filter]}
  limits: {timeoutMilliseconds: 5000}
  config: {text: plain, list: [1, two]}
  grants:
    serviceAccount: {namespace: default, name: asker}
    secrets: [{name: token, namespace: default, secretName: token, key: value}]
";

/// A filter that takes and gives nothing.
const STRANGE: &str = r#"(component
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f")))
    (instance $table (export "sync" (func $f)))
    (instance $filter (export "filter" (func $f)))
    (export "coracle:plugin/node-table@1.0.0" (instance $table))
    (export "coracle:plugin/filter@1.0.0" (instance $filter)))"#;

fn cluster() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(Options { plugins: vec!["plugin-platform", "plugin-old"], ..Options::default() });
        cluster.kubectl().apply(RBAC);
        ready(&cluster);
        cluster
    });
    (cluster, turn)
}

fn ready(cluster: &Cluster) {
    cluster.kubectl().until("wasmplugins", "asker", "be loaded", |plugin| plugin["status"]["phase"] == "Ready");
}

/// What the plugin says when a pod tells it to do `what`.
fn ask(space: &Space, name: &str, what: &str, expect: &str) {
    space.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{do: {what:?}}}}}\n\
         spec: {{containers: [{{name: main, image: none.example.com/none:v1}}]}}\n"
    ));
    space.until_event(name, "FailedScheduling", expect);
    // It would be asked again.
    space.kubectl().ok(&["delete", "pod", name, "-n", space.name()]);
}

#[test]
fn the_api_answers_as_the_plugins_account_may() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("asks");
    let ns = space.name();
    ask(&space, "get", &format!("get v1 configmaps {ns} none"), "404 NotFound: configmaps \"none\" not found");
    let map = |name: &str| format!(r#"{{"metadata":{{"name":"{name}","labels":{{"of":"plugin"}}}},"data":{{"k":"v"}}}}"#);
    for name in ["one", "two", "three"] {
        ask(&space, &format!("create-{name}"), &format!("create configmaps {ns} {}", map(name)), "created");
    }
    ask(&space, "again", &format!("create configmaps {ns} {}", map("one")), "409 AlreadyExists");
    ask(&space, "cut", &format!("get v1 configmaps {ns} one data.k"), r#""data":{"k":"v"}"#);
    ask(&space, "page", &format!("list v1 configmaps {ns} of=plugin metadata.labels"), "2 true more:");
    ask(&space, "merge", &format!(r#"patch configmaps {ns} one {{"data":{{"k":"w"}}}}"#), "patched");
    assert_eq!(space.get("configmap", "one")["data"]["k"], "w");
    let applied = r#"{"apiVersion":"v1","kind":"ConfigMap","data":{"mine":"1"}}"#;
    ask(&space, "apply", &format!("apply configmaps {ns} one {applied}"), "applied");
    let managers = space.ok(&["get", "configmap", "one", "-o", "json", "--show-managed-fields"]);
    assert!(managers.contains("plugin:asker"), "{managers}");
    ask(&space, "delete", &format!("delete configmaps {ns} two"), "deleted");
    // What no role of its account allows.
    let denied =
        "403 Forbidden: secrets \"token\" is forbidden: User \"system:serviceaccount:default:asker\" cannot get resource \"secrets\"";
    ask(&space, "denied", "get v1 secrets default token", denied.split(" is forbidden").next().unwrap_or_default());
    // Other verbs, other kinds, and roads around the rules: its account has some rights, not these.
    for (name, what, expect) in [
        ("other-kind", format!("delete pods {ns} other-kind"), "403 Forbidden: pods \"other-kind\" is forbidden"),
        ("all-secrets", "list v1 secrets - - metadata.name".to_owned(), "403 Forbidden: secrets is forbidden"),
        ("creates", format!("create pods {ns} {{\"metadata\":{{\"name\":\"x\"}}}}"), "403 Forbidden: pods is forbidden"),
        ("applies", format!("apply serviceaccounts {ns} default {{}}"), "403 Forbidden: serviceaccounts \"default\" is forbidden"),
        ("bindings", "list rbac.authorization.k8s.io/v1 clusterrolebindings - -".to_owned(), "403 Forbidden: clusterrolebindings"),
        ("plugins", "get coracle.dev/v1alpha1 wasmplugins - asker".to_owned(), "403 Forbidden: wasmplugins"),
        ("path", "get v1 configmaps/../secrets default token".to_owned(), "404 NotFound: the server could not find"),
        ("query", "get v1 secrets?x=configmaps default token".to_owned(), "404 NotFound: the server could not find"),
    ] {
        ask(&space, name, &what, expect);
    }
    ask(&space, "told", &format!("event {ns} told Told by a plugin"), "told");
    space.until_event("told", "Told", "by a plugin");
}

#[test]
fn state_outlives_the_server_and_goes_with_the_plugin() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("keeps");
    ask(&space, "none", "state-get visits", "no value");
    ask(&space, "set", "state-set visits 1", "kept");
    ask(&space, "stale", "state-replace visits 7 8", "Changed");
    ask(&space, "replace", "state-replace visits 1 2", "replaced");
    ask(&space, "bad", "state-set a/b 1", "is not a key");
    ask(&space, "keys", "state-keys v", "keys visits");
    cluster.kill9();
    cluster.spawn();
    cluster.wait_ready();
    ready(cluster);
    ask(&space, "kept", "state-get visits", "value 2");
    let kept =
        cluster.kubectl().ok(&["get", "configmap", "-n", "kube-system", "coracle-plugin-asker", "-o", "jsonpath={.binaryData.visits}"]);
    assert_eq!(kept, "Mg==");
}

#[test]
fn secrets_by_reference_settings_and_figures() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("reads");
    ask(&space, "secret", "secret token", "secret of 12 bytes");
    ask(&space, "other", "secret password", "\"password\" is not in spec.grants.secrets");
    ask(&space, "text", "setting text", "plain");
    ask(&space, "list", "setting list", r#"[1,"two"]"#);
    ask(&space, "count", "count orders_total 3", "counted");
    ask(&space, "gauge", "gauge depth 7", "set");
    ask(&space, "observe", "observe wait_seconds 0.3", "observed");
    let metrics = cluster.kubectl().ok(&["get", "--raw", "/metrics"]);
    let has = |line: &str| assert!(metrics.contains(line), "{line} is not in {}", &metrics[metrics.find("coracle_plugin").unwrap_or(0)..]);
    has("# TYPE coracle_plugin_orders_total counter");
    has("coracle_plugin_depth{plugin=\"asker\",from=\"guest\"} 7");
    has("coracle_plugin_wait_seconds_bucket{plugin=\"asker\",from=\"guest\",le=\"0.25\"} 0");
    has("coracle_plugin_calls_total{plugin=\"asker\"}");
}

#[test]
fn a_component_of_an_older_contract_works_and_a_broken_update_keeps_the_old_one_serving() {
    let (cluster, _turn) = cluster();
    let space = cluster.space("older");
    let plugin = |path: &str| {
        format!(
            "apiVersion: coracle.dev/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: old}}\n\
             spec: {{world: scheduler, path: {path}, scheduler: {{extensionPoints: [filter]}}, config: {{avoid: {}}}}}\n",
            tests::NODE
        )
    };
    let pod = |name: &str| {
        space.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: main, image: none.example.com/none:v1}}]}}\n"
        ));
    };
    cluster.kubectl().apply(&plugin("plugin-old.wasm"));
    let loaded = cluster.kubectl().until("wasmplugins", "old", "be loaded", |plugin| plugin["status"]["phase"] == "Ready");
    let exports = loaded["status"]["exports"].to_string();
    assert!(exports.contains("coracle:plugin/filter@1.0.0"), "{exports}");
    pod("first");
    space.until_event("first", "FailedScheduling", "node(s) were to be avoided");

    cluster.kubectl().apply(&plugin("absent.wasm"));
    let broken = cluster.kubectl().until("wasmplugins", "old", "tell of its update", |plugin| {
        plugin["status"]["observedGeneration"] == 2 && plugin["status"]["message"].as_str().is_some_and(|m| m.contains("serves on"))
    });
    assert_eq!(broken["status"]["servingGeneration"], 1);
    let condition = |ty: &str| {
        broken["status"]["conditions"].as_array().and_then(|all| all.iter().find(|c| c["type"] == ty)).cloned().unwrap_or_default()
    };
    assert_eq!((condition("Ready")["status"].as_str(), condition("Ready")["reason"].as_str()), (Some("True"), Some("OlderGeneration")));
    assert_eq!(condition("Pulled")["status"], "False");
    pod("second");
    space.until_event("second", "FailedScheduling", "node(s) were to be avoided");

    // What compiles and has functions of other types is no better.
    std::fs::write(cluster.data().join("plugins/strange.wasm"), wat::parse_str(STRANGE).unwrap()).unwrap();
    cluster.kubectl().apply(&plugin("strange.wasm"));
    let strange = cluster.kubectl().until("wasmplugins", "old", "tell of its types", |plugin| {
        let fits = |m: &str| m.starts_with("generation 1 serves on: ") && m.contains("does not fit the interfaces of this version");
        plugin["status"]["observedGeneration"] == 3 && plugin["status"]["message"].as_str().is_some_and(fits)
    });
    assert_eq!(strange["status"]["servingGeneration"], 1);
    pod("third");
    space.until_event("third", "FailedScheduling", "node(s) were to be avoided");
    cluster.kubectl().ok(&["delete", "wasmplugin", "old"]);
}
