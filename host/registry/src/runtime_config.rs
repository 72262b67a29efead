//! `--runtime-config`: which built-in groups, versions and resources are served
//! (`k8s.io/apiserver/pkg/server/resourceconfig/helpers.go`). All that have a row are served unless switched off.

use crate::kind::Kind;
use crate::table;
use std::str::FromStr;
use thiserror::Error;

/// Switches in order of their strength: `api/…`, then group and version, then resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
    switches: Vec<(Switch, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Switch {
    Stage(Stage),
    Version { group: String, version: String },
    Resource { group: String, version: String, resource: String },
}

/// In the order in which upstream applies them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    All,
    Ga,
    Beta,
    Alpha,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RuntimeConfigError {
    #[error("runtime-config invalid key {0}")]
    Key(String),
    #[error("invalid value of {key}: {value}: it must be true or false")]
    Value { key: String, value: String },
    #[error("invalid key with only api/all=false")]
    Nothing,
    #[error("unknown api groups {0}")]
    UnknownGroup(String),
    #[error("group version {0} that has not been registered")]
    UnknownVersion(String),
    #[error("invalid key {key}: group/version/resource and resource is always lowercase plural, not \"{resource}\"")]
    Resource { key: String, resource: String },
}

/// Groups that are no part of kube-apiserver's: `api/…` does not reach them, their own names do.
const APART: [&str; 2] = ["coracle.dev", "metrics.k8s.io"];

impl RuntimeConfig {
    /// Of `key=true`, `key=false` or `key`, each perhaps several with commas between.
    pub fn parse<'t>(settings: impl IntoIterator<Item = &'t str>) -> Result<Self, RuntimeConfigError> {
        let mut switches = Vec::new();
        for setting in settings.into_iter().flat_map(|s| s.split(',')).map(str::trim).filter(|s| !s.is_empty()) {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            let switch = Switch::parse(key.trim())?;
            let enabled = match value.trim() {
                "" | "true" | "TRUE" | "True" | "t" | "T" | "1" => true,
                "false" | "FALSE" | "False" | "f" | "F" | "0" => false,
                other => return Err(RuntimeConfigError::Value { key: key.to_owned(), value: other.to_owned() }),
            };
            switch.check(enabled)?;
            // The last of several with the same key counts, as in a map.
            switches.retain(|(other, _)| *other != switch);
            switches.push((switch, enabled));
        }
        if switches == [(Switch::Stage(Stage::All), false)] {
            return Err(RuntimeConfigError::Nothing);
        }
        switches.sort();
        Ok(Self { switches })
    }

    /// Whether a built-in row is served.
    pub fn serves(&self, kind: &Kind) -> bool {
        // Sorted, so the last that fits is the strongest.
        self.switches.iter().rev().find(|(switch, _)| switch.fits(kind)).is_none_or(|(_, enabled)| *enabled)
    }
}

impl FromStr for RuntimeConfig {
    type Err = RuntimeConfigError;

    fn from_str(settings: &str) -> Result<Self, Self::Err> {
        Self::parse([settings])
    }
}

impl Switch {
    fn parse(key: &str) -> Result<Self, RuntimeConfigError> {
        let stage = match key {
            "api/all" => Some(Stage::All),
            "api/ga" => Some(Stage::Ga),
            "api/beta" => Some(Stage::Beta),
            "api/alpha" => Some(Stage::Alpha),
            _ => None,
        };
        if let Some(stage) = stage {
            return Ok(Self::Stage(stage));
        }
        let group_of = |group: &str| if group == "api" { String::new() } else { group.to_owned() };
        match key.split('/').collect::<Vec<_>>().as_slice() {
            // The core group has no name.
            [version] if Stage::of(version).is_some() => Ok(Self::Version { group: String::new(), version: (*version).to_owned() }),
            [group, version] if !version.is_empty() => Ok(Self::Version { group: group_of(group), version: (*version).to_owned() }),
            [group, version, resource] if !version.is_empty() && !resource.is_empty() => {
                if resource.chars().any(char::is_uppercase) {
                    return Err(RuntimeConfigError::Resource { key: key.to_owned(), resource: (*resource).to_owned() });
                }
                Ok(Self::Resource { group: group_of(group), version: (*version).to_owned(), resource: (*resource).to_owned() })
            }
            _ => Err(RuntimeConfigError::Key(key.to_owned())),
        }
    }

