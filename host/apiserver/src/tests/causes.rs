//! `input → causes`: what a dry-run create or an update is refused for.

use super::Fixture;
use object::patch::merge;
use object::{Value, json};

/// `field: message` of each cause; the code when there are none.
pub fn told(answer: &super::Answer) -> Vec<String> {
    let body = answer.json();
    let causes = body["details"]["causes"].as_array().cloned().unwrap_or_default();
    if answer.code != 422 || causes.is_empty() {
        return if answer.code < 300 { Vec::new() } else { vec![format!("{} {}", answer.code, answer.message())] };
    }
    let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
    causes.iter().map(|c| format!("{}: {}", text(c, "field"), text(c, "message"))).collect()
}

/// Expectations that end with `…` tell only how a cause begins.
#[track_caller]
pub fn compare(input: &Value, got: &[String], expect: &[&str]) {
    let fits = |got: &String, expect: &&str| match expect.strip_suffix('…') {
        Some(start) => got.starts_with(start),
        None => got == expect,
    };
    let same = got.len() == expect.len() && got.iter().zip(expect).all(|(g, e)| fits(g, e));
    assert!(same, "{input}\n  got      {got:#?}\n  expected {expect:#?}");
}

/// A tree with a merge patch over it.
pub fn with(base: &Value, patch: &Value) -> Value {
    let mut value = base.clone();
    merge::apply(&mut value, patch);
    value
}

/// A pod of one container with a merge patch over its specification.
pub fn pod(spec: &Value) -> Value {
    let base = json!({ "containers": [{ "name": "c", "image": "i" }] });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": with(&base, spec) })
}

/// A pod with a merge patch over its container.
pub fn container(patch: &Value) -> Value {
    pod(&json!({ "containers": [with(&json!({ "name": "c", "image": "i" }), patch)] }))
}

impl Fixture {
    /// Dry-run creates.
    pub async fn check_creates(&self, path: &str, cases: &[(Value, &[&str])]) {
        for (body, expect) in cases {
            let answer = self.post(&format!("{path}?dryRun=All"), body).await;
            compare(body, &told(&answer), expect);
        }
    }

    /// Dry-run merge patches of an object that exists.
    pub async fn check_patches(&self, path: &str, cases: &[(Value, &[&str])]) {
        for (patch, expect) in cases {
            let answer = self.patch(&format!("{path}?dryRun=All"), "merge", patch).await;
            compare(patch, &told(&answer), expect);
        }
    }
}
