//! Profile files, in the JSON format that Docker and the kubelet (`securityContext.seccompProfile.localhostProfile`) use.

use super::{Profile, Rule};
use nix::libc;
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    default_action: String,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    syscalls: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(default)]
    names: Vec<String>,
    name: Option<String>,
    action: String,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    #[serde(default)]
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

/// When a statement counts at all.
#[derive(Default, Deserialize)]
struct Filter {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
}

/// # Errors
/// The text is not such a profile, or wants an action or a comparison that does not exist here.
pub(super) fn parse(text: &[u8], capabilities: &[String]) -> Result<Profile, String> {
    let file: File = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let default = action(&file.default_action, file.default_errno_ret)?;
    let mut rules = Vec::new();
    for statement in file.syscalls {
        let includes = statement.includes.unwrap_or_default();
        let excludes = statement.excludes.unwrap_or_default();
        let included = includes.caps.iter().all(|cap| has(capabilities, cap)) && (includes.arches.is_empty() || here(&includes.arches));
        let excluded = excludes.caps.iter().any(|cap| has(capabilities, cap)) || here(&excludes.arches);
        if !included || excluded {
            continue;
        }
        let conditions = statement.args.unwrap_or_default().iter().map(condition).collect::<Result<Vec<_>, _>>()?;
        let mut names = statement.names;
        names.extend(statement.name);
        rules.push(Rule { names, action: action(&statement.action, statement.errno_ret)?, conditions });
    }
    Ok(Profile { default, rules })
}

fn has(capabilities: &[String], name: &str) -> bool {
    let name = name.strip_prefix("CAP_").unwrap_or(name);
    capabilities.iter().any(|c| c == name)
}

fn here(arches: &[String]) -> bool {
    let own: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["amd64", "x86_64", "SCMP_ARCH_X86_64"],
        "aarch64" => &["arm64", "aarch64", "SCMP_ARCH_AARCH64"],
        "riscv64" => &["riscv64", "SCMP_ARCH_RISCV64"],
        _ => &[],
    };
    arches.iter().any(|arch| own.contains(&arch.as_str()))
}

fn action(name: &str, errno: Option<u32>) -> Result<SeccompAction, String> {
    let errno = errno.unwrap_or(libc::EPERM as u32);
    Ok(match name {
        "SCMP_ACT_ALLOW" => SeccompAction::Allow,
        "SCMP_ACT_ERRNO" => SeccompAction::Errno(errno),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => SeccompAction::KillThread,
        "SCMP_ACT_KILL_PROCESS" => SeccompAction::KillProcess,
        "SCMP_ACT_LOG" => SeccompAction::Log,
        "SCMP_ACT_TRACE" => SeccompAction::Trace(errno),
        "SCMP_ACT_TRAP" => SeccompAction::Trap,
        _ => return Err(format!("action {name} is not supported")),
    })
}

fn condition(argument: &Argument) -> Result<SeccompCondition, String> {
    let (op, value) = match argument.op.as_str() {
        "SCMP_CMP_EQ" => (SeccompCmpOp::Eq, argument.value),
        "SCMP_CMP_NE" => (SeccompCmpOp::Ne, argument.value),
        "SCMP_CMP_GE" => (SeccompCmpOp::Ge, argument.value),
        "SCMP_CMP_GT" => (SeccompCmpOp::Gt, argument.value),
        "SCMP_CMP_LE" => (SeccompCmpOp::Le, argument.value),
        "SCMP_CMP_LT" => (SeccompCmpOp::Lt, argument.value),
        // `value` is the mask, `valueTwo` what the masked argument is compared with.
        "SCMP_CMP_MASKED_EQ" => (SeccompCmpOp::MaskedEq(argument.value), argument.value_two),
        other => return Err(format!("comparison {other} is not supported")),
    };
    SeccompCondition::new(argument.index, SeccompCmpArgLen::Qword, op, value).map_err(|e| e.to_string())
}
