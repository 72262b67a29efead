//! Admission plugins in wasm: what kubectl is told of them, how they are changed while they work, and what the audit reports.

use serde_json::Value;
use std::sync::OnceLock;
use tests::{Cluster, Options, Said, Space};

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(Options { plugins: vec!["plugin-admission", "plugin-lookup"], ..Options::default() }))
}

/// A plugin that is asked about config maps of one namespace. It goes when the test is over, however that ends.
struct Plugin<'s>(&'s Space<'static>, &'static str);

impl<'s> Plugin<'s> {
    fn apply(space: &'s Space<'static>, name: &'static str, spec: &str, admission: &str) -> Self {
        space.cluster().kubectl().apply(&manifest(space, name, spec, admission));
        Self(space, name)
    }

    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let found = self.0.cluster().kubectl().until("wasmplugins", self.1, what, |p| {
            let seen = p["status"]["observedGeneration"] == p["metadata"]["generation"];
            seen && p["status"]["phase"] != "Loading" && is_so(&p["status"])
        });
        found["status"].clone()
    }

    fn ready(self) -> Self {
        self.until("be loaded", |status| status["phase"] == "Ready");
        self
    }
}

impl Drop for Plugin<'_> {
    fn drop(&mut self) {
        self.0.cluster().kubectl().run(&["delete", "wasmplugin", self.1, "--ignore-not-found"]);
    }
}

fn rules(space: &Space<'_>) -> String {
    format!(
        "rules: [{{operations: [CREATE, UPDATE], apiGroups: [''], apiVersions: [v1], resources: [configmaps]}}]
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {}}}}}",
        space.name()
    )
}

fn manifest(space: &Space<'_>, name: &str, spec: &str, admission: &str) -> String {
    format!(
        "apiVersion: coracle.dev/v1alpha1
kind: WasmPlugin
metadata: {{name: {name}}}
spec:
  world: admission
  path: plugin-admission.wasm
  {spec}
  admission:
    {}
    {admission}
",
        rules(space)
    )
}

/// A config map that tells the plugin what to do.
fn map(space: &Space<'_>, name: &str, told: &str) -> Said {
    let yaml = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{do: {told}}}\n");
    space.kubectl().run_with(&["apply", "--server-side", "--filename", "-"], &yaml, &[])
}

#[track_caller]
fn refused(said: &Said, part: &str) {
    assert_ne!(said.code, Some(0), "this was expected to be refused: {}", said.out);
    assert!(said.err.contains(part), "the refusal should contain {part:?}; it is {}", said.err);
}

#[track_caller]
fn passed(said: &Said, warning: &str) {
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains(warning), "a warning should contain {warning:?}; it is {}", said.err);
}

