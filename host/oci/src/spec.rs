//! The OCI runtime configuration (`config.json`) of one container.
//! Source: opencontainers/runtime-spec; defaults as containerd's CRI plugin chooses them.

mod mounts;
mod resources;

use crate::rootfs::Bundle;
use crate::user::User;
use crate::{capability, cgroup, executor};
use interfaces::workload::{Container, Error, Sandbox, Seccomp};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) use mounts::{Shared, check_sources};
pub(crate) use resources::cpu_shares;

/// Where programs are looked for when the image does not say.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Files of the host's kernel that a container must not read.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Files of the host's kernel that a container must not write.
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The configuration, and what the [`executor`] does of it.
pub(crate) struct Spec {
    pub(crate) config: Value,
    pub(crate) capabilities: Vec<String>,
    /// Whether libcontainer is given more capabilities than the container keeps.
    pub(crate) narrow: bool,
}

/// Everything of it is resolved: `user` by the image's files, `shared` by the pod's namespaces.
///
/// # Errors
/// `Create`, with a sentence for the container's status.
pub(crate) fn build(sandbox: &Sandbox, container: &Container, bundle: &Bundle, user: &User, shared: &Shared) -> Result<Spec, Error> {
    let security = &container.security;
    let capabilities = capability::resolve(
        security.privileged,
        // The device controller is a program of its own in cgroup v2, which libcontainer would need libbpf for.
        !cgroup::is_unified(),
        &security.add_capabilities,
        &security.drop_capabilities,
    )
    .map_err(|message| Error::Create { message })?;
    let no_new_privileges = !security.allow_privilege_escalation && !security.privileged;
    let seccomp = !security.privileged && security.seccomp != Seccomp::Unconfined;
    let narrow = seccomp && !no_new_privileges && executor::NEEDED.iter().any(|name| !capabilities.iter().any(|c| c == name));
    let mut setup = capabilities.clone();
    if narrow {
        setup.extend(executor::NEEDED.iter().map(|name| (*name).to_owned()));
        setup.sort_unstable();
        setup.dedup();
    }
    let setup: Vec<String> = setup.iter().map(|name| format!("CAP_{name}")).collect();

    let unmasked = security.privileged || security.masked_paths_off;
    let config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": container.tty,
            "user": { "uid": user.uid, "gid": user.gid, "umask": 0o022, "additionalGids": user.groups },
            "args": container.args,
            "env": environment(sandbox, container, user),
            "cwd": working_directory(container),
            // Neither inheritable nor ambient: a user other than root has none after `execve`, as everywhere.
            "capabilities": { "bounding": setup, "effective": setup, "permitted": setup },
            "noNewPrivileges": no_new_privileges,
        },
        "root": { "path": bundle.rootfs(), "readonly": security.read_only_root },
        "mounts": mounts::build(sandbox, container, bundle, shared),
        "linux": {
            "resources": resources::build(&container.resources, security.privileged),
            "cgroupsPath": format!("/{}", group(sandbox, &container.name, container.attempt)),
            "namespaces": namespaces(sandbox, shared),
            "devices": if security.privileged { mounts::host_devices() } else { Vec::new() },
            "maskedPaths": if unmasked { &[][..] } else { MASKED },
            "readonlyPaths": if unmasked { &[][..] } else { READ_ONLY },
            "rootfsPropagation": mounts::propagation(container),
        },
    });
    Ok(Spec { config, capabilities, narrow })
}

/// The container's control group, relative to each hierarchy's root.
pub(crate) fn group(sandbox: &Sandbox, name: &str, attempt: u32) -> String {
    format!("{}/{name}-{attempt}", sandbox.cgroup_parent.trim_matches('/'))
}

pub(crate) fn working_directory(container: &Container) -> &Path {
    Path::new(if container.working_dir.is_empty() { "/" } else { &container.working_dir })
}

fn environment(sandbox: &Sandbox, container: &Container, user: &User) -> Vec<String> {
    let has = |name: &str| container.env.iter().any(|(key, _)| key == name);
    let mut env = Vec::with_capacity(container.env.len() + 4);
    if !has("PATH") {
        env.push(PATH.to_owned());
    }
    if !has("HOSTNAME") && !sandbox.hostname.is_empty() {
        env.push(format!("HOSTNAME={}", sandbox.hostname));
    }
    if !has("HOME") {
        env.push(format!("HOME={}", user.home));
    }
    if container.tty && !has("TERM") {
        env.push("TERM=xterm".to_owned());
    }
    env.extend(container.env.iter().map(|(key, value)| format!("{key}={value}")));
    env
}

