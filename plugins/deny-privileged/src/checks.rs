//! The baseline level of the Pod Security Standards as of Kubernetes 1.37 (`k8s.io/pod-security-admission/policy`, check_*.go).

use pod_specs::{Container, PodSpec, items, text};
use serde_json::Value;

/// What `allow` in the settings may name.
pub const NAMES: [&str; 12] = [
    "appArmor",
    "capabilities",
    "hostNamespaces",
    "hostPath",
    "hostPorts",
    "hostProbes",
    "hostProcess",
    "privileged",
    "procMount",
    "seLinux",
    "seccomp",
    "sysctls",
];

/// What runtimes give to containers by default, and what may be asked for therefore.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Those that are a pod's own, and harm nobody else on its node.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

const SELINUX_TYPES: [&str; 5] = ["", "container_engine_t", "container_init_t", "container_kvm_t", "container_t"];

/// Until profiles became fields, they were annotations: one per container.
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    pub check: &'static str,
    pub field: String,
    pub text: String,
}

/// All of them, in the order of the spec. Empty where `object` describes no pods.
pub fn violations(object: &Value) -> Vec<Violation> {
    let mut found = Found(Vec::new());
    let Some(spec) = &PodSpec::find(object) else { return found.0 };
    found.annotations(object, spec);
    found.pod(spec);
    for container in spec.containers() {
        found.container(spec, &container);
    }
    found.0
}

struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, check: &'static str, field: String, what: &str) {
        let text = format!("{field} {what}");
        self.0.push(Violation { check, field, text });
    }

    /// Profiles in the annotations of the pods.
    fn annotations(&mut self, object: &Value, spec: &PodSpec<'_>) {
        let pointer = spec.pointer.strip_suffix("/spec").unwrap_or_default();
        let metadata = object.pointer(&format!("{pointer}/metadata"));
        let annotations = metadata.and_then(|metadata| metadata.get("annotations")).and_then(Value::as_object);
        for (key, value) in annotations.into_iter().flatten().filter(|(key, _)| key.starts_with(APP_ARMOR)) {
            let value = value.as_str().unwrap_or_default();
            if !(value.is_empty() || value == "runtime/default" || value.starts_with("localhost/")) {
                self.add("appArmor", format!("metadata.annotations[{key}]"), &format!("is {value}"));
            }
        }
    }

    fn pod(&mut self, spec: &PodSpec<'_>) {
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            if is_true(spec.value, name) {
                self.add("hostNamespaces", format!("{}.{name}", spec.field), "gives it a namespace of the node");
            }
        }
        for (field, volume) in spec.list("volumes") {
            if volume.get("hostPath").is_some_and(|path| !path.is_null()) {
                self.add("hostPath", field, "is a directory of the node");
            }
        }
        let Some(context) = context(spec.value) else { return };
        let field = format!("{}.securityContext", spec.field);
        for (at, sysctl) in items(context, "sysctls").enumerate() {
            let name = text(sysctl, "name");
            if !SYSCTLS.contains(&name) {
                self.add("sysctls", format!("{field}.sysctls[{at}]"), &format!("sets {name}"));
            }
        }
        self.profiles(context, &field);
    }

    fn container(&mut self, spec: &PodSpec<'_>, container: &Container<'_>) {
        for (at, port) in items(container.value, "ports").enumerate() {
            if port.get("hostPort").and_then(Value::as_i64).is_some_and(|port| port != 0) {
                self.add("hostPorts", format!("{}.ports[{at}]", container.field), "is a port of the node");
            }
        }
        self.hosts(container);
        let Some(context) = context(container.value) else { return };
        let field = format!("{}.securityContext", container.field);
        if is_true(context, "privileged") {
            self.add("privileged", format!("{field}.privileged"), "takes away every barrier");
        }
        let added = context.get("capabilities").map(|capabilities| items(capabilities, "add"));
        for capability in added.into_iter().flatten().filter_map(Value::as_str).filter(|name| !CAPABILITIES.contains(name)) {
            self.add("capabilities", format!("{field}.capabilities.add"), &format!("has {capability}"));
        }
        let mount = text(context, "procMount");
        // In a user namespace of its own a pod sees nothing of the node there.
        if !matches!(mount, "" | "Default") && spec.value.get("hostUsers") != Some(&Value::Bool(false)) {
            self.add("procMount", format!("{field}.procMount"), &format!("is {mount}"));
        }
        self.profiles(context, &field);
    }

    /// What both a pod and a container may say.
    fn profiles(&mut self, context: &Value, field: &str) {
        if context.get("windowsOptions").is_some_and(|options| is_true(options, "hostProcess")) {
            self.add("hostProcess", format!("{field}.windowsOptions.hostProcess"), "makes it a process of the node");
        }
        if let Some(options) = context.get("seLinuxOptions") {
            let kind = text(options, "type");
            if !SELINUX_TYPES.contains(&kind) {
                self.add("seLinux", format!("{field}.seLinuxOptions.type"), &format!("is {kind}"));
            }
            for name in ["user", "role"] {
                if !text(options, name).is_empty() {
                    self.add("seLinux", format!("{field}.seLinuxOptions.{name}"), "is set");
                }
            }
        }
        for (check, name) in [("seccomp", "seccompProfile"), ("appArmor", "appArmorProfile")] {
            if context.get(name).is_some_and(|profile| text(profile, "type") == "Unconfined") {
                self.add(check, format!("{field}.{name}.type"), "is Unconfined");
            }
        }
    }

    /// Probes and hooks that the node runs, against addresses that the pod chose.
    fn hosts(&mut self, container: &Container<'_>) {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|name| (name.to_owned(), container.value.get(name)));
        let lifecycle = container.value.get("lifecycle");
        let hooks = ["postStart", "preStop"].map(|name| (format!("lifecycle.{name}"), lifecycle.and_then(|hooks| hooks.get(name))));
        for (name, action) in probes.into_iter().chain(hooks) {
            for kind in ["httpGet", "tcpSocket"] {
                let host = action.and_then(|action| action.get(kind)).map(|action| text(action, "host")).unwrap_or_default();
                if !host.is_empty() {
                    self.add("hostProbes", format!("{}.{name}.{kind}.host", container.field), &format!("is {host}"));
                }
            }
        }
    }
}

