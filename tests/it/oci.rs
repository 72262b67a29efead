//! Pods whose containers are OCI images.

mod life;
mod security;
mod surroundings;

use tests::Space;

/// A pod that runs a shell script to its end: its exit code and what it said.
pub fn script(space: &Space, name: &str, script: &str, container: &str, spec: &str) -> (i64, String) {
    let script = serde_json::Value::from(script);
    let more = if container.is_empty() { String::new() } else { format!(", {container}") };
    space.outcome(name, &format!("image: coracle.dev/examples/busybox:v1, command: [sh, -c, {script}]{more}"), spec)
}
