//! The status of a replica set: `pkg/controller/replicaset/replica_set_utils.go`.

use crate::conditions::{self, Condition};
use crate::view::{int, list, pod};
use object::selector::LabelSelector;
use object::{Object, Value, json};
use std::sync::Arc;
use std::time::SystemTime;

/// The new status by the owned pods; `failure` is reason and message of a create or delete that failed.
pub(super) fn of(set: &Object, owned: &[Arc<Object>], failure: Option<(&str, String)>, now: SystemTime) -> Value {
    let min_ready = int(set, &["spec", "minReadySeconds"]);
    let template = set.at(&["spec", "template", "metadata", "labels"]).and_then(Value::as_object);
    let fully = LabelSelector::from_map(template);
    let active: Vec<&Arc<Object>> = owned.iter().filter(|p| pod::is_active(p)).collect();
    let count = |which: &dyn Fn(&Object) -> bool| active.iter().filter(|p| which(p)).count();
    let labelled = if template.is_none_or(object::Map::is_empty) { active.len() } else { count(&|p| fully.matches_object(p)) };
    let mut conditions = list(set, &["status", "conditions"]).to_vec();
    match failure {
        Some((reason, message)) => {
            let failed = Condition::new("ReplicaFailure", "True", reason, message);
            conditions::set(&mut conditions, &failed, &object::time::format(now));
        }
        None => conditions::remove(&mut conditions, "ReplicaFailure"),
    }
    let mut status = json!({
        "replicas": active.len(),
        "observedGeneration": set.generation(),
        "terminatingReplicas": owned.iter().filter(|p| p.is_deleting() && !pod::is_terminal(p)).count(),
    });
    let ready = count(&pod::is_ready);
    let available = count(&|p| pod::is_available(p, min_ready, now));
    for (field, number) in [("fullyLabeledReplicas", labelled), ("readyReplicas", ready), ("availableReplicas", available)] {
        if number > 0 {
            status[field] = json!(number);
        }
    }
    if !conditions.is_empty() {
        status["conditions"] = Value::Array(conditions);
    }
    status
}

/// Whether two statuses say the same; an absent number is zero.
pub(super) fn same(old: &Value, new: &Value) -> bool {
    let numbers = ["replicas", "observedGeneration", "terminatingReplicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    let number = |status: &Value, field: &str| status.get(field).and_then(Value::as_i64).unwrap_or_default();
    let list = |status: &Value| status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    numbers.iter().all(|f| number(old, f) == number(new, f)) && list(old) == list(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_pods() {
        let set = Object::from_value(json!({
            "metadata": {"generation": 3},
            "spec": {"minReadySeconds": 10, "template": {"metadata": {"labels": {"a": "b", "c": "d"}}}},
        }))
        .unwrap();
        let at = object::time::parse("2026-01-01T00:01:00Z").unwrap();
        let pod = |labels: Value, since: &str, deleting: bool| {
            let mut pod = json!({"metadata": {"labels": labels}, "status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}]}});
            if deleting {
                pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            Arc::new(Object::from_value(pod).unwrap())
        };
        let both = json!({"a": "b", "c": "d"});
        let owned = [
            pod(both.clone(), "2026-01-01T00:00:00Z", false),
            pod(json!({"a": "b"}), "2026-01-01T00:00:55Z", false),
            pod(both, "2026-01-01T00:00:00Z", true),
        ];
        let status = of(&set, &owned, None, at);
        let expect = json!({"replicas": 2, "observedGeneration": 3, "terminatingReplicas": 1, "fullyLabeledReplicas": 1, "readyReplicas": 2, "availableReplicas": 1});
        assert_eq!(status, expect);
        assert!(same(&status, &expect) && !same(&json!({}), &expect));
        let failed = of(&set, &[], Some(("FailedCreate", "no".to_owned())), at);
        assert_eq!(failed["conditions"][0]["reason"], "FailedCreate");
    }
}
