//! What containers of Windows add: `validateWindowsSecurityContextOptions`, `validateWindowsHostProcessPod`.

use super::{containers, given, given_text};
use crate::strategy::at::At;
use crate::strategy::read::flag;
use object::field::ErrorList;
use object::{Value, names};

/// Bytes of a credential specification.
const CREDENTIAL_MAX: usize = 64 * 1024;
const DOMAIN_MAX: usize = 256;
const USER_MAX: usize = 104;

pub(super) fn options(options: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(name) = given_text(options, "gmsaCredentialSpecName") {
        at.child("gmsaCredentialSpecName").invalid_all(errors, name, &names::dns1123_subdomain(name));
    }
    if let Some(spec) = given_text(options, "gmsaCredentialSpec") {
        let at = at.child("gmsaCredentialSpec");
        if spec.is_empty() {
            at.invalid(errors, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > CREDENTIAL_MAX {
            at.invalid(errors, spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if let Some(name) = given_text(options, "runAsUserName") {
        let at = at.child("runAsUserName");
        user_faults(name).into_iter().for_each(|detail| at.invalid(errors, name, &detail));
    }
}

/// `DOMAIN\user`, the domain being optional.
fn user_faults(name: &str) -> Vec<String> {
    let one = |told: &str| vec![told.to_owned()];
    if name.is_empty() {
        return one("runAsUserName cannot be an empty string");
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return one("runAsUserName cannot contain control characters");
    }
    let (domain, user) = match name.split('\\').collect::<Vec<_>>().as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return one("runAsUserName cannot contain more than one backslash"),
    };
    let mut faults = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= DOMAIN_MAX {
            faults.push(format!("runAsUserName's Domain length must be under {DOMAIN_MAX} characters"));
        }
        if !is_netbios(domain) && !is_dns(domain) {
            faults.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format".to_owned());
        }
    }
    if user.is_empty() {
        faults.push("runAsUserName's User cannot be empty".to_owned());
    } else if user.len() > USER_MAX {
        faults.push(format!("runAsUserName's User length must not be longer than {USER_MAX} characters"));
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        faults.push("runAsUserName's User cannot contain only periods or spaces".to_owned());
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        faults.push(r#"runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]"#.to_owned());
    }
    faults
}

fn is_netbios(domain: &str) -> bool {
    (1..=15).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|'])
}

fn is_dns(domain: &str) -> bool {
    let sound = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    domain.split('.').all(sound)
}

/// Processes of the host: all containers or none. `at`: the pod's specification.
pub(super) fn host_process(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let of = |value: &Value| {
        let options = given(value, "securityContext").and_then(|c| given(c, "windowsOptions"));
        options.and_then(|o| o.get("hostProcess")).and_then(Value::as_bool)
    };
    let of_pod = of(spec);
    let (mut all, mut host) = (0, 0);
    for (list, index, container) in containers(spec) {
        all += 1;
        let own = of(container);
        if let (Some(pod), Some(own)) = (of_pod, own)
            && pod != own
        {
            let detail = format!("pod hostProcess value must be identical if both are specified, was {pod}");
            let list = at.child(list);
            list.index(index).child("securityContext.windowsOptions.hostProcess").invalid(errors, own, &detail);
        }
        host += usize::from(own.or(of_pod) == Some(true));
    }
    if host == 0 {
        return;
    }
    if host != all {
        at.invalid(errors, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers");
    }
    if !flag(spec, "hostNetwork") {
        at.child("hostNetwork").invalid(errors, false, "hostNetwork must be true if pod contains any hostProcess containers");
    }
}
