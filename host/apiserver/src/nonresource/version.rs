//! `/version`: `k8s.io/apimachinery/pkg/version` Info.

use crate::config::GIT_VERSION;
use object::{Value, json};

/// The commit, state and time are the builder's to tell (`CORACLE_GIT_COMMIT`, `CORACLE_GIT_TREE_STATE`, `CORACLE_BUILD_DATE`);
/// a build that was told nothing claims nothing.
pub fn document() -> Value {
    json!({
        "major": "1", "minor": "37", "gitVersion": GIT_VERSION,
        "gitCommit": option_env!("CORACLE_GIT_COMMIT").unwrap_or_default(),
        "gitTreeState": option_env!("CORACLE_GIT_TREE_STATE").unwrap_or_default(),
        "buildDate": option_env!("CORACLE_BUILD_DATE").unwrap_or("1970-01-01T00:00:00Z"),
        "goVersion": "none", "compiler": "rustc", "platform": format!("linux/{}", architecture()),
        "emulationMajor": "1", "emulationMinor": "37", "minCompatibilityMajor": "1", "minCompatibilityMinor": "36",
    })
}

/// As Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
