//! Limits, capabilities, users, seccomp, namespaces.

use super::script;
use tests::{Cluster, Space};

/// A line of `/proc/self/status` in a container with this security context.
fn status(space: &Space, name: &str, line: &str, context: &str) -> String {
    let (code, said) = script(space, name, &format!("grep ^{line}: /proc/self/status"), &format!("securityContext: {context}"), "");
    assert_eq!(code, 0, "{said}");
    said.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn oci_capabilities_are_the_usual_ones_and_can_be_changed() {
    let space = Cluster::shared().space("oci-caps");
    for (name, context, expect) in [
        // The set that container runtimes agree on.
        ("usual", "{}", 0xa804_25fb_u64),
        ("none", "{capabilities: {drop: [ALL]}}", 0),
        ("one", "{capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}", 1 << 10),
        ("more", "{capabilities: {add: [NET_ADMIN], drop: [MKNOD]}}", (0xa804_25fb | 1 << 12) & !(1 << 27)),
    ] {
        let effective = status(&space, name, "CapEff", context);
        assert_eq!(u64::from_str_radix(&effective, 16), Ok(expect), "{context}: {effective}");
    }
}

#[test]
fn oci_users_and_groups_are_what_the_pod_says() {
    let space = Cluster::shared().space("oci-users");
    let id = "echo $(id -u) $(id -g) $(id -G)";
    for (name, container, pod, expect) in [
        ("root", "", "", "0 0 0"),
        ("user", "securityContext: {runAsUser: 1000, runAsGroup: 2000}", "", "1000 2000 2000"),
        ("pod", "", "securityContext: {runAsUser: 1000, runAsGroup: 2000, supplementalGroups: [5], fsGroup: 6}", "1000 2000 2000 5 6"),
        ("wins", "securityContext: {runAsUser: 7}", "securityContext: {runAsUser: 1000, runAsGroup: 2000}", "7 2000 2000"),
    ] {
        let (_, said) = script(&space, name, id, container, pod);
        let mut got: Vec<&str> = said.split_whitespace().collect();
        got[2..].sort_unstable();
        let mut expect: Vec<&str> = expect.split_whitespace().collect();
        expect[2..].sort_unstable();
        assert_eq!(got, expect, "{name}");
    }
    space.pod("refused", "image: coracle.dev/examples/busybox:v1, command: [id], securityContext: {runAsNonRoot: true}");
    let pod = space.until("pods", "refused", "be refused", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    });
    let message = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("container has runAsNonRoot and image will run as root"), "{message}");
}

#[test]
fn oci_root_can_be_read_only() {
    let space = Cluster::shared().space("oci-read-only");
    let text = "touch /x && echo written; touch /data/x && echo volume";
    let volume = "volumes: [{name: data, emptyDir: {}}]";
    let mount = "volumeMounts: [{name: data, mountPath: /data}]";
    let (_, said) = script(&space, "open", text, mount, volume);
    assert!(said.contains("written") && said.contains("volume"), "{said}");
    let (_, said) = script(&space, "closed", text, &format!("{mount}, securityContext: {{readOnlyRootFilesystem: true}}"), volume);
    assert!(said.contains("Read-only file system") && !said.contains("written") && said.contains("volume"), "{said}");
}

#[test]
fn oci_system_calls_are_filtered_unless_unconfined() {
    let space = Cluster::shared().space("oci-seccomp");
    let default = status(&space, "default", "Seccomp", "{seccompProfile: {type: RuntimeDefault}}");
    assert_eq!(default, "2", "filtered");
    let unconfined = status(&space, "unconfined", "Seccomp", "{seccompProfile: {type: Unconfined}}");
    assert_eq!(unconfined, "0", "not filtered");
    assert_eq!(status(&space, "no-new", "NoNewPrivs", "{allowPrivilegeEscalation: false}"), "1");
    assert_eq!(status(&space, "may", "NoNewPrivs", "{}"), "0");
}

#[test]
fn oci_memory_is_limited() {
    let space = Cluster::shared().space("oci-memory");
    let (code, _) = script(&space, "hog", "tail /dev/zero", "resources: {limits: {memory: 24Mi}}", "");
    let pod = space.get("pod", "hog");
    let reason = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"];
    // The kernel may take the shell's child; then the shell tells 137 by itself.
    assert_eq!((code, reason.as_str()), (137, Some("OOMKilled")), "{:#}", pod["status"]);
}

#[test]
fn oci_limits_reach_the_kernel() {
    let cluster = Cluster::shared();
    let space = cluster.space("oci-limits");
    space.pod(
        "limited",
        "image: coracle.dev/examples/busybox:v1, command: [sleep, '3600'], resources: {requests: {cpu: 100m}, limits: {cpu: 250m, memory: 24Mi}}",
    );
    let pod = space.until_ready("limited");
    assert_eq!(pod["status"]["qosClass"], "Burstable");
    let uid = pod["metadata"]["uid"].as_str().expect("a pod has a UID");
    let read = |files: &str| {
        let find = format!("find /sys/fs/cgroup -path '*coracle/pod{uid}/main*' \\( {files} \\) -exec cat {{}} \\;");
        cluster.on_node("sh", &["-c", &find]).out
    };
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let memory = words(read("-name memory.limit_in_bytes -o -name memory.max"));
    assert!(memory.contains(&"25165824".to_owned()), "{memory:?}");
    let quota = words(read("-name cpu.cfs_quota_us -o -name cpu.max"));
    assert!(quota.contains(&"25000".to_owned()), "{quota:?}");
}

#[test]
fn oci_containers_have_namespaces_of_their_own() {
    let space = Cluster::shared().space("oci-namespaces");
    let (_, said) = script(
        &space,
        "alone",
        "hostname; echo pid $(cut -d' ' -f4 /proc/self/stat); ls /proc | grep -c '^[0-9]'; ls /sys/class/net",
        "",
        "",
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(&lines[..2], ["alone", "pid 1"], "{said}");
    assert!(lines[2].parse::<u32>().is_ok_and(|processes| processes <= 4), "{said}");
    assert_eq!(&lines[3..], ["eth0", "lo"], "{said}");
    let (_, said) = script(&space, "masked", "ls -A /sys/firmware | wc -l; echo 1 > /proc/sys/kernel/panic && echo open", "", "");
    assert!(said.lines().any(|line| line.trim() == "0") && !said.contains("open"), "{said}");
    let (_, said) = script(&space, "named", "hostname; hostname -f", "", "hostname: other\nsubdomain: sub");
    assert_eq!(said.lines().collect::<Vec<_>>(), ["other", "other.sub.oci-namespaces.svc.cluster.local"]);
    let (_, said) =
        script(&space, "privileged", "grep CapEff /proc/self/status; ls /dev | wc -l", "securityContext: {privileged: true}", "");
    let node = Cluster::shared().on_node("grep", &["CapEff", "/proc/self/status"]).out;
    assert!(said.starts_with(&node), "as many as the node itself has: {said}{node}");
}
