//! `spec` of a WasmPlugin: what every world has. The block of a world is read by the world.

use super::platform::cluster::{Account, SecretSource};
use super::pool::Limits;
use super::worlds::{self, World};
use interfaces::schedule::FailurePolicy;
use object::{Map, Object, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Bounds of what may be asked for: less than a page of memory instantiates nothing, and nobody waits for more than ten minutes.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1..=600_000;
const MEMORY_MIB: std::ops::RangeInclusive<u64> = 1..=4096;
const INSTANCES: std::ops::RangeInclusive<u64> = 1..=1024;

#[derive(Clone, Debug)]
pub struct Settings {
    pub world: &'static World,
    pub source: Source,
    pub failure_policy: FailurePolicy,
    pub limits: Limits,
    /// Text as it is, anything else as JSON.
    pub config: BTreeMap<String, String>,
    pub grants: Grants,
    /// Public keys in PEM, one of which must have signed the image. Empty: no signature is asked for.
    pub verification: Vec<String>,
    /// Names of Secrets in the account's namespace.
    pub pull_secrets: Vec<String>,
    spec: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Image(String),
    /// Relative to the plugins directory.
    Path(PathBuf),
    /// The component itself, in base64.
    Inline(String),
    ConfigMap {
        namespace: String,
        name: String,
        key: String,
    },
}

/// What the plugin may do beside what its world is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    pub interfaces: Vec<String>,
    pub hosts: Vec<String>,
    pub directories: Vec<DirectoryGrant>,
    pub account: Option<Account>,
    pub secrets: BTreeMap<String, SecretSource>,
}

/// A directory of the plugin's own, kept below the data directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryGrant {
    pub name: String,
    pub mount_path: String,
    #[serde(default)]
    pub read_only: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    world: String,
    image: String,
    path: String,
    inline: String,
    config_map: Option<ConfigMapSource>,
    failure_policy: String,
    limits: SpecLimits,
    config: Option<BTreeMap<String, Value>>,
    grants: SpecGrants,
    verification: Verification,
    image_pull_secrets: Option<Vec<LocalReference>>,
}