#[test]
fn admission_plugin_judges_and_changes() {
    let space = cluster().space("admission-judges");
    let plugin = Plugin::apply(&space, "judge", "config: {message: not on a Friday}", "").ready();
    refused(&map(&space, "a", "deny"), "Error from server (Forbidden): admission plugin \"judge\" denied the request: not on a Friday");
    refused(&map(&space, "a", "invalid"), "The request is invalid: data.do: it says so");
    passed(&map(&space, "warned", "warn"), "Warning: told to warn");
    passed(&map(&space, "patched", "patch"), "");
    assert_eq!(space.get("configmap", "patched")["data"]["patched"], "yes");
    passed(&map(&space, "whole", "whole"), "");
    assert_eq!(space.get("configmap", "whole")["data"]["do"], "replaced");
    // What exists is judged when it changes; what is read or deleted is not this plugin's business.
    let change = ["patch", "configmap", "warned", "--type=merge", "-p", r#"{"data":{"do":"deny"}}"#];
    space.fails(&change, "admission plugin \"judge\" denied the request: not on a Friday");
    space.ok(&["delete", "configmap", "warned"]);
    // A dry run is judged as well.
    space.fails(&["create", "configmap", "dry", "--from-literal=do=deny", "--dry-run=server"], "denied the request");
    // Another namespace is not its business.
    let other = cluster().space("admission-other");
    passed(&map(&other, "a", "deny"), "");
    plugin.until("count", |status| status["calls"].as_i64() > Some(5));
}

#[test]
fn admission_plugin_that_fails_refuses_or_is_ignored() {
    let space = cluster().space("admission-fails");
    let plugin = Plugin::apply(&space, "broken", "limits: {timeoutMilliseconds: 300}", "").ready();
    refused(&map(&space, "a", "trap"), "Internal error occurred: failed calling admission plugin \"broken\": plugin broken trapped");
    refused(&map(&space, "a", "spin"), "failed calling admission plugin \"broken\": plugin broken exceeded its time of 300 ms");
    refused(&map(&space, "a", "err"), "plugin broken failed: told to fail");
    passed(&map(&space, "fine", "nothing"), "");
    let status = plugin.until("be counted", |status| status["traps"].as_i64() >= Some(1) && status["timeouts"].as_i64() >= Some(1));
    assert_eq!(status["phase"], "Ready", "it goes on with a fresh instance");
    cluster().kubectl().ok(&["patch", "wasmplugin", "broken", "--type=merge", "-p", r#"{"spec":{"failurePolicy":"Ignore"}}"#]);
    plugin.until("be loaded again", |status| status["phase"] == "Ready");
    passed(&map(&space, "a", "trap"), "Warning: failed calling admission plugin \"broken\": plugin broken trapped");
}

#[test]
fn admission_plugin_is_in_force_before_it_is_loaded() {
    let space = cluster().space("admission-missing");
    let missing = manifest(&space, "missing", "", "").replace("plugin-admission.wasm", "no-such-file.wasm");
    cluster().kubectl().apply(&missing);
    let _plugin = Plugin(&space, "missing");
    refused(&map(&space, "a", "nothing"), "failed calling admission plugin \"missing\": plugin missing failed: it is not loaded");
    cluster().kubectl().ok(&["patch", "wasmplugin", "missing", "--type=merge", "-p", r#"{"spec":{"path":"plugin-admission.wasm"}}"#]);
    cluster().kubectl().until("wasmplugins", "missing", "be loaded", |p| p["status"]["phase"] == "Ready");
    passed(&map(&space, "a", "nothing"), "");
}

#[test]
fn admission_plugin_looks_others_up_as_its_own_account() {
    let space = cluster().space("admission-lookup");
    let ns = space.name();
    let account = format!("grants: {{serviceAccount: {{namespace: {ns}, name: default}}}}");
    let lookup = |how: &str| {
        let spec = format!("config: {{lookup: {how}}}\n  {account}");
        cluster().kubectl().apply(&manifest(&space, "lookup", &spec, "").replace("plugin-admission.wasm", "plugin-lookup.wasm"));
    };
    lookup("get");
    let plugin = Plugin(&space, "lookup").ready();
    let own = format!("shop.{ns}");
    refused(&map(&space, &own, "nothing"), &format!("cannot look {ns} up: namespaces \"{ns}\" is forbidden"));
    space.apply(&format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {ns}}}\n\
         rules: [{{apiGroups: [''], resources: [namespaces], verbs: [get, list]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {ns}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {ns}}}\n\
         subjects: [{{kind: ServiceAccount, name: default, namespace: {ns}}}]\n"
    ));
    passed(&map(&space, &own, "nothing"), "");
    refused(&map(&space, "shop.nobody", "nothing"), "there is no tenant nobody");
    lookup("list");
    plugin.until("look by label", |status| status["servingGeneration"] == status["observedGeneration"]);
    refused(&map(&space, "labelled.a", "nothing"), "there is no tenant a");
    space.ok(&["label", "namespace", ns, "tenant=a"]);
    passed(&map(&space, "labelled.a", "nothing"), "");
    space.ok(&["delete", "clusterrole,clusterrolebinding", ns]);
}

#[test]
fn admission_plugin_is_swapped_while_it_works() {
    let space = cluster().space("admission-swap");
    let plugin = Plugin::apply(&space, "swap", "config: {message: first}", "").ready();
    refused(&map(&space, "a", "deny"), "denied the request: first");
    cluster().kubectl().apply(&manifest(&space, "swap", "config: {message: second}", ""));
    plugin.until("be swapped", |status| status["servingGeneration"] == status["observedGeneration"]);
    refused(&map(&space, "a", "deny"), "denied the request: second");
    // Settings that it refuses leave the old ones in force, and the status says why.
    cluster().kubectl().apply(&manifest(&space, "swap", "config: {message: third, bad: true}", ""));
    let status = plugin.until("be refused", |status| status["message"].as_str().is_some_and(|m| m.contains("it is no setting")));
    assert!(status["message"].as_str().is_some_and(|m| m.contains("spec.config: bad: it is no setting of this plugin")), "{status:#}");
    refused(&map(&space, "a", "deny"), "denied the request: second");
}

#[test]
fn admission_plugin_with_bad_settings_or_rules() {
    let space = cluster().space("admission-settings");
    let plugin = Plugin::apply(&space, "unset", "config: {bad: 1}", "");
    let status = plugin.until("fail", |status| status["phase"] == "Failed");
    assert!(status["message"].as_str().is_some_and(|m| m.contains("message: it is missing")), "{status:#}");
    refused(&map(&space, "a", "nothing"), "it is not loaded");
    let kubectl = cluster().kubectl();
    let bad = manifest(&space, "never", "", "mode: Maybe").replace("[CREATE, UPDATE]", "[READ]");
    let told = kubectl.apply_fails(&bad, "The WasmPlugin \"never\" is invalid");
    assert!(told.contains("spec.admission.rules[0].operations[0]: Unsupported value: \"READ\""), "{told}");
    assert!(told.contains("spec.admission.mode: Unsupported value: \"Maybe\""), "{told}");
}

#[test]
fn admission_modes_warn_and_note() {
    let space = cluster().space("admission-modes");
    let plugin = Plugin::apply(&space, "mild", "", "mode: Warn").ready();
    passed(&map(&space, "a", "deny"), "Warning: admission plugin \"mild\" would have denied the request: told to deny");
    cluster().kubectl().ok(&["patch", "wasmplugin", "mild", "--type=merge", "-p", r#"{"spec":{"admission":{"mode":"Audit"}}}"#]);
    plugin.until("be loaded again", |status| status["phase"] == "Ready");
    let said = map(&space, "b", "deny");
    passed(&said, "");
    assert!(!said.err.contains("Warning"), "{}", said.err);
    space.until_event("b", "PolicyViolation", "admission plugin \"mild\" would have denied the request: told to deny");
}

#[test]
fn admission_policies_decide_together() {
    let space = cluster().space("admission-group");
    // Without rules of its own it serves groups only.
    let member = manifest(&space, "member", "", "").replace(&rules(&space), "rules: []");
    cluster().kubectl().apply(&member);
    let _member = Plugin(&space, "member").ready();
    let group = format!(
        "apiVersion: coracle.dev/v1alpha1
kind: PolicyGroup
metadata: {{name: either}}
spec:
    policies: {{first: {{plugin: member}}, second: {{plugin: member}}}}
    expression: first() || !second()
    message: neither would do
    {}
",
        rules(&space)
    );
    let refusal = "spec.expression: Invalid value: \"third()\": column 1: there is no policy \"third\"";
    cluster()
        .kubectl()
        .apply_fails(&group.replace("first() ||", "third() ||").replace(" !second()", "").replace("third() ||", "third()"), refusal);
    cluster().kubectl().apply(&group);
    passed(&map(&space, "a", "nothing"), "");
    passed(&map(&space, "b", "deny"), "");
    let only = group.replace("first() || !second()", "first() && second()");
    cluster().kubectl().apply(&only);
    let said = map(&space, "c", "deny");
    cluster().kubectl().ok(&["delete", "policygroup", "either"]);
    refused(&said, "admission policy group \"either\" denied the request: neither would do");
}

#[test]
fn admission_audit_reports_what_is_there() {
    let space = cluster().space("admission-audit");
    passed(&map(&space, "good", "nothing"), "");
    passed(&map(&space, "bad", "deny"), "");
    let _plugin = Plugin::apply(&space, "auditor", "", "backgroundAudit: true\n    severity: high").ready();
    let kubectl = cluster().kubectl();
    kubectl.until("customresourcedefinitions", "policyreports.wgpolicyk8s.io", "exist", |crd| !crd.is_null());
    let uid = space.get("configmap", "bad")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let report = space.until("policyreports", &uid, "be written", |report| !report.is_null());
    assert_eq!(report["results"][0]["message"], "told to deny; data.do: it says so", "{report:#}");
    assert_eq!((&report["results"][0]["policy"], &report["results"][0]["severity"]), (&"auditor".into(), &"high".into()));
    let listed = space.ok(&["get", "polr", "--output", "wide"]);
    let row = listed.lines().find(|line| line.starts_with(&uid)).unwrap_or_default();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells.get(1..8), Some(["ConfigMap", "bad", "0", "1", "0", "0", "0"].as_slice()), "{listed}");
    // It ends with its object.
    space.ok(&["delete", "configmap", "bad"]);
    tests::eventually("its report goes", || match space.run(&["get", "polr", &uid]) {
        said if said.err.contains("NotFound") => Ok(()),
        said => Err(format!("{}{}", said.out, said.err)),
    });
}
