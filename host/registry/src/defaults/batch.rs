//! Group batch: `pkg/apis/batch/v1/defaults.go`.

use super::{child, is_unset, items, pod, set};
use object::{Map, Value, json};

/// With a limit per index, the job as a whole has none: the greatest 32-bit number.
const NO_LIMIT: i64 = 2_147_483_647;

pub(super) fn job(root: &mut Map<String, Value>) {
    let Some(spec) = child(root, "spec") else { return };
    if is_unset(spec, "completions") && is_unset(spec, "parallelism") {
        set(spec, "completions", 1);
    }
    set(spec, "parallelism", 1);
    let limit = if is_unset(spec, "backoffLimitPerIndex") { 6 } else { NO_LIMIT };
    set(spec, "backoffLimit", limit);
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    set(spec, "manualSelector", false);
    let replacement = if is_unset(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    set(spec, "podReplacementPolicy", replacement);
    if let Some(policy) = child(spec, "podFailurePolicy") {
        for rule in items(policy, "rules") {
            items(rule, "onPodConditions").for_each(|condition| set(condition, "status", "True"));
        }
    }
    let labels = child(spec, "template").and_then(|t| child(t, "metadata")).and_then(|m| m.get("labels").cloned());
    pod::template(spec);
    super::labels_of_template(root, labels);
}

pub(super) fn cron_job(root: &mut Map<String, Value>) {
    let Some(spec) = child(root, "spec") else { return };
    set(spec, "concurrencyPolicy", "Allow");
    set(spec, "suspend", false);
    set(spec, "successfulJobsHistoryLimit", 3);
    set(spec, "failedJobsHistoryLimit", 1);
    // The job's own defaults are set when a job is made of the template.
    if let Some(job) = child(spec, "jobTemplate").and_then(|t| child(t, "spec")) {
        pod::template(job);
    }
}

pub(super) fn autoscaler(root: &mut Map<String, Value>) {
    let first = root.get("apiVersion").and_then(Value::as_str) == Some("autoscaling/v1");
    let Some(spec) = child(root, "spec") else { return };
    set(spec, "minReplicas", 1);
    // What the first version has no fields for is set in the stored one.
    if first {
        return;
    }
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let target = json!({ "type": "Utilization", "averageUtilization": 80 });
        spec.insert("metrics".to_owned(), json!([{ "type": "Resource", "resource": { "name": "cpu", "target": target } }]));
    }
    if let Some(behavior) = child(spec, "behavior") {
        let percent = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
        if let Some(up) = super::child_or_new(behavior, "scaleUp") {
            set(up, "stabilizationWindowSeconds", 0);
            set(up, "selectPolicy", "Max");
            set(up, "policies", json!([{ "type": "Pods", "value": 4, "periodSeconds": 15 }, percent]));
        }
        if let Some(down) = super::child_or_new(behavior, "scaleDown") {
            set(down, "selectPolicy", "Max");
            set(down, "policies", json!([percent]));
        }
    }
}
