//! What upstream's admission plugins add to new pods.

use super::Step;
use crate::write::Write;
use async_trait::async_trait;
use object::{Object, StatusError, Value, json};

/// How long a pod stays on a node that is not ready or not reachable: upstream's `default-*-toleration-seconds`.
const TOLERATION_SECONDS: i64 = 300;

pub fn is_pod_create(write: &Write<'_>, old: Option<&Object>) -> bool {
    old.is_none() && write.kind.group.is_empty() && write.kind.resource == "pods" && write.subresource.is_none()
}

/// `DefaultTolerationSeconds`.
pub struct DefaultTolerationSeconds;

#[async_trait]
impl Step for DefaultTolerationSeconds {
    async fn mutate(&self, write: &Write<'_>, new: &mut Object, old: Option<&Object>) -> Result<(), StatusError> {
        if !is_pod_create(write, old) {
            return Ok(());
        }
        let mut tolerations = new.at(&["spec", "tolerations"]).and_then(Value::as_array).cloned().unwrap_or_default();
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let covered = tolerations.iter().any(|t| {
                let text = |field: &str| t.get(field).and_then(Value::as_str).unwrap_or_default();
                (text("key") == key || text("key").is_empty()) && matches!(text("effect"), "" | "NoExecute")
            });
            if !covered {
                tolerations
                    .push(json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS }));
            }
        }
        new.set_at(&["spec", "tolerations"], Value::Array(tolerations));
        Ok(())
    }
}
