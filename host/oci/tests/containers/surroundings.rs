//! Namespaces, mounts, what containers of a pod share.

use crate::fixture::Node;
use interfaces::workload::{ImageSource, Mount};
use std::path::Path;

#[tokio::test]
async fn containers_of_a_pod_share_its_namespaces() {
    let Some(mut node) = Node::new() else { return };
    let netns = node.path().join("netns");
    pin_netns(&netns);
    node.sandbox.netns = Some(netns.clone());
    node.sandbox.sysctls =
        vec![("net.ipv4.ip_unprivileged_port_start".to_owned(), "77".to_owned()), ("kernel.shmmax".to_owned(), "12345".to_owned())];
    let mut seen = Vec::new();
    // Both run at the same time: a namespace's number is used again after its end.
    for name in ["a", "b"] {
        node.start(&node.shell(name, "while :; do sleep 1; done")).await;
        let script = "for n in net ipc uts pid mnt; do busybox readlink /proc/self/ns/$n; done";
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        seen.push(node.runtime.exec(&node.id(name), &command, 5).await.unwrap().output);
    }
    let (a, b) = (&seen[0], &seen[1]);
    let host: Vec<String> = ["net", "ipc", "uts", "pid", "mnt"]
        .iter()
        .map(|n| std::fs::read_link(format!("/proc/self/ns/{n}")).unwrap().display().to_string())
        .collect();
    for (index, ((a, b), host)) in a.lines().zip(b.lines()).zip(&host).enumerate() {
        assert_ne!(a, host);
        assert_eq!(a == b, index < 3, "{a} {b}");
    }
    assert_eq!(node.output(node.shell("name", ""), "hostname; echo $HOSTNAME; ls /sys/class/net").await, "test-host\ntest-host\nlo");
    let sysctls = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmax";
    assert_eq!(node.output(node.shell("sysctls", ""), sysctls).await, "77\n12345");
    node.output(node.shell("write", ""), "echo hello > /dev/shm/x").await;
    assert_eq!(node.output(node.shell("read", ""), "cat /dev/shm/x").await, "hello");
    rustix::mount::unmount(&netns, rustix::mount::UnmountFlags::DETACH).unwrap();
    node.end().await;
}

#[tokio::test]
async fn a_process_namespace_can_be_shared() {
    let Some(mut node) = Node::new() else { return };
    node.sandbox.share_process_namespace = true;
    node.start(&node.container("a", &["/bin/sleep", "7777"])).await;
    assert_eq!(node.output(node.shell("b", ""), "ps | grep -c 'sleep 777[7]'").await, "1");
    // Its end is not the end of the namespace.
    node.runtime.stop(&node.id("a"), 0).await.unwrap();
    assert_eq!(node.output(node.shell("c", ""), "echo up").await, "up");
    node.end().await;
}

#[tokio::test]
async fn the_hosts_namespaces_can_be_used() {
    let Some(mut node) = Node::new() else { return };
    node.sandbox.host_pid = true;
    node.sandbox.host_ipc = true;
    let script = "for n in net ipc uts pid; do busybox readlink /proc/self/ns/$n; done";
    let host: Vec<String> = ["net", "ipc", "uts", "pid"]
        .iter()
        .map(|n| std::fs::read_link(format!("/proc/self/ns/{n}")).unwrap().display().to_string())
        .collect();
    assert_eq!(node.output(node.shell("c", ""), script).await, host.join("\n"));
    // Without a process namespace of its own, what a container leaves behind is ended all the same.
    node.output(node.shell("d", ""), "sleep 7778 & echo up").await;
    node.end().await;
}

#[tokio::test]
async fn a_parameter_of_the_host_is_not_set() {
    let Some(mut node) = Node::new() else { return };
    node.sandbox.sysctls = vec![("kernel.panic".to_owned(), "1".to_owned())];
    let error = node.runtime.start(&node.sandbox, &node.shell("c", "true")).await.unwrap_err();
    assert_eq!(error.to_string(), "sysctl \"kernel.panic\" is not allowed: it is not the pod's own");
    node.end().await;
}

#[tokio::test]
async fn volumes_and_layers() {
    let Some(node) = Node::new() else { return };
    let volume = node.path().join("volume");
    std::fs::create_dir_all(&volume).unwrap();
    std::fs::write(volume.join("file"), "content\n").unwrap();
    let upper = node.path().join("layer2");
    std::fs::create_dir_all(upper.join("etc")).unwrap();
    std::fs::write(upper.join("etc/group"), "from above\n").unwrap();
    let mut container = node.shell("c", "");
    container.image = ImageSource::Layers { layers: vec![node.path().join("layer"), upper.clone()] };
    let mount = |source: &Path, target: &str, read_only| Mount {
        source: source.to_owned(),
        target: target.into(),
        read_only,
        ..Default::default()
    };
    container.mounts =
        vec![mount(&volume, "/data/ro", true), mount(&volume, "/data/rw", false), mount(&volume.join("file"), "/etc/one", true)];
    container.mounts.push(Mount {
        target: "/scratch".into(),
        fs_type: "tmpfs".to_owned(),
        options: vec!["size=64k".to_owned()],
        ..Default::default()
    });
    let script = "grep ' /scratch tmpfs' /proc/mounts > /scratch/x || echo no tmpfs; cat /etc/group /data/ro/file /etc/one; touch /data/ro/x 2>&1; echo new > /data/rw/x; echo gone > /etc/group";
    let expect = "from above\ncontent\ncontent\ntouch: /data/ro/x: Read-only file system";
    assert_eq!(node.output(container, script).await, expect);
    assert_eq!(std::fs::read_to_string(volume.join("x")).unwrap(), "new\n");
    assert_eq!(std::fs::read_to_string(upper.join("etc/group")).unwrap(), "from above\n");
    node.end().await;
    assert!(volume.join("file").exists());
}

/// Pins a new network namespace, as the pod network does.
fn pin_netns(path: &Path) {
    std::fs::write(path, "").unwrap();
    let path = path.to_owned();
    std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        rustix::mount::mount_bind("/proc/thread-self/ns/net", &path).unwrap();
    })
    .join()
    .unwrap();
}
