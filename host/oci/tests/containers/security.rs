//! Users, capabilities, seccomp, read-only roots.

use crate::fixture::Node;
use interfaces::workload::{Error, Seccomp, Security};

#[tokio::test]
async fn users_and_capabilities() {
    let Some(node) = Node::new() else { return };
    let check = async |name: &str, security: Security, script: &str, expect: &str| {
        let mut container = node.shell(name, "");
        container.security = security;
        assert_eq!(node.output(container, script).await, expect, "{name}");
    };
    let caps = "grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs' /proc/self/status";
    let security = || Security { allow_privilege_escalation: true, ..Default::default() };
    let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    check("root", security(), "id", "uid=0(root) gid=0(root) groups=0(root)").await;
    check(
        "name",
        Security { image_user: "web".to_owned(), supplemental_groups: vec![4000], ..security() },
        "id",
        "uid=101(web) gid=102(web) groups=7(log),102(web),4000",
    )
    .await;
    check(
        "id",
        Security { run_as_user: Some(1000), run_as_group: Some(3000), run_as_non_root: true, ..security() },
        "id; echo x > /dev/stdout; echo $HOME",
        "uid=1000 gid=3000 groups=3000\nx\n/",
    )
    .await;
    let default =
        "CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0";
    check("default", security(), caps, default).await;
    // A filter without no_new_privs takes a privilege that is given back.
    check("seccomp", Security { seccomp: Seccomp::RuntimeDefault, ..security() }, caps, default).await;
    check(
        "few",
        Security {
            drop_capabilities: list(&["ALL"]),
            add_capabilities: list(&["NET_BIND_SERVICE"]),
            allow_privilege_escalation: false,
            seccomp: Seccomp::RuntimeDefault,
            ..Default::default()
        },
        caps,
        "CapPrm:\t0000000000000400\nCapEff:\t0000000000000400\nCapBnd:\t0000000000000400\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1",
    )
    .await;
    check(
        "unprivileged",
        Security { run_as_user: Some(1000), seccomp: Seccomp::RuntimeDefault, ..security() },
        caps,
        "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0",
    )
    .await;
    let mut container = node.shell("refused", "");
    container.security = Security { run_as_non_root: true, ..Default::default() };
    let error = node.runtime.start(&node.sandbox, &container).await.unwrap_err();
    let uid = &node.sandbox.pod.uid;
    let expect = format!("container has runAsNonRoot and image will run as root (pod: \"p_default({uid})\", container: refused)");
    assert_eq!(error, Error::Create { message: expect });
    node.end().await;
}

#[tokio::test]
async fn seccomp_filters_calls() {
    let Some(node) = Node::new() else { return };
    let profile = node.path().join("profile.json");
    std::fs::write(
        &profile,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}"#,
    )
    .unwrap();
    let check = async |name: &str, seccomp: Seccomp, escalation: bool, add: &[&str], script: &str, expect: &str| {
        let mut container = node.shell(name, "");
        container.security = Security {
            seccomp,
            allow_privilege_escalation: escalation,
            add_capabilities: add.iter().map(|n| (*n).to_owned()).collect(),
            ..Default::default()
        };
        assert_eq!(node.output(container, &format!("{script} 2>&1; true")).await, expect, "{name}");
    };
    let unshare = "unshare -U true";
    let denied = "unshare: unshare(0x10000000): Operation not permitted";
    check("none", Seccomp::Unconfined, true, &[], "grep Seccomp: /proc/self/status", "Seccomp:\t0").await;
    check("default", Seccomp::RuntimeDefault, true, &[], "grep Seccomp: /proc/self/status", "Seccomp:\t2").await;
    check("default-unshare", Seccomp::RuntimeDefault, true, &[], unshare, denied).await;
    check("default-nnp", Seccomp::RuntimeDefault, false, &[], unshare, denied).await;
    check("default-admin", Seccomp::RuntimeDefault, true, &["SYS_ADMIN"], "unshare -m true && echo fine", "fine").await;
    check(
        "file",
        Seccomp::Localhost(profile),
        true,
        &[],
        "busybox mkdir /x",
        "mkdir: can't create directory '/x': No space left on device",
    )
    .await;
    let mut container = node.shell("missing", "");
    container.security.seccomp = Seccomp::Localhost("/nonexistent.json".into());
    let error = node.runtime.start(&node.sandbox, &container).await.unwrap_err();
    let expect = "cannot load seccomp profile \"/nonexistent.json\": no such file or directory";
    assert_eq!(error, Error::Create { message: expect.to_owned() });
    // Commands executed later are filtered as well.
    let mut container = node.shell("exec", "while :; do sleep 1; done");
    container.security.seccomp = Seccomp::RuntimeDefault;
    node.start(&container).await;
    let command = ["/bin/sh", "-c", "unshare -U true; grep -E 'Seccomp:|CapBnd' /proc/self/status"].map(str::to_owned);
    let outcome = node.runtime.exec(&node.id("exec"), &command, 5).await.unwrap();
    assert_eq!(outcome.output, format!("{denied}\nCapBnd:\t00000000a80425fb\nSeccomp:\t2\n"));
    node.end().await;
}

#[tokio::test]
async fn what_is_read_only_stays_so() {
    let Some(node) = Node::new() else { return };
    let mut container = node.shell("c", "");
    container.security.read_only_root = true;
    let script =
        "touch /x 2>&1; touch /dev/shm/x && echo shm; echo 1 2>/dev/null > /proc/sys/kernel/sysrq || echo sys; cat /proc/interrupts";
    assert_eq!(node.output(container, script).await, "touch: /x: Read-only file system\nshm\nsys");
    let mut container = node.shell("privileged", "");
    container.security.privileged = true;
    assert_eq!(
        node.output(container, "grep CapEff /proc/self/status; ls /dev | grep -c . > /tmp/n; touch /x && echo fine").await.lines().last(),
        Some("fine")
    );
    node.end().await;
}
