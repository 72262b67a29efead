//! A Kubernetes namespace of one test, and what tests say about the pods in it.

use crate::cluster::condition;
use crate::{Cluster, Kubectl, Program, Said};
use serde_json::Value;

/// Deleted, without waiting for it, when the test is over.
pub struct Space<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Space<'a> {
    pub(crate) fn new(cluster: &'a Cluster, name: &str) -> Self {
        cluster.kubectl().ok(&["create", "namespace", name]);
        let space = Self { cluster, name: name.to_owned() };
        space.until("serviceaccounts", "default", "exist", |account| !account.is_null());
        space
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    pub fn kubectl(&self) -> Kubectl<'_> {
        Kubectl { cluster: self.cluster, namespace: Some(&self.name) }
    }

    pub fn run(&self, args: &[&str]) -> Said {
        self.kubectl().run(args)
    }

    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.kubectl().ok(args)
    }

    #[track_caller]
    pub fn fails(&self, args: &[&str], part: &str) -> String {
        self.kubectl().fails(args, part)
    }

    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        self.kubectl().json(args)
    }

    #[track_caller]
    pub fn get(&self, kind: &str, name: &str) -> Value {
        self.kubectl().get(kind, name)
    }

    #[track_caller]
    pub fn apply(&self, yaml: &str) -> String {
        self.kubectl().apply(yaml)
    }

    #[track_caller]
    pub fn apply_fails(&self, yaml: &str, part: &str) -> String {
        self.kubectl().apply_fails(yaml, part)
    }

    pub fn spawn(&self, args: &[&str]) -> Program {
        self.kubectl().spawn(args)
    }

    #[track_caller]
    pub fn until(&self, kind: &str, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.kubectl().until(kind, name, what, is_so)
    }

    /// A pod of one container, by its spec's fields in YAML flow style: `image: x, args: [y]`.
    #[track_caller]
    pub fn pod(&self, name: &str, container: &str) {
        self.pod_with(name, container, "restartPolicy: Never");
    }

    /// The same with further lines of the pod's spec.
    #[track_caller]
    pub fn pod_with(&self, name: &str, container: &str, spec: &str) {
        let spec = spec.replace('\n', "\n  ");
        self.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels: {{app: {name}}}\nspec:\n  \
             terminationGracePeriodSeconds: 1\n  {spec}\n  containers: [{{name: main, {container}}}]\n"
        ));
    }

    #[track_caller]
    pub fn until_ready(&self, pod: &str) -> Value {
        self.until("pods", pod, "be Ready", |pod| condition(pod, "Ready") == Some("True"))
    }

    /// Waits for the pod's end and gives it.
    #[track_caller]
    pub fn until_ended(&self, pod: &str) -> Value {
        self.until("pods", pod, "end", |pod| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")))
    }

    /// The logs of a pod that has ended.
    #[track_caller]
    pub fn output(&self, pod: &str) -> String {
        self.until_ended(pod);
        self.ok(&["logs", pod])
    }

    /// Runs a pod of one container to its end: its exit code and its logs.
    #[track_caller]
    pub fn outcome(&self, name: &str, container: &str, spec: &str) -> (i64, String) {
        self.pod_with(name, container, &format!("restartPolicy: Never\n{spec}"));
        let pod = self.until_ended(name);
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        let code = ended["exitCode"].as_i64().unwrap_or_else(|| panic!("no exit code: {:#}", pod["status"]));
        (code, self.ok(&["logs", name]))
    }

    /// Waits for an event about an object whose reason is `reason` and whose message contains `part`; gives the message.
    #[track_caller]
    pub fn until_event(&self, object: &str, reason: &str, part: &str) -> String {
        let what = format!("an event {reason} with {part:?} about {object}");
        let event = self.kubectl().until_any(&["events"], &what, |event| {
            let message = event["message"].as_str().unwrap_or_default();
            event["involvedObject"]["name"] == object && event["reason"] == reason && message.contains(part)
        });
        event["message"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.kubectl().state());
        }
        self.cluster.kubectl().run(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
