//! `process_*`, as every Prometheus client tells them: from `/proc/self`.

use super::text::Text;
use std::fs;
use std::time::UNIX_EPOCH;

/// Units of times in `/proc/self/stat`: `USER_HZ`, which is 100 on every architecture that Linux runs on today.
const TICKS: f64 = 100.0;

pub fn render(text: &mut Text) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
        text.head("process_cpu_seconds_total", "counter", "User and system time spent, in seconds.");
        text.line("process_cpu_seconds_total", "", (stat.user + stat.system) / TICKS);
        text.head("process_virtual_memory_bytes", "gauge", "Address space in use.");
        text.line("process_virtual_memory_bytes", "", stat.virtual_bytes);
        if let Some(boot) = boot_time() {
            text.head("process_start_time_seconds", "gauge", "Start of the process, in seconds since 1970.");
            text.line("process_start_time_seconds", "", boot + stat.started / TICKS);
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kilobytes) = status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()) {
        text.head("process_resident_memory_bytes", "gauge", "Memory in use.");
        text.line("process_resident_memory_bytes", "", kilobytes * 1024);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        text.head("process_open_fds", "gauge", "Open file descriptors.");
        // One of them reads the directory.
        text.line("process_open_fds", "", open.count().saturating_sub(1));
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = limits.lines().find_map(|l| l.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<u64>().ok()) {
        text.head("process_max_fds", "gauge", "File descriptors that may be open.");
        text.line("process_max_fds", "", most);
    }
}

struct Stat {
    user: f64,
    system: f64,
    /// Since the machine started.
    started: f64,
    virtual_bytes: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name may hold anything, but nothing after its parenthesis does.
        let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
        // Numbered from 3 in proc(5).
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            user: field(14)?.parse().ok()?,
            system: field(15)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
            virtual_bytes: field(23)?.parse().ok()?,
        })
    }
}

/// Seconds since 1970, to the precision of the clock and not of `btime`, which is whole seconds.
fn boot_time() -> Option<f64> {
    let up: f64 = fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    Some(((now - up) * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_do_no_harm() {
        let stat = Stat::parse("7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 8 0 4200 1048576 300 x").unwrap();
        assert_eq!((stat.user, stat.system, stat.started, stat.virtual_bytes), (150.0, 50.0, 4200.0, 1_048_576));
        assert!(Stat::parse("7 (a").is_none());
    }
}
