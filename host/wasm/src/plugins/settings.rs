//! `spec` of a WasmPlugin.

use interfaces::schedule::FailurePolicy;
use object::Object;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Bounds of what may be asked for: a call that takes longer than a minute blocks scheduling for everyone, and less than a
/// page of memory instantiates nothing.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1..=60_000;
const MEMORY_MIB: std::ops::RangeInclusive<u64> = 1..=4096;

pub const WORLDS: &[&str] = &["scheduler", "scheduler-filter", "scheduler-score"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub source: Source,
    pub filters: bool,
    pub scores: bool,
    pub failure_policy: FailurePolicy,
    pub timeout_ms: u64,
    pub memory_mib: u64,
    pub weight: i64,
    pub config: BTreeMap<String, String>,
    pub grants: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Image(String),
    /// Relative to the plugins directory.
    Path(PathBuf),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    world: String,
    image: String,
    path: String,
    extension_points: Vec<String>,
    failure_policy: String,
    timeout_milliseconds: u64,
    memory_mi_b: u64,
    score_weight: i64,
    config: BTreeMap<String, String>,
    grants: Vec<String>,
}

/// The defaults stand in the kind's schema; these are for objects that did not pass there.
impl Default for Spec {
    fn default() -> Self {
        Self {
            world: String::new(),
            image: String::new(),
            path: String::new(),
            extension_points: Vec::new(),
            failure_policy: "Fail".to_owned(),
            timeout_milliseconds: 100,
            memory_mi_b: 16,
            score_weight: 1,
            config: BTreeMap::new(),
            grants: Vec::new(),
        }
    }
}

impl Settings {
    /// # Errors
    /// What is wrong, in a sentence that names the field.
    pub fn of(object: &Object) -> Result<Self, String> {
        let spec = object.at(&["spec"]).cloned().unwrap_or_default();
        let spec: Spec = serde_json::from_value(spec).map_err(|e| format!("spec: {e}"))?;
        if !WORLDS.contains(&spec.world.as_str()) {
            return Err(format!("spec.world: {:?} is not known; this version has {}", spec.world, WORLDS.join(", ")));
        }
        let source = match (spec.image.is_empty(), spec.path.is_empty()) {
            (false, true) => Source::Image(spec.image),
            (true, false) => Source::Path(inside(&spec.path)?),
            _ => return Err("spec: exactly one of image and path is needed".to_owned()),
        };
        let has = |point: &str| spec.extension_points.iter().any(|p| p == point);
        let (filters, scores) = (has("filter"), has("score"));
        if let Some(other) = spec.extension_points.iter().find(|p| !["filter", "score"].contains(&p.as_str())) {
            return Err(format!("spec.extensionPoints: {other:?} is not known; this version has filter, score"));
        }
        if !filters && !scores {
            return Err("spec.extensionPoints: at least one of filter, score is needed".to_owned());
        }
        let failure_policy = match spec.failure_policy.as_str() {
            "Fail" => FailurePolicy::Fail,
            "Ignore" => FailurePolicy::Ignore,
            other => return Err(format!("spec.failurePolicy: {other:?} is neither Fail nor Ignore")),
        };
        let within = |name: &str, value: u64, range: &std::ops::RangeInclusive<u64>| {
            if range.contains(&value) {
                Ok(value)
            } else {
                Err(format!("spec.{name}: {value} is not in {}..={}", range.start(), range.end()))
            }
        };
        Ok(Self {
            source,
            filters,
            scores,
            failure_policy,
            timeout_ms: within("timeoutMilliseconds", spec.timeout_milliseconds, &TIMEOUT_MS)?,
            memory_mib: within("memoryMiB", spec.memory_mi_b, &MEMORY_MIB)?,
            weight: spec.score_weight,
            config: spec.config,
            grants: spec.grants,
        })
    }

    /// Whether it filters and scores, even of a spec that is wrong otherwise; a filter if it does not say.
    pub fn points_of(object: &Object) -> (bool, bool) {
        let points = object.at(&["spec", "extensionPoints"]).and_then(object::Value::as_array);
        let has = |name: &str| points.is_some_and(|points| points.iter().any(|point| point == name));
        (has("filter") || !has("score"), has("score"))
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
    use object::{Value, json};

    fn settings(spec: &Value) -> Result<Settings, String> {
        Settings::of(&Object::from_value(json!({ "spec": spec })).unwrap())
    }

    #[test]
    fn good() {
        let spec = json!({"world": "scheduler", "path": "a/b.wasm", "extensionPoints": ["score"], "memoryMiB": 8, "failurePolicy": "Ignore",
            "timeoutMilliseconds": 20, "scoreWeight": 3, "config": {"k": "v"}, "grants": ["wasi:clocks"]});
        let expect = Settings {
            source: Source::Path("a/b.wasm".into()),
            filters: false,
            scores: true,
            failure_policy: FailurePolicy::Ignore,
            timeout_ms: 20,
            memory_mib: 8,
            weight: 3,
            config: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            grants: vec!["wasi:clocks".to_owned()],
        };
        assert_eq!(settings(&spec), Ok(expect));
    }

    #[test]
    fn bad() {
        let cases = [
            (json!({"world": "admission"}), "spec.world: \"admission\" is not known"),
            (json!({"world": "scheduler"}), "exactly one of image and path"),
            (json!({"world": "scheduler", "path": "../secret"}), "not below the plugins directory"),
            (json!({"world": "scheduler", "path": "/etc/shadow"}), "not below the plugins directory"),
            (json!({"world": "scheduler", "path": "a"}), "at least one of filter, score"),
            (json!({"world": "scheduler", "path": "a", "extensionPoints": ["bind"]}), "\"bind\" is not known"),
            (
                json!({"world": "scheduler", "path": "a", "extensionPoints": ["filter"], "failurePolicy": "Retry"}),
                "neither Fail nor Ignore",
            ),
            (json!({"world": "scheduler", "path": "a", "extensionPoints": ["filter"], "timeoutMilliseconds": 0}), "not in 1..=60000"),
            (json!({"world": "scheduler", "path": "a", "extensionPoints": ["filter"], "memoryMiB": -1}), "spec: "),
        ];
        for (spec, expect) in cases {
            let error = settings(&spec).unwrap_err();
            assert!(error.contains(expect), "{spec}: {error}");
        }
    }
}