    /// What is switched on must be there; what is not there is off already.
    fn check(&self, enabled: bool) -> Result<(), RuntimeConfigError> {
        let (Self::Version { group, version } | Self::Resource { group, version, .. }) = self else { return Ok(()) };
        let rows = table::rows();
        if !rows.iter().any(|k| k.group == *group) {
            return Err(RuntimeConfigError::UnknownGroup(group.clone()));
        }
        if enabled && !rows.iter().any(|k| k.group == *group && k.version == *version) {
            return Err(RuntimeConfigError::UnknownVersion(object::gvk::api_version(group, version)));
        }
        Ok(())
    }

    fn fits(&self, kind: &Kind) -> bool {
        match self {
            Self::Stage(_) if APART.contains(&kind.group.as_str()) => false,
            Self::Stage(Stage::All) => true,
            Self::Stage(stage) => Stage::of(&kind.version) == Some(*stage),
            Self::Version { group, version } => *group == kind.group && *version == kind.version,
            Self::Resource { group, version, resource } => *group == kind.group && *version == kind.version && *resource == kind.resource,
        }
    }
}

impl Stage {
    /// `v1`, `v1beta1`, `v1alpha1`; `None` for what is no version.
    fn of(version: &str) -> Option<Self> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let rest = version.strip_prefix('v')?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (major, stage) = rest.split_at(end);
        if major.is_empty() {
            return None;
        }
        match stage {
            "" => Some(Self::Ga),
            _ if stage.strip_prefix("beta").is_some_and(digits) => Some(Self::Beta),
            _ if stage.strip_prefix("alpha").is_some_and(digits) => Some(Self::Alpha),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        let check = |text: &str, expect: Result<[bool; 4], &str>| {
            let served = |config: RuntimeConfig| {
                let is = |group: &str, version: &str, resource: &str| {
                    let rows = table::rows();
                    let row = rows.iter().find(|k| k.group == group && k.version == version && k.resource == resource).unwrap();
                    config.serves(row)
                };
                [
                    is("", "v1", "pods"),
                    is("apps", "v1", "deployments"),
                    is("apps", "v1", "replicasets"),
                    is("coracle.dev", "v1alpha1", "wasmplugins"),
                ]
            };
            match (text.parse::<RuntimeConfig>().map(served), expect) {
                (Ok(served), Ok(expect)) => assert_eq!(served, expect, "{text}"),
                (Err(error), Err(told)) => assert_eq!(error.to_string(), told, "{text}"),
                (got, expect) => panic!("{text}: {got:?} instead of {expect:?}"),
            }
        };
        check("", Ok([true; 4]));
        check("apps/v1=false", Ok([true, false, false, true]));
        check("apps/v1=false,apps/v1/deployments=true", Ok([true, true, false, true]));
        check("apps/v1/deployments=true,apps/v1=false", Ok([true, true, false, true]));
        check("apps/v1=false, apps/v1", Ok([true; 4]));
        check("api/all=false,v1=true", Ok([true, false, false, true]));
        check("api/all=false,api/v1=true", Ok([true, false, false, true]));
        check("api/ga=false,/v1=1", Ok([true, false, false, true]));
        check("api/all=true,api/ga=false", Ok([false, false, false, true]));
        check("coracle.dev/v1alpha1=false", Ok([true, true, true, false]));
        check("api/beta=false,api/alpha=false,apps/v1beta2=false", Ok([true; 4]));
        check("api/all=false", Err("invalid key with only api/all=false"));
        check("apps=true", Err("runtime-config invalid key apps"));
        check("apps/v1=maybe", Err("invalid value of apps/v1: maybe: it must be true or false"));
        check("nothing.example.com/v1=true", Err("unknown api groups nothing.example.com"));
        check("apps/v1beta1=true", Err("group version apps/v1beta1 that has not been registered"));
        check(
            "apps/v1/Deployments=true",
            Err("invalid key apps/v1/Deployments: group/version/resource and resource is always lowercase plural, not \"Deployments\""),
        );
    }
}