#[derive(Deserialize)]
struct ConfigMapSource {
    namespace: String,
    name: String,
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecLimits {
    #[serde(rename = "timeoutMilliseconds")]
    timeout_milliseconds: Option<u64>,
    #[serde(rename = "memoryMiB")]
    memory_mib: Option<u64>,
    instances: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecGrants {
    interfaces: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    directories: Option<Vec<DirectoryGrant>>,
    service_account: Option<SpecAccount>,
    secrets: Option<Vec<SpecSecret>>,
}

#[derive(Deserialize)]
struct SpecAccount {
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecSecret {
    /// As the plugin calls it.
    name: String,
    namespace: String,
    secret_name: String,
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Verification {
    public_keys: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct LocalReference {
    name: String,
}

impl Settings {
    /// # Errors
    /// What is wrong, in a sentence that names the field.
    pub fn of(object: &Object) -> Result<Self, String> {
        let whole = object.at(&["spec"]).cloned().unwrap_or_default();
        let spec: Spec = serde_json::from_value(whole.clone()).map_err(|e| format!("spec: {e}"))?;
        let world = worlds::by_name(&spec.world)
            .ok_or_else(|| format!("spec.world: {:?} is not known; this version has {}", spec.world, worlds::names()))?;
        let SpecLimits { timeout_milliseconds, memory_mib, instances } = spec.limits;
        let limits = Limits {
            timeout: Duration::from_millis(within(
                "limits.timeoutMilliseconds",
                timeout_milliseconds.unwrap_or(world.timeout_ms),
                &TIMEOUT_MS,
            )?),
            memory_mib: within("limits.memoryMiB", memory_mib.unwrap_or(world.memory_mib), &MEMORY_MIB)?,
            instances: usize::try_from(within("limits.instances", instances.unwrap_or(world.instances), &INSTANCES)?).unwrap_or(1),
        };
        let failure_policy = match spec.failure_policy.as_str() {
            "" | "Fail" => FailurePolicy::Fail,
            "Ignore" => FailurePolicy::Ignore,
            other => return Err(format!("spec.failurePolicy: {other:?} is neither Fail nor Ignore")),
        };
        Ok(Self {
            world,
            source: source(spec.image, spec.path, spec.inline, spec.config_map)?,
            failure_policy,
            limits,
            config: spec.config.unwrap_or_default().into_iter().map(|(key, value)| (key, plain(value))).collect(),
            grants: grants(spec.grants)?,
            verification: spec.verification.public_keys.unwrap_or_default(),
            pull_secrets: spec.image_pull_secrets.unwrap_or_default().into_iter().map(|secret| secret.name).collect(),
            spec: match whole {
                Value::Object(map) => map,
                _ => Map::new(),
            },
        })
    }

    /// The world's own block, `spec.<name>`; an empty one if it is not there.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that names the field.
    pub fn block<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let block = self.spec.get(name).filter(|block| !block.is_null()).cloned();
        serde_json::from_value(block.unwrap_or_else(|| Value::Object(Map::new()))).map_err(|error| format!("spec.{name}: {error}"))
    }

    /// `failurePolicy` even of a spec that is wrong otherwise: what a plugin that cannot be loaded means. Closed unless it
    /// says `Ignore`.
    pub fn policy_of(object: &Object) -> FailurePolicy {
        match object.str_at(&["spec", "failurePolicy"]) {
            "Ignore" => FailurePolicy::Ignore,
            _ => FailurePolicy::Fail,
        }
    }
}

fn source(image: String, path: String, inline: String, config_map: Option<ConfigMapSource>) -> Result<Source, String> {
    match (image.is_empty(), path.is_empty(), inline.is_empty(), config_map) {
        (false, true, true, None) => Ok(Source::Image(image)),
        (true, false, true, None) => Ok(Source::Path(inside(&path)?)),
        (true, true, false, None) => Ok(Source::Inline(inline)),
        (true, true, true, Some(ConfigMapSource { namespace, name, key })) => Ok(Source::ConfigMap { namespace, name, key }),
        _ => Err("spec: exactly one of image, path, inline and configMap is needed".to_owned()),
    }
}

fn grants(grants: SpecGrants) -> Result<Grants, String> {
    let directories = grants.directories.unwrap_or_default();
    for directory in &directories {
        let plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !plain(&directory.name) {
            return Err(format!("spec.grants.directories: {:?} is not a name of letters, digits and '-'", directory.name));
        }
        if !directory.mount_path.starts_with('/') {
            return Err(format!("spec.grants.directories: mountPath {:?} is not absolute", directory.mount_path));
        }
    }
    let secret = |secret: SpecSecret| {
        let source = SecretSource { namespace: secret.namespace, name: secret.secret_name, key: secret.key };
        (secret.name, source)
    };
    Ok(Grants {
        interfaces: grants.interfaces.unwrap_or_default(),
        hosts: grants.hosts.unwrap_or_default(),
        directories,
        account: grants.service_account.map(|account| Account { namespace: account.namespace, name: account.name }),
        secrets: grants.secrets.unwrap_or_default().into_iter().map(secret).collect(),
    })
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn within(name: &str, value: u64, range: &std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    if range.contains(&value) { Ok(value) } else { Err(format!("spec.{name}: {value} is not in {}..={}", range.start(), range.end())) }
}

/// Who may write a WasmPlugin must not thereby read the server's files.
fn inside(path: &str) -> Result<PathBuf, String> {
    let path = Path::new(path);
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        Ok(path.to_owned())
    } else {
        Err(format!("spec.path: {} is not below the plugins directory", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn settings(spec: &Value) -> Result<Settings, String> {
        Settings::of(&Object::from_value(json!({ "spec": spec })).unwrap())
    }

    #[test]
    fn good() {
        let spec = json!({"world": "scheduler", "path": "a/b.wasm", "failurePolicy": "Ignore",
            "limits": {"memoryMiB": 8, "timeoutMilliseconds": 20}, "config": {"k": "v", "list": [1, "x"]},
            "grants": {"interfaces": ["wasi:cli"], "hosts": ["a.test"], "serviceAccount": {"namespace": "n", "name": "s"},
                "directories": [{"name": "cache", "mountPath": "/cache"}],
                "secrets": [{"name": "token", "namespace": "n", "secretName": "t", "key": "k"}]}});
        let found = settings(&spec).unwrap();
        assert_eq!((found.world.name, &found.source), ("scheduler", &Source::Path("a/b.wasm".into())));
        assert_eq!(found.limits, Limits { timeout: Duration::from_millis(20), memory_mib: 8, instances: 4 });
        assert_eq!(found.config.into_iter().collect::<Vec<_>>(), [("k".into(), "v".into()), ("list".into(), "[1,\"x\"]".into())]);
        let secret = SecretSource { namespace: "n".to_owned(), name: "t".to_owned(), key: "k".to_owned() };
        let expect = Grants {
            interfaces: vec!["wasi:cli".to_owned()],
            hosts: vec!["a.test".to_owned()],
            directories: vec![DirectoryGrant { name: "cache".to_owned(), mount_path: "/cache".to_owned(), read_only: false }],
            account: Some(Account { namespace: "n".to_owned(), name: "s".to_owned() }),
            secrets: BTreeMap::from([("token".to_owned(), secret)]),
        };
        assert_eq!(found.grants, expect);
    }

    #[test]
    fn bad() {
        let cases = [
            (json!({"world": "magic"}), "spec.world: \"magic\" is not known"),
            (json!({"world": "scheduler"}), "exactly one of image, path, inline and configMap"),
            (json!({"world": "scheduler", "path": "a", "image": "b"}), "exactly one of image, path, inline and configMap"),
            (json!({"world": "scheduler", "path": "../secret"}), "not below the plugins directory"),
            (json!({"world": "scheduler", "path": "/etc/shadow"}), "not below the plugins directory"),
            (json!({"world": "scheduler", "path": "a", "failurePolicy": "Retry"}), "neither Fail nor Ignore"),
            (json!({"world": "scheduler", "path": "a", "limits": {"timeoutMilliseconds": 0}}), "not in 1..=600000"),
            (json!({"world": "scheduler", "path": "a", "limits": {"memoryMiB": -1}}), "spec: "),
            (json!({"world": "scheduler", "path": "a", "grants": {"directories": [{"name": "..", "mountPath": "/x"}]}}), "is not a name"),
        ];
        for (spec, expect) in cases {
            let error = settings(&spec).unwrap_err();
            assert!(error.contains(expect), "{spec}: {error}");
        }
    }
}
