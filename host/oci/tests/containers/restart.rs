//! Agents come and go; shims die.

use crate::fixture::{Node, ended, manager};
use interfaces::workload::Phase;

fn shim_of(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split(' ').nth(2).unwrap().parse().unwrap()
}

#[tokio::test]
async fn containers_outlive_the_agent() {
    let Some(mut node) = Node::new() else { return };
    let running = node.start(&node.shell("running", "while :; do sleep 1; done")).await;
    let exited = node.run(&node.shell("exited", "exit 7")).await;
    // libcontainer forks, which only a process of one thread may; and there is one such process per pod.
    let status = std::fs::read_to_string(format!("/proc/{}/status", shim_of(running.pid))).unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert_eq!(field("Threads:"), 1);
    println!("shim: {} kB anonymous, {} kB with files", field("RssAnon:"), field("VmRSS:"));
    assert!(field("RssAnon:") < 4096, "{status}");
    node.runtime = manager(node.path());
    let mut events = node.runtime.events().await.unwrap();
    let mut states = node.runtime.list().await.unwrap();
    states.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(states, [exited, running.clone()]);
    let stopped = node.runtime.stop(&running.id, 0).await.unwrap();
    assert_eq!(ended(&mut events, &running.id).await, stopped);
    node.end().await;
}

#[tokio::test]
async fn a_lost_shim_takes_its_containers_with_it() {
    let Some(node) = Node::new() else { return };
    let mut events = node.runtime.events().await.unwrap();
    let running = node.start(&node.shell("running", "while :; do sleep 1; done")).await;
    let exited = node.run(&node.shell("exited", "exit 7")).await;
    let shim = rustix::process::Pid::from_raw(shim_of(running.pid)).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    let lost = ended(&mut events, &running.id).await;
    assert_eq!((lost.phase, lost.exit_code, lost.reason.as_str()), (Phase::Exited, 137, "Error"));
    assert!(lost.message.contains("shim"), "{}", lost.message);
    let mut states = node.runtime.list().await.unwrap();
    states.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(states, [exited.clone(), lost]);
    node.runtime.remove(&exited.id).await.unwrap();
    // The next attempt runs under a new shim.
    let mut container = node.shell("running", "exit 0");
    container.attempt = 1;
    assert_eq!(node.run(&container).await.exit_code, 0);
    assert_eq!(node.runtime.list().await.unwrap().len(), 2);
    node.end().await;
}

#[tokio::test]
async fn a_shim_lost_between_agents_is_noticed() {
    let Some(mut node) = Node::new() else { return };
    let running = node.start(&node.shell("running", "while :; do sleep 1; done")).await;
    let shim = rustix::process::Pid::from_raw(shim_of(running.pid)).unwrap();
    // Another agent, which was not there when it happened.
    let later = manager(node.path());
    let mut events = node.runtime.events().await.unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    let lost = ended(&mut events, &running.id).await;
    node.runtime = later;
    assert_eq!(node.runtime.list().await.unwrap(), [lost]);
    node.end().await;
}
