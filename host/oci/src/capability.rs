//! Capabilities by name, without `CAP_`.

use rustix::thread::CapabilitySet;

/// All that Linux knows, in the order of their numbers.
pub(crate) const ALL: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What Docker and containerd give.
const DEFAULT: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// The names a container gets, in the order of their numbers. A name that is not known is an error.
pub(crate) fn resolve(privileged: bool, devices_guarded: bool, add: &[String], drop: &[String]) -> Result<Vec<String>, String> {
    let own = present();
    if privileged {
        return Ok(names(own));
    }
    let name = |name: &String| -> Result<String, String> {
        let upper = name.to_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned();
        if short == "ALL" || ALL.contains(&short.as_str()) { Ok(short) } else { Err(format!("unknown capability \"CAP_{short}\"")) }
    };
    let add = add.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    let drop = drop.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    let has = |list: &[String], name: &str| list.iter().any(|n| n == name);
    let given = |name: &str| {
        if has(&add, name) {
            return true;
        }
        if has(&drop, name) || has(&drop, "ALL") {
            // `add: [ALL]` with `drop: [X]` is all but X; `drop: [ALL]` leaves only what is added by name.
            return false;
        }
        // Without a device guard, making a device node would open the host's disks.
        has(&add, "ALL") || (DEFAULT.contains(&name) && (devices_guarded || name != "MKNOD"))
    };
    // What this kernel (or the process that started us) does not have cannot be given.
    Ok(ALL.iter().enumerate().filter(|(bit, name)| own & (1 << bit) != 0 && given(name)).map(|(_, name)| (*name).to_owned()).collect())
}

/// The permitted capabilities of this process, a bit each.
pub(crate) fn present() -> u64 {
    rustix::thread::capabilities(None).map(|sets| sets.permitted.bits()).unwrap_or(0)
}

fn names(bits: u64) -> Vec<String> {
    ALL.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| (*name).to_owned()).collect()
}

pub(crate) fn set(names: &[String]) -> CapabilitySet {
    let bits = ALL.iter().enumerate().filter(|(_, name)| names.iter().any(|n| n == *name)).fold(0, |bits, (bit, _)| bits | 1 << bit);
    CapabilitySet::from_bits_retain(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_and_drop() {
        if present() != (1 << ALL.len()) - 1 {
            eprintln!("skipped: not all capabilities are present");
            return;
        }
        let check = |add: &[&str], drop: &[&str], expect: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
            let mut expect: Vec<&str> = expect.to_vec();
            expect.sort_by_key(|name| ALL.iter().position(|n| n == name));
            assert_eq!(resolve(false, true, &own(add), &own(drop)).unwrap(), own(&expect), "add {add:?} drop {drop:?}");
        };
        check(&[], &[], DEFAULT);
        check(&[], &["ALL"], &[]);
        check(&["NET_BIND_SERVICE"], &["ALL"], &["NET_BIND_SERVICE"]);
        check(&["cap_net_admin"], &["ALL"], &["NET_ADMIN"]);
        let all_but: Vec<&str> = ALL.iter().copied().filter(|n| *n != "SYS_TIME").collect();
        check(&["ALL"], &["SYS_TIME"], &all_but);
        assert!(resolve(false, false, &[], &[]).unwrap().iter().all(|n| n != "MKNOD"));
        assert_eq!(resolve(false, true, &["FLY".to_owned()], &[]), Err("unknown capability \"CAP_FLY\"".to_owned()));
        assert_eq!(resolve(true, true, &[], &["ALL".to_owned()]).unwrap().len(), ALL.len());
    }
}
