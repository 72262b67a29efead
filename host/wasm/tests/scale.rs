//! Figures, not checks: `cargo test -p wasm --test scale -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)] // As in a test.

#[path = "support/node.rs"]
mod support;

use interfaces::workload::{ImageSource, Phase, Runtime};
use std::time::Instant;
use support::{Netns, Node, built};

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures"]
async fn idle_containers() {
    let count: u64 = std::env::var("COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(1000);
    wasm::host::raise_limits();
    for (what, name, args) in [("sleeping command", "cli-args", &["sleep", "100000"][..]), ("http service", "echo-http", &[])] {
        let (Some(path), Some(netns)) = (built(name), Netns::new()) else { return };
        let begin = Instant::now();
        let node = Node::new();
        eprintln!("runtime made in {:?}, {} MiB resident", begin.elapsed(), resident_kib() >> 10);
        let image = ImageSource::Component { path, digest: String::new() };
        let mut before = 0;
        let mut begin = Instant::now();
        for n in 0..=count {
            let mut sandbox = node.sandbox(&format!("pod-{n}"));
            netns.hold(&mut sandbox);
            let mut container = node.container(image.clone(), args);
            container.log_path = node.directory.path().join(format!("log-{n}"));
            container.ports = vec![u16::try_from(1024 + n).unwrap()];
            let state = node.runtime.start(&sandbox, &container).await.unwrap();
            assert_eq!(state.phase, Phase::Running);
            if n == 0 {
                // The first compiles, or loads, the component.
                before = resident_kib();
                eprintln!("first {what} after {:?}, {} MiB resident", begin.elapsed(), before >> 10);
                begin = Instant::now();
            }
        }
        let started = begin.elapsed();
        let all_run = async || {
            let usage = node.runtime.usage().await.unwrap();
            usage.iter().filter(|usage| args.is_empty() || usage.memory_bytes > 0).count() as u64 == count + 1
        };
        while !all_run().await {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let marginal = (resident_kib() - before) / count;
        begin = Instant::now();
        let pods = (0..=count).map(|n| node.sandbox(&format!("pod-{n}")).pod);
        futures::future::join_all(pods.map(async |pod| node.runtime.remove_pod(&pod).await.unwrap())).await;
        eprintln!("removed in {:?}, {} MiB resident", begin.elapsed(), resident_kib() >> 10);
        eprintln!("{what}: {count} in {started:?} ({:?} each), {marginal} KiB each", started / u32::try_from(count).unwrap());
    }
}
