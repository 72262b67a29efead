//! Seccomp without libseccomp: profiles become BPF programs before the container's process is forked, and are installed by
//! it right before `execve`.
//!
//! A program has one action for what matches and one for what does not, so a profile with several actions becomes several
//! programs. The kernel takes the most restrictive answer, and among equal ones that of the program installed last.
//! A program kills a process that calls by another architecture's table (32-bit programs on a 64-bit kernel).

mod default;
mod profile;
mod syscalls;

use interfaces::workload::Seccomp;
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch};
use std::collections::BTreeMap;
use std::io;

/// One statement of a profile.
struct Rule {
    names: Vec<String>,
    action: SeccompAction,
    /// All of them must hold; none: always.
    conditions: Vec<seccompiler::SeccompCondition>,
}

/// What a profile says.
struct Profile {
    default: SeccompAction,
    rules: Vec<Rule>,
}

/// The programs of a container's profile, in the order they are to be installed; empty for `Unconfined`.
///
/// # Errors
/// A sentence for the container's status: the profile cannot be read or says what cannot be done here.
pub(crate) fn compile(seccomp: &Seccomp, capabilities: &[String]) -> Result<Vec<BpfProgram>, String> {
    let profile = match seccomp {
        Seccomp::Unconfined => return Ok(Vec::new()),
        Seccomp::RuntimeDefault => default::profile(capabilities).map_err(|e| format!("seccomp: {e}"))?,
        Seccomp::Localhost(path) => {
            let text =
                std::fs::read(path).map_err(|e| format!("cannot load seccomp profile \"{}\": {}", path.display(), crate::error::os(&e)))?;
            profile::parse(&text, capabilities).map_err(|e| format!("cannot load seccomp profile \"{}\": {e}", path.display()))?
        }
    };
    programs(profile).map_err(|e| format!("seccomp: {e}"))
}

/// The kernel's order: the smaller, the more restrictive.
fn rank(action: &SeccompAction) -> u8 {
    match action {
        SeccompAction::KillProcess => 0,
        SeccompAction::KillThread => 1,
        SeccompAction::Trap => 2,
        SeccompAction::Errno(_) => 3,
        SeccompAction::Trace(_) => 5,
        SeccompAction::Log => 6,
        SeccompAction::Allow => 7,
    }
}

fn programs(profile: Profile) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let mut programs = Vec::new();
    if profile.default != SeccompAction::Allow {
        // Whatever a rule treats better than the default passes here; a later program says how.
        let better = profile.rules.iter().filter(|rule| rank(&rule.action) > rank(&profile.default));
        programs.push(program(better, profile.default.clone(), SeccompAction::Allow)?);
    }
    let mut actions: Vec<SeccompAction> = Vec::new();
    for rule in &profile.rules {
        if rule.action != SeccompAction::Allow && rule.action != profile.default && !actions.contains(&rule.action) {
            actions.push(rule.action.clone());
        }
    }
    for action in actions {
        let matching = profile.rules.iter().filter(|rule| rule.action == action);
        programs.push(program(matching, SeccompAction::Allow, action.clone())?);
    }
    Ok(programs)
}

fn program<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    mismatch: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, seccompiler::BackendError> {
    // No condition at all is an empty list, and wins over rules with conditions for the same call.
    let mut table: BTreeMap<i64, Option<Vec<SeccompRule>>> = BTreeMap::new();
    for rule in rules {
        // A call that this architecture does not have cannot be made either.
        for number in rule.names.iter().filter_map(|name| syscalls::number(name)) {
            let entry = table.entry(number).or_insert_with(|| Some(Vec::new()));
            if rule.conditions.is_empty() {
                *entry = None;
            } else if let Some(rules) = entry {
                rules.push(SeccompRule::new(rule.conditions.clone())?);
            }
        }
    }
    let table = table.into_iter().map(|(number, rules)| (number, rules.unwrap_or_default())).collect();
    SeccompFilter::new(table, mismatch, matched, TargetArch::try_from(std::env::consts::ARCH)?)?.try_into()
}

/// Installs one program for the calling thread. It needs `CAP_SYS_ADMIN` or `no_new_privs`; unlike
/// [`seccompiler::apply_filter`] it does not set the latter.
#[allow(unsafe_code)]
pub(crate) fn install(program: &BpfProgram) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let fprog = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `sock_filter` of both crates is the kernel's struct; the kernel copies `len` of them and writes nothing.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const fprog) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_default_compiles_to_two_programs() {
        let programs = compile(&Seccomp::RuntimeDefault, &[]).unwrap();
        assert_eq!(programs.len(), 2);
        // The kernel's limit is 4096 instructions.
        assert!(programs.iter().all(|p| p.len() < 4096), "{:?}", programs.iter().map(Vec::len).collect::<Vec<_>>());
    }

    #[test]
    fn profiles_of_files() {
        let check = |text: &str, expect: Result<usize, &str>| {
            let got = profile::parse(text.as_bytes(), &["SYS_ADMIN".to_owned()])
                .and_then(|p| programs(p).map_err(|e| e.to_string()))
                .map(|programs| programs.len());
            match (got, expect) {
                (Ok(n), Ok(m)) => assert_eq!(n, m, "{text}"),
                (Err(e), Err(m)) => assert!(e.contains(m), "{e} does not contain {m}"),
                (got, expect) => panic!("{text}: {got:?}, not {expect:?}"),
            }
        };
        check(r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#, Ok(0));
        check(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod"],"action":"SCMP_ACT_ERRNO"}]}"#, Ok(1));
        check(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[{"names":["read","write"],"action":"SCMP_ACT_ALLOW"},
               {"names":["open"],"action":"SCMP_ACT_LOG"},{"names":["mount"],"action":"SCMP_ACT_KILL_PROCESS"}]}"#,
            Ok(3),
        );
        check(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["clone"],"action":"SCMP_ACT_ALLOW",
               "args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}],"excludes":{"caps":["CAP_SYS_ADMIN"]}}]}"#,
            Ok(1),
        );
        check(r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#, Err("SCMP_ACT_NOTIFY"));
        check("{", Err("EOF"));
    }
}
