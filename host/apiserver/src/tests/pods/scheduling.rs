//! Security, placement, names and the network of pods.

use super::{Cases, PODS};
use crate::tests::Fixture;
use crate::tests::causes::{container, pod, with};
use object::{Value, json};

#[tokio::test]
async fn security() {
    let f = Fixture::new().await;
    let ctx = |context: Value| container(&json!({ "securityContext": context }));
    let pod_ctx = |context: Value| pod(&json!({ "securityContext": context }));
    let cases: Cases = vec![
        (
            ctx(json!({ "privileged": true, "allowPrivilegeEscalation": false })),
            &[
                "spec.containers[0].securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"privileged\":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ],
        ),
        (
            ctx(json!({ "allowPrivilegeEscalation": false, "capabilities": { "add": ["CAP_SYS_ADMIN"] } })),
            &["spec.containers[0].securityContext: Invalid value: {…"],
        ),
        (
            ctx(json!({ "runAsUser": -1, "runAsGroup": 4294967296i64 })),
            &[
                "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                "spec.containers[0].securityContext.runAsGroup: Invalid value: 4294967296: must be between 0 and 2147483647, inclusive",
            ],
        ),
        (
            ctx(json!({ "procMount": "Unmasked" })),
            &["spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`"],
        ),
        (
            ctx(json!({ "procMount": "x" })),
            &["spec.containers[0].securityContext.procMount: Unsupported value: \"x\": supported values: \"Default\", \"Unmasked\""],
        ),
        (
            ctx(json!({ "seccompProfile": {} })),
            &["spec.containers[0].securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set"],
        ),
        (
            ctx(json!({ "seccompProfile": { "type": "Localhost" } })),
            &[
                "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
            ],
        ),
        (
            ctx(json!({ "seccompProfile": { "type": "Unconfined", "localhostProfile": "x" } })),
            &[
                "spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: {\"localhostProfile\":\"x\",\"type\":\"Unconfined\"}: can only be set when seccomp type is Localhost",
            ],
        ),
        (
            ctx(json!({ "appArmorProfile": { "type": "Localhost", "localhostProfile": " x" } })),
            &[
                "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: \" x\": must not be padded with whitespace",
            ],
        ),
        (
            ctx(json!({ "appArmorProfile": { "type": "None" } })),
            &[
                "spec.containers[0].securityContext.appArmorProfile.type: Unsupported value: \"None\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"",
            ],
        ),
        (
            pod_ctx(
                json!({ "fsGroup": -1, "supplementalGroups": [1, -2], "fsGroupChangePolicy": "x", "supplementalGroupsPolicy": "y", "seLinuxChangePolicy": "z" }),
            ),
            &[
                "spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                "spec.securityContext.supplementalGroups[1]: Invalid value: -2: must be between 0 and 2147483647, inclusive",
                "spec.securityContext.fsGroupChangePolicy: Unsupported value: \"x\": supported values: \"Always\", \"OnRootMismatch\"",
                "spec.securityContext.supplementalGroupsPolicy: Unsupported value: \"y\": supported values: \"Merge\", \"Strict\"",
                "spec.securityContext.seLinuxChangePolicy: Unsupported value: \"z\": supported values: \"MountOption\", \"Recursive\"",
            ],
        ),
        (
            pod_ctx(
                json!({ "sysctls": [{ "name": "", "value": "" }, { "name": "A", "value": "" }, { "name": "a.b", "value": "" }, { "name": "a.b", "value": "" }] }),
            ),
            &[
                "spec.securityContext.sysctls[0].name: Required value",
                "spec.securityContext.sysctls[1].name: Invalid value: \"A\": must have at most 253 characters and match regex…",
                "spec.securityContext.sysctls[3].name: Duplicate value: \"a.b\"",
            ],
        ),
        (
            pod(&json!({ "hostNetwork": true, "securityContext": { "sysctls": [{ "name": "net.core.somaxconn", "value": "1" }] } })),
            &[
                "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true",
            ],
        ),
        (
            pod(&json!({ "hostPID": true, "shareProcessNamespace": true })),
            &["spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled"],
        ),
        (pod(&json!({ "hostUsers": false, "hostPID": true })), &["spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false"]),
        (
            pod_ctx(json!({ "windowsOptions": { "runAsUserName": "a\\b\\c", "gmsaCredentialSpec": "" } })),
            &[
                "spec.securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: \"\": gmsaCredentialSpec cannot be an empty string",
                "spec.securityContext.windowsOptions.runAsUserName: Invalid value: \"a\\\\b\\\\c\": runAsUserName cannot contain more than one backslash",
            ],
        ),
        (
            pod_ctx(json!({ "windowsOptions": { "hostProcess": true } })),
            &["spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"],
        ),
        (pod(&json!({ "os": { "name": "" } })), &["spec.os.name: Required value: cannot be empty"]),
        (pod(&json!({ "os": { "name": "dos" } })), &["spec.os: Unsupported value: \"dos\": supported values: \"linux\", \"windows\""]),
        (
            pod(&json!({ "os": { "name": "linux" }, "securityContext": { "windowsOptions": {} } })),
            &["spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"],
        ),
        (
            pod(&json!({ "os": { "name": "windows" }, "hostPID": true, "securityContext": { "runAsUser": 1 }, "containers": [
                { "name": "c", "image": "i", "securityContext": { "privileged": false } }] })),
            &[
                "spec.hostPID: Forbidden: cannot be set for a windows pod",
                "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
                "spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod",
            ],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}

#[tokio::test]
async fn scheduling() {
    let f = Fixture::new().await;
    let node = |term: Value| {
        pod(
            &json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] } } } }),
        )
    };
    let near = |term: Value| pod(&json!({ "affinity": { "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } }));
    let tolerates = |toleration: Value| pod(&json!({ "tolerations": [toleration] }));
    let spreads = |constraint: Value| {
        let base = json!({ "maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {} });
        pod(&json!({ "topologySpreadConstraints": [with(&base, &constraint)] }))
    };
    const NODE: &str = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    const NEAR: &str = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
    let told = |lines: &[String]| -> &'static [&'static str] {
        let lines: Vec<&'static str> = lines.iter().map(|l| &*l.clone().leak()).collect();
        lines.leak()
    };
    let one = |place: &str, rest: &str| told(&[format!("{place}{rest}")]);
    let cases: Cases = vec![
        (
            pod(
                &json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [] } } } }),
            ),
            one(NODE, ": Required value: must have at least one node selector term"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "In" }] })),
            one(NODE, "[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "Exists", "values": ["x"] }] })),
            one(NODE, "[0].matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "Gt", "values": ["1", "2"] }] })),
            one(NODE, "[0].matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "Near" }] })),
            one(NODE, "[0].matchExpressions[0].operator: Invalid value: \"Near\": not a valid selector operator"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "In", "values": ["-"] }] })),
            one(NODE, "[0].matchExpressions[0].values[0]: Invalid value: \"-\": a valid label must…"),
        ),
        (
            node(json!({ "matchFields": [{ "key": "spec.x", "operator": "In", "values": ["a"] }] })),
            one(NODE, "[0].matchFields[0].key: Invalid value: \"spec.x\": not a valid field selector key"),
        ),
        (
            node(json!({ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["a", "b"] }] })),
            one(
                NODE,
                "[0].matchFields[0].values: Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            ),
        ),
        (
            pod(
                &json!({ "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 101, "preference": {} }] } } }),
            ),
            &[
                "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
            ],
        ),
        (
            near(json!({})),
            told(&[
                format!("{NEAR}.topologyKey: Required value: can not be empty"),
                format!("{NEAR}.topologyKey: Invalid value: \"\": name part must be non-empty"),
                format!("{NEAR}.topologyKey: Invalid value: \"\": name part must consist of…"),
            ]),
        ),
        (
            near(json!({ "topologyKey": "k", "namespaces": ["A"] })),
            one(NEAR, ".namespace: Invalid value: \"A\": a lowercase RFC 1123 label must…"),
        ),
        (
            near(json!({ "topologyKey": "k", "matchLabelKeys": ["a"] })),
            one(NEAR, ".matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"),
        ),
        (
            near(json!({ "topologyKey": "k", "labelSelector": {}, "matchLabelKeys": ["a"], "mismatchLabelKeys": ["a"] })),
            one(NEAR, ".matchLabelKeys[0]: Invalid value: \"a\": exists in both matchLabelKeys and mismatchLabelKeys"),
        ),
        (
            near(json!({ "topologyKey": "k", "labelSelector": { "matchExpressions": [{ "key": "a", "operator": "x" }] } })),
            one(NEAR, ".labelSelector.matchExpressions[0].operator: Invalid value: \"x\": not a valid selector operator"),
        ),
        (
            pod(
                &json!({ "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 0, "podAffinityTerm": { "topologyKey": "k" } }] } } }),
            ),
            &[
                "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100",
            ],
        ),
        (
            tolerates(json!({ "operator": "Equal" })),
            &[
                "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            ],
        ),
        (
            tolerates(json!({ "key": "k", "operator": "Exists", "value": "v" })),
            &["spec.tolerations[0].operator: Invalid value: \"v\": value must be empty when `operator` is 'Exists'"],
        ),
        (
            tolerates(json!({ "key": "k", "operator": "Like" })),
            &["spec.tolerations[0].operator: Unsupported value: \"Like\": supported values: \"Equal\", \"Exists\", \"Lt\", \"Gt\""],
        ),
        (
            tolerates(json!({ "key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 1 })),
            &["spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set"],
        ),
        (
            tolerates(json!({ "key": "k", "operator": "Exists", "effect": "No" })),
            &[
                "spec.tolerations[0].effect: Unsupported value: \"No\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
            ],
        ),
        (spreads(json!({ "maxSkew": 0 })), &["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"]),
        (spreads(json!({ "topologyKey": "" })), &["spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty"]),
        (
            spreads(json!({ "whenUnsatisfiable": "Cry" })),
            &[
                "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"Cry\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"",
            ],
        ),
        (
            spreads(json!({ "minDomains": 0, "whenUnsatisfiable": "ScheduleAnyway" })),
            &[
                "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero",
                "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
            ],
        ),
        (
            spreads(json!({ "nodeTaintsPolicy": "x" })),
            &["spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: \"x\": supported values: \"Honor\", \"Ignore\""],
        ),
        (
            spreads(json!({ "labelSelector": { "matchLabels": { "a": "b" } }, "matchLabelKeys": ["a"] })),
            &["spec.topologySpreadConstraints[0].matchLabelKeys[0]: Invalid value: \"a\": exists in both matchLabelKeys and labelSelector"],
        ),
        (
            pod(&json!({ "topologySpreadConstraints": [
                { "maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule" },
                { "maxSkew": 2, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule" }] })),
            &["spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{k, DoNotSchedule}\""],
        ),
        (pod(&json!({ "schedulingGates": [{ "name": "a" }, { "name": "a" }] })), &["spec.schedulingGates[1]: Duplicate value: \"a\""]),
        (
            pod(&json!({ "schedulingGates": [{ "name": "a" }], "nodeName": "n" })),
            &["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
        ),
        (
            pod(&json!({ "readinessGates": [{ "conditionType": "-" }] })),
            &["spec.readinessGates[0].conditionType: Invalid value: \"-\": name part must consist of…"],
        ),
        (pod(&json!({ "nodeSelector": { "a b": "c" } })), &["spec.nodeSelector: Invalid value: \"a b\": name part must consist of…"]),
        (pod(&json!({ "nodeName": "A" })), &["spec.nodeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must…"]),
        (pod(&json!({ "priorityClassName": "A b" })), &["403 pods \"p\" is forbidden: no PriorityClass with name A b was found"]),
        (
            pod(&json!({ "preemptionPolicy": "x" })),
            &[
                "403 pods \"p\" is forbidden: the string value of PreemptionPolicy (x) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name",
            ],
        ),
        (
            pod(&json!({ "activeDeadlineSeconds": 0 })),
            &["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}

#[tokio::test]
async fn names_and_network() {
    let f = Fixture::new().await;
    let noted = |key: &str, value: &str, spec: Value| with(&pod(&spec), &json!({ "metadata": { "annotations": { key: value } } }));
    let cases: Cases = vec![
        (
            pod(&json!({ "restartPolicy": "x" })),
            &["spec.restartPolicy: Unsupported value: \"x\": supported values: \"Always\", \"OnFailure\", \"Never\""],
        ),
        (
            pod(&json!({ "dnsPolicy": "x" })),
            &[
                "spec.dnsPolicy: Unsupported value: \"x\": supported values: \"ClusterFirstWithHostNet\", \"ClusterFirst\", \"Default\", \"None\"",
            ],
        ),
        (pod(&json!({ "dnsPolicy": "None" })), &["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"]),
        (
            pod(&json!({ "dnsPolicy": "None", "dnsConfig": {} })),
            &["spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"],
        ),
        (
            pod(
                &json!({ "dnsConfig": { "nameservers": ["1.1.1.1", "x", "010.1.1.1", "1.1.1.2"], "searches": [".", "a_b.c.", "-"], "options": [{}] } }),
            ),
            &[
                "spec.dnsConfig.nameservers: Invalid value: [\"1.1.1.1\",\"x\",\"010.1.1.1\",\"1.1.1.2\"]: must not have more than 3 nameservers",
                "spec.dnsConfig.nameservers[1]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                "spec.dnsConfig.nameservers[2]: Invalid value: \"010.1.1.1\": must not have leading 0s",
                "spec.dnsConfig.searches[2]: Invalid value: \"-\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.'…",
                "spec.dnsConfig.options[0]: Required value: must not be empty",
            ],
        ),
        (
            pod(&json!({ "hostAliases": [{ "ip": "::ffff:1.2.3.4", "hostnames": ["A"] }] })),
            &[
                "spec.hostAliases[0].ip: Invalid value: \"::ffff:1.2.3.4\": must not be an IPv4-mapped IPv6 address",
                "spec.hostAliases[0].hostnames[0]: Invalid value: \"A\": a lowercase RFC 1123 subdomain must…",
            ],
        ),
        (pod(&json!({ "hostname": "a.b" })), &["spec.hostname: Invalid value: \"a.b\": must not contain dots"]),
        (pod(&json!({ "subdomain": "A" })), &["spec.subdomain: Invalid value: \"A\": a lowercase RFC 1123 label must…"]),
        (pod(&json!({ "hostnameOverride": "a".repeat(65) })), &["spec.hostnameOverride: Too long: may not be more than 64 bytes"]),
        (pod(&json!({ "runtimeClassName": "A" })), &["403 pods \"p\" is forbidden: pod rejected: RuntimeClass \"A\" not found"]),
        (
            pod(&json!({ "serviceAccountName": "A" })),
            &["spec.serviceAccountName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must…"],
        ),
        (
            noted("controller.kubernetes.io/pod-deletion-cost", "+1", json!({})),
            &["metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"+1\": must be a 32bit integer"],
        ),
        (
            noted("kubernetes.io/config.mirror", "x", json!({})),
            &[
                "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror pod annotation is set",
            ],
        ),
        (
            noted("seccomp.security.alpha.kubernetes.io/pod", "x", json!({})),
            &["metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: \"x\": must be a valid seccomp profile"],
        ),
        (
            noted("container.apparmor.security.beta.kubernetes.io/x", "runtime/default", json!({})),
            &["metadata.annotations[container.apparmor.security.beta.kubernetes.io/x]: Invalid value: \"x\": container not found"],
        ),
        (
            noted("container.apparmor.security.beta.kubernetes.io/c", "x", json!({})),
            &[
                "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Invalid value: \"x\": invalid AppArmor profile name: \"x\"",
            ],
        ),
        (
            noted(
                "container.apparmor.security.beta.kubernetes.io/c",
                "unconfined",
                json!({ "securityContext": { "appArmorProfile": { "type": "RuntimeDefault" } } }),
            ),
            &["spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match"],
        ),
        (
            noted(
                "seccomp.security.alpha.kubernetes.io/pod",
                "unconfined",
                json!({ "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } } }),
            ),
            &["spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match"],
        ),
        (
            noted("scheduler.alpha.kubernetes.io/tolerations", "[{\"operator\":\"Exists\",\"effect\":\"x\"}]", json!({})),
            &[
                "metadata.annotations.scheduler.alpha.kubernetes.io/tolerations[0].effect: Unsupported value: \"x\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
            ],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}
