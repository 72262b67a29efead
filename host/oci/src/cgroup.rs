//! Reading and ending a container's control groups. libcontainer makes them and sets the limits; what it offers for reading
//! touches every controller, where two files are enough.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// How often 10 ms are waited for killed processes to leave a group.
const DYING: u32 = 50;

/// Where the hierarchies are mounted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Hierarchies {
    /// cgroup v2 alone.
    Unified(PathBuf),
    /// cgroup v1, also with a v2 hierarchy without controllers beside it: controller and its directory.
    Split(Vec<(String, PathBuf)>),
}

/// The hierarchies of this machine; `None` when there are none.
pub(crate) fn hierarchies() -> Option<&'static Hierarchies> {
    static FOUND: OnceLock<Option<Hierarchies>> = OnceLock::new();
    FOUND.get_or_init(|| parse(&fs::read_to_string("/proc/self/mountinfo").ok()?)).as_ref()
}

/// `36 35 98:0 /root /mount/point rw,noatime shared:1 - cgroup cgroup rw,memory`
fn parse(mountinfo: &str) -> Option<Hierarchies> {
    let mut split = Vec::new();
    let mut unified = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(point) = left.split(' ').nth(4) else { continue };
        let mut right = right.split(' ');
        match (right.next(), right.nth(1)) {
            (Some("cgroup"), Some(options)) => {
                split.extend(options.split(',').map(|option| (option.to_owned(), PathBuf::from(point))));
            }
            (Some("cgroup2"), _) if unified.is_none() => unified = Some(PathBuf::from(point)),
            _ => {}
        }
    }
    const CONTROLLERS: &[&str] = &["memory", "cpu", "cpuacct", "pids", "devices", "freezer", "cpuset", "blkio", "hugetlb", "perf_event"];
    split.retain(|(option, _)| CONTROLLERS.contains(&option.as_str()) || option.starts_with("name="));
    if split.iter().any(|(option, _)| option == "memory" || option == "cpu") {
        return Some(Hierarchies::Split(split));
    }
    unified.map(Hierarchies::Unified)
}

impl Hierarchies {
    fn controller(&self, name: &str, group: &str) -> Option<PathBuf> {
        match self {
            Self::Unified(root) => Some(root.join(group)),
            Self::Split(split) => split.iter().find(|(option, _)| option == name).map(|(_, root)| root.join(group)),
        }
    }

    fn roots(&self) -> Vec<&Path> {
        match self {
            Self::Unified(root) => vec![root],
            Self::Split(split) => {
                let mut roots: Vec<&Path> = split.iter().map(|(_, root)| root.as_path()).collect();
                roots.sort_unstable();
                roots.dedup();
                roots
            }
        }
    }
}

pub(crate) fn is_unified() -> bool {
    matches!(hierarchies(), Some(Hierarchies::Unified(_)))
}

/// Whether this kernel accounts swap.
pub(crate) fn limits_swap() -> bool {
    match hierarchies() {
        Some(Hierarchies::Unified(root)) => children(root).iter().any(|group| group.join("memory.swap.max").exists()),
        Some(split) => split.controller("memory", "").is_some_and(|root| root.join("memory.memsw.limit_in_bytes").exists()),
        None => false,
    }
}

/// Gives a pod's group the processor share that its containers ask for together, of those on the node.
pub(crate) fn set_cpu_request(group: &str, milli: i64) {
    let Some(hierarchies) = hierarchies() else { return };
    let shares = crate::spec::cpu_shares(milli);
    let (file, value) = match hierarchies {
        // Shares 2..262144 onto weights 1..10000, as the kubelet maps them.
        Hierarchies::Unified(_) => ("cpu.weight", 1 + (shares - 2) * 9999 / 262_142),
        Hierarchies::Split(_) => ("cpu.shares", shares),
    };
    if let Some(directory) = hierarchies.controller("cpu", group)
        && let Err(error) = fs::write(directory.join(file), value.to_string())
    {
        tracing::error!(%error, group, "the pod's processor share is not set");
    }
}

fn number(path: &Path, key: Option<&str>) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    match key {
        None => text.trim().parse().ok(),
        Some(key) => text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok()),
    }
}

