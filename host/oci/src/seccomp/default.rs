//! `RuntimeDefault`: everything known is allowed except what lets a container out or into the kernel's rarely used corners,
//! unless a capability that the container was given says otherwise. Refused calls fail with EPERM, unknown ones with ENOSYS, so
//! that newer C libraries fall back. The choice follows what Docker documents for its default profile
//! (docs.docker.com/engine/security/seccomp).

use super::{Profile, Rule, syscalls};
use nix::libc;
use seccompiler::{BackendError, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition};

/// Calls refused unless the container has the capability; an empty name: always.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "add_key",
            "io_uring_enter",
            "io_uring_register",
            "io_uring_setup",
            "kexec_file_load",
            "kexec_load",
            "keyctl",
            "nfsservctl",
            "request_key",
            "swapoff",
            "swapon",
            "sysfs",
            "_sysctl",
            "userfaultfd",
            "uselib",
            "ustat",
            "vm86",
            "vmsplice",
        ],
    ),
    (
        "SYS_ADMIN",
        &[
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "lookup_dcookie",
            "mount",
            "mount_setattr",
            "move_mount",
            "move_pages",
            "open_tree",
            "pivot_root",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "umount",
            "umount2",
            "unshare",
        ],
    ),
    ("BPF", &["bpf"]),
    ("DAC_READ_SEARCH", &["open_by_handle_at"]),
    ("PERFMON", &["perf_event_open"]),
    ("SYSLOG", &["syslog"]),
    ("SYS_BOOT", &["reboot"]),
    ("SYS_CHROOT", &["chroot"]),
    ("SYS_MODULE", &["delete_module", "finit_module", "init_module"]),
    ("SYS_NICE", &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
    ("SYS_PACCT", &["acct"]),
    ("SYS_PTRACE", &["kcmp", "pidfd_getfd"]),
    ("SYS_RAWIO", &["ioperm", "iopl"]),
    ("SYS_TIME", &["clock_settime", "settimeofday", "stime"]),
    ("SYS_TTY_CONFIG", &["vhangup"]),
];

/// With SYS_ADMIN these come along, as they did before the capability was split.
const IMPLIED_BY_ADMIN: &[&str] = &["BPF", "PERFMON", "SYSLOG"];

/// Flags of `clone` that make a namespace.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Values of `personality` that change nothing dangerous: Linux, Linux32, both with UNAME26, and the query.
const PERSONALITIES: &[u64] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

pub(super) fn profile(capabilities: &[String]) -> Result<Profile, BackendError> {
    let has = |name: &str| capabilities.iter().any(|c| c == name);
    let admin = has("SYS_ADMIN");
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    let rule = |names: &[&str], action: &SeccompAction, conditions: Vec<SeccompCondition>| Rule {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        action: action.clone(),
        conditions,
    };
    let condition = |index, op, value| SeccompCondition::new(index, SeccompCmpArgLen::Dword, op, value);

    let known: Vec<&str> = syscalls::all().map(|(name, _)| name).filter(|name| admin || *name != "clone3").collect();
    let mut rules = vec![rule(&known, &SeccompAction::Allow, Vec::new())];
    for (capability, names) in REFUSED {
        let implied = admin && IMPLIED_BY_ADMIN.contains(capability);
        if !has(capability) && !implied {
            rules.push(rule(names, &refused, Vec::new()));
        }
    }
    if !admin {
        // `clone3` takes its flags from memory, which a filter cannot see: it stays unknown, and callers use `clone`.
        for flag in NAMESPACES {
            let flag = u64::from(flag.unsigned_abs());
            rules.push(rule(&["clone"], &refused, vec![condition(0, SeccompCmpOp::MaskedEq(flag), flag)?]));
        }
    }
    let other = PERSONALITIES.iter().map(|value| condition(0, SeccompCmpOp::Ne, *value)).collect::<Result<_, _>>()?;
    rules.push(rule(&["personality"], &refused, other));
    // A container must not talk to the hypervisor past the network.
    rules.push(rule(&["socket"], &refused, vec![condition(0, SeccompCmpOp::Eq, libc::AF_VSOCK as u64)?]));
    Ok(Profile { default: unknown, rules })
}
