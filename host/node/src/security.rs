//! `securityContext` of pod and container, merged: `pkg/securitycontext/util.go` (`DetermineEffectiveSecurityContext`).

use interfaces::workload::{Seccomp, Security};
use std::path::Path;
use typed::api::core::v1::{Container, PodSpec, SeccompProfile};

/// Merges; what the container says wins. `profiles` is the folder that `localhostProfile` is relative to. An error is a
/// sentence for the container's waiting message.
pub fn merge(spec: &PodSpec, container: &Container, image_user: &str, profiles: &Path) -> Result<Security, String> {
    let pod = spec.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let id = |name: &str, id: Option<i64>| -> Result<Option<u32>, String> {
        id.map(|id| u32::try_from(id).map_err(|_| format!("{name} {id} is not a valid id"))).transpose()
    };
    let run_as_user = id("runAsUser", own.run_as_user.or(pod.run_as_user))?;
    let run_as_group = id("runAsGroup", own.run_as_group.or(pod.run_as_group))?;
    let run_as_non_root = own.run_as_non_root.or(pod.run_as_non_root).unwrap_or_default();
    let privileged = own.privileged.unwrap_or_default();
    if run_as_non_root {
        verify_non_root(run_as_user, image_user, &container.name)?;
    }
    let mut supplemental_groups = Vec::new();
    for group in pod.supplemental_groups.iter().flatten().chain(pod.fs_group.iter()) {
        supplemental_groups.extend(id("supplementalGroups", Some(*group))?);
    }
    let capabilities = own.capabilities.unwrap_or_default();
    let names = |list: Option<Vec<String>>| -> Vec<String> {
        list.unwrap_or_default().iter().map(|c| c.strip_prefix("CAP_").unwrap_or(c).to_owned()).collect()
    };
    let seccomp = if privileged { Seccomp::Unconfined } else { seccomp(own.seccomp_profile.or(pod.seccomp_profile), profiles)? };
    Ok(Security {
        privileged,
        read_only_root: own.read_only_root_filesystem.unwrap_or_default(),
        allow_privilege_escalation: privileged || own.allow_privilege_escalation.unwrap_or(true),
        run_as_user,
        run_as_group,
        run_as_non_root,
        image_user: image_user.to_owned(),
        supplemental_groups,
        add_capabilities: names(capabilities.add),
        drop_capabilities: names(capabilities.drop),
        seccomp,
        masked_paths_off: privileged || own.proc_mount.as_deref() == Some("Unmasked"),
    })
}

/// `verifyRunAsNonRoot` in `pkg/kubelet/kuberuntime/security_context.go`.
fn verify_non_root(run_as_user: Option<u32>, image_user: &str, container: &str) -> Result<(), String> {
    let image_user = image_user.split(':').next().unwrap_or_default();
    match run_as_user {
        Some(0) => Err(format!("container's runAsUser breaks non-root policy (container: {container})")),
        Some(_) => Ok(()),
        None if image_user.is_empty() || image_user.parse() == Ok(0_u32) => {
            Err(format!("container has runAsNonRoot and image will run as root (container: {container})"))
        }
        None if image_user.parse::<u32>().is_err() => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({image_user}), cannot verify user is non-root (container: {container})"
        )),
        None => Ok(()),
    }
}

fn seccomp(profile: Option<SeccompProfile>, profiles: &Path) -> Result<Seccomp, String> {
    let Some(profile) = profile else { return Ok(Seccomp::Unconfined) };
    match profile.type_.as_str() {
        "RuntimeDefault" => Ok(Seccomp::RuntimeDefault),
        "Localhost" => {
            let name = profile.localhost_profile.unwrap_or_default();
            let plain = Path::new(&name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
            if name.is_empty() || !plain {
                return Err(format!("localhostProfile {name:?} must be a path below the seccomp folder"));
            }
            Ok(Seccomp::Localhost(profiles.join(name)))
        }
        _ => Ok(Seccomp::Unconfined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Value, json};

    fn check(pod: Value, own: Value, image_user: &str, expect: impl FnOnce(Result<Security, String>)) {
        let spec: PodSpec = typed::part(&json!({"securityContext": pod, "containers": [{"name": "c", "securityContext": own}]})).unwrap();
        expect(merge(&spec, &spec.containers[0], image_user, Path::new("/p")));
    }

    #[test]
    fn the_container_wins() {
        check(json!({"runAsUser": 1, "runAsGroup": 2, "fsGroup": 9, "supplementalGroups": [4]}), json!({"runAsUser": 7}), "root", |got| {
            let got = got.unwrap();
            assert_eq!((got.run_as_user, got.run_as_group, got.supplemental_groups), (Some(7), Some(2), vec![4, 9]));
            assert!(got.allow_privilege_escalation && got.seccomp == Seccomp::Unconfined);
        });
        check(
            json!({"seccompProfile": {"type": "RuntimeDefault"}}),
            json!({"capabilities": {"add": ["CAP_NET_ADMIN"], "drop": ["ALL"]}}),
            "",
            |got| {
                let got = got.unwrap();
                assert_eq!(
                    (got.seccomp, got.add_capabilities, got.drop_capabilities),
                    (Seccomp::RuntimeDefault, vec!["NET_ADMIN".to_owned()], vec!["ALL".to_owned()])
                );
            },
        );
        check(json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "../x"}}), json!({}), "", |got| assert!(got.is_err()));
        check(json!({"runAsUser": -1}), json!({}), "", |got| assert!(got.is_err()));
    }

    #[test]
    fn non_root_is_verified() {
        for (user, image_user, fine) in
            [(Some(0), "5", false), (Some(5), "0", true), (None, "", false), (None, "0:0", false), (None, "web", false), (None, "5", true)]
        {
            check(json!({"runAsNonRoot": true}), json!({"runAsUser": user}), image_user, |got| {
                assert_eq!(got.is_ok(), fine, "{user:?} {image_user}");
            });
        }
    }
}