/// Processor time in nanoseconds and the working set in bytes (what is used without inactive file pages, as the kubelet counts).
pub(crate) fn usage(group: &str) -> Option<(u64, u64)> {
    let hierarchies = hierarchies()?;
    let memory = hierarchies.controller("memory", group);
    let (cpu, used, inactive) = match hierarchies {
        Hierarchies::Unified(root) => {
            let cpu = number(&root.join(group).join("cpu.stat"), Some("usage_usec ")).map(|usec| usec.saturating_mul(1000));
            (cpu, "memory.current", "inactive_file ")
        }
        Hierarchies::Split(_) => {
            let cpu = hierarchies.controller("cpuacct", group).and_then(|dir| number(&dir.join("cpuacct.usage"), None));
            (cpu, "memory.usage_in_bytes", "total_inactive_file ")
        }
    };
    let memory = memory.and_then(|dir| {
        let used = number(&dir.join(used), None)?;
        Some(used.saturating_sub(number(&dir.join("memory.stat"), Some(inactive)).unwrap_or(0)))
    });
    Some((cpu?, memory.unwrap_or(0)))
}

/// How many of the group's processes the kernel has killed for memory.
pub(crate) fn oom_kills(group: &str) -> u64 {
    let Some(hierarchies) = hierarchies() else { return 0 };
    let file = if is_unified() { "memory.events" } else { "memory.oom_control" };
    hierarchies.controller("memory", group).and_then(|dir| number(&dir.join(file), Some("oom_kill "))).unwrap_or(0)
}

/// Sends SIGKILL to every process of the group and the groups below it.
pub(crate) fn kill(group: &str) {
    let Some(hierarchies) = hierarchies() else { return };
    if let Hierarchies::Unified(root) = hierarchies {
        // Since Linux 5.14.
        if fs::write(root.join(group).join("cgroup.kill"), "1").is_ok() {
            return;
        }
    }
    if let Some(directory) = hierarchies.controller("pids", group).or_else(|| hierarchies.controller("memory", group)) {
        kill_below(&directory);
    }
}

fn kill_below(directory: &Path) {
    for child in children(directory) {
        kill_below(&child);
    }
    let Ok(procs) = fs::read_to_string(directory.join("cgroup.procs")) else { return };
    for pid in procs.lines().filter_map(|line| line.parse().ok()).filter_map(rustix::process::Pid::from_raw) {
        // Already gone is what is wanted.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())).map(|entry| entry.path()).collect()
}

/// Removes the group and the groups below it, from all hierarchies. Without processes in it; absent is fine.
pub(crate) fn remove(group: &str) -> io::Result<()> {
    let Some(hierarchies) = hierarchies() else { return Ok(()) };
    let mut outcome = Ok(());
    for root in hierarchies.roots() {
        // The name is relative, and not the root's.
        if !group.trim_matches('/').is_empty()
            && let Err(error) = remove_below(&root.join(group.trim_start_matches('/')))
        {
            outcome = Err(error);
        }
    }
    outcome
}

fn remove_below(directory: &Path) -> io::Result<()> {
    for child in children(directory) {
        remove_below(&child)?;
    }
    for _ in 0..DYING {
        match fs::remove_dir(directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            // The kernel tells nobody on v1 when the last one is gone.
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
    fs::remove_dir(directory)
}

/// Moves the calling process into the group, in the hierarchies that account what it uses. Best effort: a shim that stays where
/// it was started is counted there.
pub(crate) fn join(group: &str) -> io::Result<()> {
    let Some(hierarchies) = hierarchies() else { return Ok(()) };
    let directories: Vec<PathBuf> = match hierarchies {
        Hierarchies::Unified(root) => vec![root.join(group)],
        // The named hierarchy is systemd's: what is in the agent's unit there ends with the unit.
        Hierarchies::Split(_) => ["memory", "name=systemd"].iter().filter_map(|name| hierarchies.controller(name, group)).collect(),
    };
    for directory in directories {
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("cgroup.procs"), "0")?;
    }
    Ok(())
}

/// Moves the calling process to the root, so that the group it is in can be removed.
pub(crate) fn leave() {
    let Some(hierarchies) = hierarchies() else { return };
    for root in hierarchies.roots() {
        if let Err(error) = fs::write(root.join("cgroup.procs"), "0") {
            tracing::debug!(%error, root = %root.display(), "stays in its control group");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_from_mountinfo() {
        let check = |lines: &str, expect: Option<Hierarchies>| assert_eq!(parse(lines), expect, "{lines}");
        let split = |pairs: &[(&str, &str)]| {
            Hierarchies::Split(pairs.iter().map(|(name, path)| ((*name).to_owned(), PathBuf::from(path))).collect())
        };
        check("", None);
        check("24 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", Some(Hierarchies::Unified("/sys/fs/cgroup".into())));
        check(
            "30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
             31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            Some(split(&[
                ("cpu", "/sys/fs/cgroup/cpu,cpuacct"),
                ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct"),
                ("memory", "/sys/fs/cgroup/memory"),
            ])),
        );
        check(
            "31 24 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
             32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            Some(Hierarchies::Unified("/sys/fs/cgroup/unified".into())),
        );
    }
}
