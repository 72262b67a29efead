//! Whom the checks are not for.

use crate::checks::{self, Violation};
use pod_specs::{PodSpec, text};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Checks that are not made.
    #[serde(deserialize_with = "known")]
    allow: Vec<String>,
    exempt: Exempt,
    pub templates: Templates,
}

/// Names; a `*` at the end stands for anything.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Exempt {
    namespaces: Vec<String>,
    users: Vec<String>,
    runtime_classes: Vec<String>,
}

/// What becomes of an object that would make such pods.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Templates {
    #[default]
    Deny,
    Warn,
    Ignore,
}

impl Settings {
    /// For the log: why the request is none of this plugin's business.
    pub fn exempts(&self, namespace: &str, user: &str, spec: &PodSpec<'_>) -> Option<String> {
        let class = text(spec.value, "runtimeClassName");
        let rows = [
            ("namespace", namespace, &self.exempt.namespaces),
            ("user", user, &self.exempt.users),
            ("runtime class", class, &self.exempt.runtime_classes),
        ];
        let (what, name, _) =
            rows.into_iter().find(|(_, name, exempt)| !name.is_empty() && exempt.iter().any(|pattern| fits(pattern, name)))?;
        Some(format!("{what} {name}"))
    }

    pub fn allows(&self, violation: &Violation) -> bool {
        self.allow.iter().any(|check| check == violation.check)
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |begin| name.starts_with(begin))
}

fn known<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    match names.iter().find(|name| !checks::NAMES.contains(&name.as_str())) {
        Some(unknown) => Err(serde::de::Error::custom(format!("there is no check {unknown}; there are {}", checks::NAMES.join(", ")))),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(settings: serde_json::Value, namespace: &str, user: &str, expect: Option<&str>) {
        let settings: Settings = serde_json::from_value(settings).expect("good settings");
        let pod = json!({"spec": {"containers": [], "runtimeClassName": "wasm"}});
        let spec = PodSpec::find(&pod).expect("a pod");
        assert_eq!(settings.exempts(namespace, user, &spec).as_deref(), expect);
    }

    #[test]
    fn exemptions_are_by_name_or_by_how_it_begins() {
        let names = json!({"exempt": {"namespaces": ["kube-system", "infra-*"], "users": ["system:serviceaccount:kube-system:*"]}});
        check(names.clone(), "kube-system", "", Some("namespace kube-system"));
        check(names.clone(), "infra-dns", "", Some("namespace infra-dns"));
        check(names.clone(), "kube-systems", "", None);
        check(
            names.clone(),
            "shop",
            "system:serviceaccount:kube-system:job-controller",
            Some("user system:serviceaccount:kube-system:job-controller"),
        );
        check(names, "", "eve", None);
        check(json!({"exempt": {"runtimeClasses": ["wasm"]}}), "shop", "", Some("runtime class wasm"));
        check(json!({}), "shop", "eve", None);
    }

    #[test]
    fn wrong_settings_are_told() {
        for (settings, part) in [
            (json!({"allow": ["hostPort"]}), "there is no check hostPort; there are appArmor"),
            (json!({"templates": "maybe"}), "unknown variant `maybe`"),
            (json!({"exempt": {"groups": []}}), "unknown field `groups`"),
        ] {
            let error = serde_json::from_value::<Settings>(settings).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(part), "{error}");
        }
    }
}
