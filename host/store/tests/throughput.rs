//! Figures, not promises: `cargo test -p store --release --test throughput -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use store::redb::{Config, RedbStore};
use store::{Compare, Op, Store, Txn};

fn cpu() -> std::time::Duration {
    let usage = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = usage.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    std::time::Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn durable_creates_of_1_kib() {
    for connections in [1_u64, 16, 64] {
        let folder = tempfile::tempdir_in(std::env::var("STORE_BENCH_DIR").unwrap_or("/tmp".to_owned())).unwrap();
        let store = RedbStore::open(folder.path().join("state.redb"), Config::default()).unwrap();
        let count = if connections == 1 { 500 } else { 20_000 / connections };
        let (start, before) = (Instant::now(), cpu());
        let work = (0..connections).map(|connection| {
            let store: Arc<dyn Store> = store.clone();
            tokio::spawn(async move {
                for index in 0..count {
                    let key = Bytes::from(format!("/registry/pods/default/pod-{connection}-{index}"));
                    let ops = vec![Op::Put { key: key.clone(), value: Bytes::from(vec![b'x'; 1024]) }];
                    store.txn(Txn { compares: vec![Compare::Absent(key)], ops, ..Txn::default() }).await.unwrap();
                }
            })
        });
        futures::future::join_all(work).await;
        let (took, used, all) = (start.elapsed(), cpu() - before, connections * count);
        let start = Instant::now();
        let page = store.range(b"/", b"0", 0, None).await.unwrap();
        let list = start.elapsed();
        let start = Instant::now();
        for entry in page.entries.iter().take(5000) {
            store.get(&entry.key).await.unwrap();
        }
        let gets = start.elapsed() / 5000.min(page.entries.len() as u32);
        println!(
            "{connections:3} connections: {:7.0} creates/s, {:5.1} us of CPU each; list of {}: {list:?}; get: {gets:?}",
            all as f64 / took.as_secs_f64(),
            used.as_micros() as f64 / all as f64,
            page.entries.len(),
        );
    }
}

#[tokio::test]
#[ignore = "prints figures"]
async fn bytes_written_by_a_small_update() {
    let written = || {
        let io = std::fs::read_to_string("/proc/self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse::<u64>().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path().join("state.redb"), Config::default()).unwrap();
    for round in 0..20 {
        let before = written();
        for _ in 0..50 {
            let ops = vec![Op::Put { key: Bytes::from_static(b"/registry/leases/node"), value: Bytes::from(vec![b'x'; 400]) }];
            store.txn(Txn { ops, ..Txn::default() }).await.unwrap();
        }
        if round % 5 == 4 {
            println!("{} bytes per commit", (written() - before) / 50);
        }
    }
}
