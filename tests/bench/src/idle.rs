//! Start to ready, and what an idle node costs.

use crate::process;
use crate::table::{Table, millis};
use std::time::{Duration, Instant};
use tests::{Cluster, Options};

/// Between two looks at `/readyz`.
const LOOK: Duration = Duration::from_millis(1);
/// Long enough for several heartbeats of the node.
const IDLE: Duration = Duration::from_secs(120);

pub fn run() {
    let mut table = Table::new("Start and idle node");
    let cluster = Cluster::new(Options::default());
    let first = ready(&cluster);
    cluster.wait_ready();
    cluster.stop();
    let again = ready(&cluster);
    cluster.wait_ready();
    table.row("process start → /readyz, first start (makes the CA)", millis(first), "");
    table.row("process start → /readyz, later starts", millis(again), "100 ms");

    let pid = process::server(&cluster);
    let (written, cpu) = (process::figure(pid, "io", "write_bytes"), process::cpu(pid));
    std::thread::sleep(IDLE);
    let written = process::figure(pid, "io", "write_bytes") - written;
    let cpu = process::cpu(pid) - cpu;
    table.row("idle RSS, everything in one process", format!("{:.1} MiB", process::rss_mib(pid)), "64 MiB");
    let own = process::figure(pid, "status", "RssAnon") as f64 / 1024.0;
    table.row("of that anonymous (not the binary's own pages)", format!("{own:.1} MiB"), "");
    table.row("idle disk writes", format!("{:.2} KiB/s", written as f64 / 1024.0 / IDLE.as_secs_f64()), "1 KiB/s");
    table.row("idle CPU", format!("{:.2} % of a core", cpu.as_secs_f64() / IDLE.as_secs_f64() * 100.0), "0.5 %");
    let size = std::fs::metadata(tests::paths::coracle()).map(|m| m.len()).unwrap_or_default();
    table.row("binary, stripped", format!("{:.1} MiB", size as f64 / 1024.0 / 1024.0), "40 MiB");
}

fn ready(cluster: &Cluster) -> Duration {
    let start = Instant::now();
    cluster.spawn();
    while !cluster.kubeconfig().is_file() {
        std::thread::sleep(LOOK);
    }
    cluster.typed(|client| async move {
        loop {
            let request = http::Request::get("/readyz").body(Vec::new()).expect("a request can be made");
            if client.request_text(request).await.is_ok() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    start.elapsed()
}