/// Network, IPC and UTS are the shim's own, which is in the pod's; only what differs per container is named.
fn namespaces(sandbox: &Sandbox, shared: &Shared) -> Value {
    let mut namespaces = vec![json!({ "type": "mount" })];
    match &shared.pid {
        Some(path) => namespaces.push(json!({ "type": "pid", "path": path })),
        None if sandbox.host_pid => {}
        None => namespaces.push(json!({ "type": "pid" })),
    }
    if cgroup::is_unified() {
        namespaces.push(json!({ "type": "cgroup" }));
    }
    namespaces.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use interfaces::workload::{Mount, Resources, Security};
    use std::path::PathBuf;

    fn container() -> Container {
        Container { name: "c".to_owned(), attempt: 2, args: vec!["/bin/true".to_owned()], ..Default::default() }
    }

    fn sandbox() -> Sandbox {
        Sandbox { hostname: "web-0".to_owned(), cgroup_parent: "coracle/podx".to_owned(), ..Default::default() }
    }

    /// `pointer` of the configuration built from `container`, and that libcontainer reads it.
    fn get(sandbox: &Sandbox, container: &Container, pointer: &str) -> Value {
        let shared = Shared { shm: Some("/pod/shm".into()), pid: None };
        let spec = build(sandbox, container, &Bundle("/bundle".into()), &User::default(), &shared).unwrap();
        serde_json::from_value::<libcontainer::oci_spec::runtime::Spec>(spec.config.clone()).unwrap();
        spec.config.pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    #[test]
    fn fields() {
        let check = |change: &dyn Fn(&mut Sandbox, &mut Container), pointer: &str, expect: Value| {
            let (mut sandbox, mut container) = (sandbox(), container());
            change(&mut sandbox, &mut container);
            assert_eq!(get(&sandbox, &container, pointer), expect, "{pointer}");
        };
        check(&|_, _| {}, "/process/cwd", json!("/"));
        check(&|_, _| {}, "/process/env", json!([PATH, "HOSTNAME=web-0", "HOME="]));
        check(&|_, c| c.env = vec![("PATH".to_owned(), "/x".to_owned())], "/process/env", json!(["HOSTNAME=web-0", "HOME=", "PATH=/x"]));
        check(&|_, c| c.tty = true, "/process/env/3", json!("TERM=xterm"));
        check(&|_, _| {}, "/linux/cgroupsPath", json!("/coracle/podx/c-2"));
        check(&|_, _| {}, "/process/noNewPrivileges", json!(true));
        check(&|_, c| c.security.allow_privilege_escalation = true, "/process/noNewPrivileges", json!(false));
        check(&|_, c| c.security.read_only_root = true, "/root/readonly", json!(true));
        check(&|_, c| c.security.privileged = true, "/linux/maskedPaths", json!([]));
        check(&|_, c| c.security.masked_paths_off = true, "/linux/readonlyPaths", json!([]));
        check(&|_, _| {}, "/linux/readonlyPaths/0", json!("/proc/bus"));
        check(&|s, _| s.host_pid = true, "/linux/namespaces/1/type", if cgroup::is_unified() { json!("cgroup") } else { Value::Null });
        check(
            &|_, c| c.resources = Resources { memory_limit_bytes: 1 << 20, ..Default::default() },
            "/linux/resources/memory/limit",
            json!(1 << 20),
        );
        check(
            &|_, c| c.resources = Resources { cpu_limit_milli: 250, cpu_request_milli: 100, ..Default::default() },
            "/linux/resources/cpu",
            json!({ "shares": 102, "quota": 25000, "period": 100000 }),
        );
        check(&|_, _| {}, "/linux/resources/cpu", json!({ "shares": 2 }));
        let propagation = |name: &'static str| {
            move |_: &mut Sandbox, c: &mut Container| c.mounts.push(Mount { propagation: name.to_owned(), ..Default::default() })
        };
        check(&propagation(""), "/linux/rootfsPropagation", json!("private"));
        check(&propagation("rslave"), "/linux/rootfsPropagation", json!("slave"));
        check(&propagation("rshared"), "/linux/rootfsPropagation", json!("shared"));
        check(&|_, c| c.resources.pids_limit = 7, "/linux/resources/pids/limit", json!(7));
    }

    #[test]
    fn capabilities_for_setup_are_taken_back() {
        let check = |security: Security, expect: bool| {
            let container = Container { security, ..container() };
            let spec = build(&sandbox(), &container, &Bundle("/b".into()), &User::default(), &Shared::default()).unwrap();
            assert_eq!(spec.narrow, expect);
            let given =
                spec.config.pointer("/process/capabilities/bounding").unwrap().as_array().unwrap().contains(&json!("CAP_SYS_ADMIN"));
            assert_eq!(given, expect || container.security.privileged);
            assert_eq!(spec.capabilities.iter().any(|c| c == "SYS_ADMIN"), container.security.privileged);
        };
        if capability::present() == 0 {
            return;
        }
        let escalation = Security { allow_privilege_escalation: true, ..Default::default() };
        check(Security::default(), false);
        check(Security { seccomp: Seccomp::RuntimeDefault, ..Default::default() }, false);
        check(escalation.clone(), false);
        check(Security { seccomp: Seccomp::RuntimeDefault, ..escalation.clone() }, true);
        check(Security { seccomp: Seccomp::RuntimeDefault, privileged: true, ..escalation }, false);
    }

    #[test]
    fn mounts() {
        let volume = |target: &str, read_only: bool, propagation: &str| Mount {
            source: "/src".into(),
            target: target.into(),
            read_only,
            propagation: propagation.to_owned(),
            ..Default::default()
        };
        let mut container = container();
        container.mounts = vec![volume("/data/inner", true, ""), volume("/data", false, "rslave"), volume("/dev/shm", false, "")];
        container.termination_message_path = "/dev/termination-log".to_owned();
        let mounts = get(&sandbox(), &container, "/mounts");
        let mounts: Vec<(PathBuf, Vec<String>)> = mounts
            .as_array()
            .unwrap()
            .iter()
            .map(|m| (m["destination"].as_str().unwrap().into(), serde_json::from_value(m["options"].clone()).unwrap()))
            .collect();
        let position = |path: &str| mounts.iter().position(|(p, _)| p == Path::new(path)).unwrap();
        assert!(position("/dev") < position("/dev/termination-log"));
        assert!(position("/data") < position("/data/inner"));
        assert_eq!(mounts.iter().filter(|(p, _)| p == Path::new("/dev/shm")).count(), 1);
        assert_eq!(mounts[position("/data/inner")].1, ["rbind", "rprivate", "ro"]);
        assert_eq!(mounts[position("/data")].1, ["rbind", "rslave", "rw"]);
        assert!(mounts[position("/sys")].1.iter().any(|o| o == "ro"));
    }
}
