//! What the kernel tells of a process.

use std::fs::read_to_string;
use std::time::Duration;
use tests::Cluster;

/// The server's process as this machine numbers it: the one whose command line names the cluster's data directory.
pub fn server(cluster: &Cluster) -> u32 {
    let data = cluster.data().display().to_string();
    let is_server = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
        words.get(1) == Some(&b"server".as_slice()) && words.contains(&data.as_bytes())
    };
    let all = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(is_server).expect("the server runs")
}

/// User and system time so far.
pub fn cpu(pid: u32) -> Duration {
    let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<i64> = after.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    // Fields 14 and 15 of proc(5) are utime and stime, in hundredths of a second; `fields` begins with the fourth.
    let ticks = fields.get(10).unwrap_or(&0) + fields.get(11).unwrap_or(&0);
    Duration::from_millis(u64::try_from(ticks).unwrap_or_default() * 10)
}

/// A line of `/proc/PID/status` or `/proc/PID/io`, its number.
pub fn figure(pid: u32, file: &str, name: &str) -> u64 {
    let text = read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
    line.and_then(|l| l.split_whitespace().next().and_then(|n| n.parse().ok())).unwrap_or_default()
}

pub fn rss_mib(pid: u32) -> f64 {
    figure(pid, "status", "VmRSS") as f64 / 1024.0
}
