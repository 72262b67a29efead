//! One report: `PolicyReport` or `ClusterPolicyReport` of `wgpolicyk8s.io/v1alpha2`.

use crate::admission::hooks::{Asked, Mode, Spec};
use interfaces::admit::{Admitted, Refusal};
use object::{Object, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub const GROUP: &str = "wgpolicyk8s.io";
pub const VERSION: &str = "v1alpha2";
/// Label of reports that the audit owns; others it leaves alone.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const MANAGER: &str = "coracle";

/// What one policy says of one object.
pub struct Entry {
    policy: String,
    category: String,
    severity: String,
    result: &'static str,
    message: String,
    properties: Value,
}

impl Entry {
    fn new(spec: &Spec, result: &'static str, message: String) -> Self {
        let (kind, mode) = match (&spec.asked, spec.mode) {
            (Asked::Plugin, mode) => ("WasmPlugin", mode),
            (Asked::Group { .. }, mode) => ("PolicyGroup", mode),
        };
        let mode = match mode {
            Mode::Enforce => "Enforce",
            Mode::Warn => "Warn",
            Mode::Audit => "Audit",
        };
        Self {
            policy: spec.name.clone(),
            category: spec.category.clone(),
            severity: spec.severity.clone(),
            result,
            message,
            properties: json!({ "policy-kind": kind, "policy-uid": spec.uid, "mode": mode }),
        }
    }

    pub fn of(spec: &Spec, answer: Result<Admitted, Refusal>) -> Self {
        match answer {
            Ok(_) => Self::new(spec, "pass", String::new()),
            Err(Refusal::Denied(denial)) => {
                let mut message = if denial.message.is_empty() { denial.reason } else { denial.message };
                for cause in denial.causes {
                    message.push_str(&format!("; {}: {}", cause.field, cause.message));
                }
                // What only warns is not counted as a failure.
                Self::new(spec, if spec.mode == Mode::Warn { "warn" } else { "fail" }, message)
            }
            Err(Refusal::Failed(error)) => Self::error(spec, error.to_string()),
        }
    }

    pub fn error(spec: &Spec, message: String) -> Self {
        Self::new(spec, "error", message)
    }

    pub fn skipped(spec: &Spec) -> Self {
        Self::new(spec, "skip", "the policy has side effects and is not asked about dry runs".to_owned())
    }
}

/// All that the policies say of one object.
pub struct Report {
    namespace: String,
    value: Value,
}

impl Report {
    pub fn new(object: &Object, entries: Vec<Entry>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_secs()).unwrap_or_default();
        let about = json!({
            "apiVersion": object.api_version(), "kind": object.kind(), "namespace": object.namespace(), "name": object.name(),
            "uid": object.uid(),
        });
        let mut summary = [("pass", 0), ("fail", 0), ("warn", 0), ("error", 0), ("skip", 0)];
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some((_, count)) = summary.iter_mut().find(|(name, _)| *name == entry.result) {
                *count += 1;
            }
            let mut result = json!({
                "source": MANAGER, "policy": entry.policy, "rule": "validate", "result": entry.result, "message": entry.message,
                "resources": [about], "scored": entry.result != "warn", "timestamp": { "seconds": now, "nanos": 0 },
                "properties": entry.properties,
            });
            for (field, text) in [("category", entry.category), ("severity", entry.severity)] {
                if !text.is_empty() {
                    result[field] = json!(text);
                }
            }
            results.push(result);
        }
        let namespace = object.namespace().to_owned();
        let kind = if namespace.is_empty() { "ClusterPolicyReport" } else { "PolicyReport" };
        let mut metadata = json!({
            "name": object.uid(), "labels": { MANAGED_BY: MANAGER },
            // It goes with its object.
            "ownerReferences": [{
                "apiVersion": object.api_version(), "kind": object.kind(), "name": object.name(), "uid": object.uid(),
            }],
        });
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        let summary: object::Map<String, Value> = summary.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
        let value = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": kind, "metadata": metadata, "scope": about, "summary": summary,
            "results": results,
        });
        Self { namespace, value }
    }

    pub fn collection(&self) -> String {
        collection(&self.namespace)
    }

    pub fn path(&self) -> String {
        path(&self.namespace, self.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default())
    }

    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.value)
    }

    pub fn value(self) -> Value {
        self.value
    }
}

fn collection(namespace: &str) -> String {
    match namespace {
        "" => format!("/apis/{GROUP}/{VERSION}/clusterpolicyreports"),
        namespace => format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/policyreports"),
    }
}

pub fn path(namespace: &str, name: &str) -> String {
    format!("{}/{name}", collection(namespace))
}

/// Equal for reports that say the same, whenever they say it.
pub fn fingerprint(report: &Value) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut results = report.get("results").cloned().unwrap_or_default();
    for result in results.as_array_mut().into_iter().flatten() {
        if let Some(result) = result.as_object_mut() {
            result.remove("timestamp");
        }
    }
    // Compared only with what this process computes.
    let mut hasher = std::hash::DefaultHasher::new();
    results.to_string().hash(&mut hasher);
    hasher.finish()
}
