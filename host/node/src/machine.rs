//! Facts about the machine, read once at start.

use std::path::Path;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    pub hostname: String,
    pub cpus: i64,
    pub memory_bytes: i64,
    pub storage_bytes: i64,
    pub machine_id: String,
    pub system_uuid: String,
    pub boot_id: String,
    pub kernel: String,
    pub os_image: String,
    /// As Go names it: `amd64`, `arm64`, `arm`, `riscv64`.
    pub architecture: &'static str,
}

impl Machine {
    /// Reads `/proc`, `/etc` and the file system of `data_dir`. What cannot be read is empty or zero.
    pub fn read(data_dir: &Path) -> Self {
        let line = |path: &str| std::fs::read_to_string(path).map(|t| t.trim().to_owned()).unwrap_or_default();
        let hostname = nix::unistd::gethostname().map(|h| h.to_string_lossy().into_owned()).unwrap_or_default();
        let storage = nix::sys::statvfs::statvfs(data_dir).ok().map(|s| i128::from(s.blocks()) * i128::from(s.fragment_size()));
        Self {
            hostname,
            cpus: std::thread::available_parallelism().ok().and_then(|n| i64::try_from(n.get()).ok()).unwrap_or(1),
            memory_bytes: memory_total(&line("/proc/meminfo")),
            storage_bytes: storage.and_then(|b| i64::try_from(b).ok()).unwrap_or_default(),
            machine_id: line("/etc/machine-id"),
            system_uuid: line("/sys/class/dmi/id/product_uuid"),
            boot_id: line("/proc/sys/kernel/random/boot_id"),
            kernel: line("/proc/sys/kernel/osrelease"),
            os_image: pretty_name(&line("/etc/os-release")),
            architecture: go_architecture(std::env::consts::ARCH),
        }
    }
}

fn memory_total(meminfo: &str) -> i64 {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<i64>().ok());
    kib.unwrap_or_default() * 1024
}

fn pretty_name(os_release: &str) -> String {
    let line = os_release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="));
    line.map(|name| name.trim_matches('"').to_owned()).unwrap_or_else(|| "Linux".to_owned())
}

fn go_architecture(rust: &'static str) -> &'static str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        assert_eq!(memory_total("MemTotal:       16 kB\nMemFree: 1 kB"), 16384);
        assert_eq!(pretty_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\""), "Debian GNU/Linux 12");
        assert_eq!((go_architecture("x86_64"), go_architecture("riscv64")), ("amd64", "riscv64"));
        let machine = Machine::read(Path::new("/"));
        assert!(machine.cpus > 0 && machine.memory_bytes > 0 && machine.storage_bytes > 0);
    }
}
