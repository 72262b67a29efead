//! What a container sees beside its root: the kernel's file systems, the pod's files, its volumes.

use crate::error::os;
use crate::rootfs::Bundle;
use interfaces::workload::{Container, Error, Mount, Sandbox};
use serde_json::{Value, json};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What the containers of a pod share, as paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    /// Mounted at `/dev/shm`; `None`: the host's.
    pub(crate) shm: Option<PathBuf>,
    /// The pod's process namespace.
    pub(crate) pid: Option<PathBuf>,
}

pub(super) fn build(sandbox: &Sandbox, container: &Container, bundle: &Bundle, shared: &Shared) -> Value {
    let privileged = container.security.privileged;
    let mode = if privileged { "rw" } else { "ro" };
    let kernel =
        |typ: &str, target: &str, options: &[&str]| json!({ "destination": target, "type": typ, "source": typ, "options": options });
    let shm = shared.shm.clone().unwrap_or_else(|| "/dev/shm".into());
    let mut mounts = vec![
        kernel("proc", "/proc", &["nosuid", "noexec", "nodev"]),
        kernel("tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        kernel("devpts", "/dev/pts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        json!({ "destination": "/dev/shm", "type": "bind", "source": shm, "options": ["rbind", "nosuid", "noexec", "nodev"] }),
        kernel("mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"]),
        kernel("sysfs", "/sys", &["nosuid", "noexec", "nodev", mode]),
        kernel("cgroup", "/sys/fs/cgroup", &["nosuid", "noexec", "nodev", "relatime", mode]),
    ];
    let mut own: Vec<Value> = Vec::new();
    let mut volumes: Vec<&Mount> = sandbox.etc.iter().collect();
    // A volume at a pod's file takes its place.
    volumes.retain(|etc| !container.mounts.iter().any(|m| m.target == etc.target));
    volumes.extend(&container.mounts);
    if !container.termination_message_path.is_empty() {
        own.push(json!({
            "destination": container.termination_message_path,
            "type": "bind",
            "source": bundle.termination_log(),
            "options": ["rbind", "rprivate", "rw"],
        }));
    }
    own.extend(volumes.into_iter().map(volume));
    // A volume at one of the kernel's places takes it.
    mounts.retain(|mount| !own.iter().any(|volume| volume["destination"] == mount["destination"]));
    own.sort_by_key(|mount| mount["destination"].as_str().map(|path| Path::new(path).components().count()));
    mounts.extend(own);
    mounts.into()
}

/// libcontainer clones a volume's mount with the propagation that its root has at the time: one value for all of a container's
/// volumes, so the widest that one of them asks for.
pub(super) fn propagation(container: &Container) -> &'static str {
    let asks = |name: &str| container.mounts.iter().any(|mount| mount.propagation == name);
    match (asks("rshared"), asks("rslave")) {
        (true, _) => "shared",
        (false, true) => "slave",
        (false, false) => "private",
    }
}

fn volume(mount: &Mount) -> Value {
    let mode = if mount.read_only { "ro" } else { "rw" };
    if mount.fs_type.is_empty() || mount.fs_type == "bind" {
        let propagation = match mount.propagation.as_str() {
            "" | "private" => "rprivate",
            other => other,
        };
        let mut options = vec!["rbind", propagation, mode];
        options.extend(mount.options.iter().map(String::as_str));
        json!({ "destination": mount.target, "type": "bind", "source": mount.source, "options": options })
    } else {
        let mut options: Vec<&str> = vec![mode];
        options.extend(mount.options.iter().map(String::as_str));
        let source = if mount.source.as_os_str().is_empty() { Path::new(&mount.fs_type) } else { &mount.source };
        json!({ "destination": mount.target, "type": mount.fs_type, "source": source, "options": options })
    }
}

/// Says which source of a bind mount is missing, before libcontainer fails without naming it.
pub(crate) fn check_sources(sandbox: &Sandbox, container: &Container) -> Result<(), Error> {
    for mount in sandbox.etc.iter().chain(&container.mounts) {
        if !mount.target.is_absolute() {
            return Err(Error::Create { message: format!("invalid mount target \"{}\": not an absolute path", mount.target.display()) });
        }
        if (mount.fs_type.is_empty() || mount.fs_type == "bind")
            && let Err(error) = std::fs::metadata(&mount.source)
        {
            let source = mount.source.display();
            return Err(Error::Create { message: format!("failed to generate spec: failed to stat \"{source}\": {}", os(&error)) });
        }
    }
    Ok(())
}

/// The device nodes of the host, for a privileged container. What is mounted below `/dev` is not the host's business.
pub(super) fn host_devices() -> Vec<Value> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from("/dev")];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let Ok(metadata) = entry.metadata() else { continue };
            let kind = metadata.file_type();
            if kind.is_dir() {
                if !["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"].iter().any(|skip| name == *skip) {
                    directories.push(path);
                }
            } else if (kind.is_char_device() || kind.is_block_device()) && name != "console" {
                let number = metadata.rdev();
                found.push(json!({
                    "path": path,
                    "type": if kind.is_char_device() { "c" } else { "b" },
                    "major": rustix::fs::major(number),
                    "minor": rustix::fs::minor(number),
                    "fileMode": metadata.mode() & 0o7777,
                    "uid": metadata.uid(),
                    "gid": metadata.gid(),
                }));
            }
        }
    }
    found
}