fn context(value: &Value) -> Option<&Value> {
    value.get("securityContext").filter(|context| context.is_object())
}

fn is_true(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: Value, expect: &[(&str, &str)]) {
        let pod = json!({"spec": spec});
        let found = violations(&pod);
        let told: Vec<(&str, &str)> = found.iter().map(|violation| (violation.check, violation.text.as_str())).collect();
        assert_eq!(told, expect, "{pod}");
    }

    #[test]
    fn ordinary_pods_pass() {
        check(json!({"containers": [{"name": "a", "image": "b"}], "volumes": [{"name": "v", "emptyDir": {}}]}), &[]);
        let context = json!({"privileged": false, "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}, "procMount": "Default",
            "seLinuxOptions": {"type": "container_t"}, "seccompProfile": {"type": "RuntimeDefault"}});
        let probe = json!({"httpGet": {"port": 80, "host": ""}});
        check(
            json!({"hostNetwork": false, "securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies"}]},
                "containers": [{"securityContext": context, "ports": [{"containerPort": 80, "hostPort": 0}], "livenessProbe": probe}]}),
            &[],
        );
        check(json!({"hostUsers": false, "containers": [{"securityContext": {"procMount": "Unmasked"}}]}), &[]);
    }

    #[test]
    fn what_a_pod_asks_of_its_node_is_found() {
        check(
            json!({"containers": [], "hostNetwork": true, "hostPID": true, "hostIPC": true, "volumes": [{"emptyDir": {}}, {"hostPath": {"path": "/"}}]}),
            &[
                ("hostNamespaces", "spec.hostNetwork gives it a namespace of the node"),
                ("hostNamespaces", "spec.hostPID gives it a namespace of the node"),
                ("hostNamespaces", "spec.hostIPC gives it a namespace of the node"),
                ("hostPath", "spec.volumes[1] is a directory of the node"),
            ],
        );
        check(
            json!({"containers": [], "securityContext": {"sysctls": [{"name": "kernel.msgmax"}], "seLinuxOptions": {"type": "spc_t", "role": "r"},
                "windowsOptions": {"hostProcess": true}, "seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}}}),
            &[
                ("sysctls", "spec.securityContext.sysctls[0] sets kernel.msgmax"),
                ("hostProcess", "spec.securityContext.windowsOptions.hostProcess makes it a process of the node"),
                ("seLinux", "spec.securityContext.seLinuxOptions.type is spc_t"),
                ("seLinux", "spec.securityContext.seLinuxOptions.role is set"),
                ("seccomp", "spec.securityContext.seccompProfile.type is Unconfined"),
                ("appArmor", "spec.securityContext.appArmorProfile.type is Unconfined"),
            ],
        );
    }

    #[test]
    fn what_a_container_asks_of_its_node_is_found() {
        let hook = json!({"preStop": {"httpGet": {"host": "10.0.0.1", "port": 80}}});
        let container = json!({"ports": [{"containerPort": 80, "hostPort": 80}], "lifecycle": hook, "startupProbe": {"tcpSocket": {"host": "a"}},
            "securityContext": {"privileged": true, "capabilities": {"add": ["SYS_ADMIN", "CHOWN"]}, "procMount": "Unmasked"}});
        check(
            json!({"containers": [], "ephemeralContainers": [container]}),
            &[
                ("hostPorts", "spec.ephemeralContainers[0].ports[0] is a port of the node"),
                ("hostProbes", "spec.ephemeralContainers[0].startupProbe.tcpSocket.host is a"),
                ("hostProbes", "spec.ephemeralContainers[0].lifecycle.preStop.httpGet.host is 10.0.0.1"),
                ("privileged", "spec.ephemeralContainers[0].securityContext.privileged takes away every barrier"),
                ("capabilities", "spec.ephemeralContainers[0].securityContext.capabilities.add has SYS_ADMIN"),
                ("procMount", "spec.ephemeralContainers[0].securityContext.procMount is Unmasked"),
            ],
        );
    }

    #[test]
    fn profiles_in_annotations_are_found() {
        let key = format!("{APP_ARMOR}main");
        for (value, expect) in [("runtime/default", 0), ("localhost/mine", 0), ("unconfined", 1)] {
            let template = json!({"metadata": {"annotations": {key.as_str(): value}}, "spec": {"containers": []}});
            let job = json!({"spec": {"template": template}});
            assert_eq!(violations(&job).len(), expect, "{value}");
        }
    }

    #[test]
    fn every_check_can_be_named() {
        assert!(NAMES.is_sorted());
    }
}
