//! What a deployment tells of itself: `pkg/controller/deployment/progress.go` and `calculateStatus`.

use super::{Deployments, Rollout, numbers};
use crate::conditions::{self, Condition};
use crate::error::Error;
use crate::run::Next;
use crate::view::{condition, elapsed, int, list, opt_int, text};
use client::gvr;
use object::{Object, Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a rollout may stand still; `None` when it may for ever.
pub(super) fn deadline(deployment: &Object) -> Option<Duration> {
    let seconds = opt_int(deployment, &["spec", "progressDeadlineSeconds"])?;
    // The largest integer is upstream's "no deadline".
    let seconds = u64::try_from(seconds).ok().filter(|s| *s != i32::MAX as u64)?;
    Some(Duration::from_secs(seconds))
}

pub(super) fn current(deployment: &Object) -> &Value {
    deployment.at(&["status"]).unwrap_or(&Value::Null)
}

fn number(status: &Value, field: &str) -> i64 {
    status.get(field).and_then(Value::as_i64).unwrap_or_default()
}

/// All pods are of the new template, available, and no old ones are left (`DeploymentComplete`).
pub(super) fn is_complete(deployment: &Object, status: &Value) -> bool {
    let wanted = numbers::replicas(deployment);
    ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|f| number(status, f) == wanted)
        && number(status, "observedGeneration") >= deployment.generation()
}

/// Sets a condition in the deployment's own status.
pub(super) fn set_condition(deployment: &mut Object, condition: &Condition) {
    let mut all = list(deployment, &["status", "conditions"]).to_vec();
    conditions::set_updated(&mut all, condition, &object::time::now());
    deployment.set_at(&["status", "conditions"], Value::Array(all));
}

impl Deployments {
    /// Writes the status if it changed. `rolling` judges the progress, too.
    pub(super) async fn write_status(&self, rollout: &Rollout, rolling: bool) -> Result<Next, Error> {
        let now = SystemTime::now();
        let mut new = calculate(rollout, &object::time::format(now));
        if rolling {
            judge_progress(rollout, &mut new, now);
        }
        if same(current(&rollout.deployment), &new) {
            return Ok(Next::done().sooner(until_stuck(&rollout.deployment, &new, now)));
        }
        let mut changed = rollout.deployment.clone();
        changed.set_at(&["status"], new);
        match self.client.api(&gvr::deployments()).update_status(changed.namespace(), &changed).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(Next::done().sooner(until_stuck(&changed, current(&changed), now))),
        }
    }
}

const NUMBERS: [&str; 8] = [
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "terminatingReplicas",
    "collisionCount",
];

fn calculate(rollout: &Rollout, now: &str) -> Value {
    let (deployment, all) = (&rollout.deployment, rollout.all());
    let sum = |sets: &[Arc<Object>], field: &str| -> i64 { sets.iter().map(|s| int(s, &["status", field])).sum() };
    let available = numbers::total_available(&all);
    let mut status = json!({ "observedGeneration": deployment.generation() });
    let updated: Vec<Arc<Object>> = rollout.new.iter().cloned().collect();
    let values = [
        ("replicas", sum(&all, "replicas")),
        ("updatedReplicas", sum(&updated, "replicas")),
        ("readyReplicas", sum(&all, "readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (numbers::total(&all) - available).max(0)),
    ];
    for (field, value) in values {
        if value != 0 {
            status[field] = json!(value);
        }
    }
    status["terminatingReplicas"] = json!(sum(&all, "terminatingReplicas"));
    if let Some(count) = opt_int(deployment, &["status", "collisionCount"]) {
        status["collisionCount"] = json!(count);
    }
    let mut all_conditions = list(deployment, &["status", "conditions"]).to_vec();
    let enough = available >= numbers::replicas(deployment) - numbers::max_unavailable(deployment);
    let is_available = if enough {
        Condition::new("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        Condition::new("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    conditions::set_updated(&mut all_conditions, &is_available, now);
    status["conditions"] = Value::Array(all_conditions);
    status
}

fn same(old: &Value, new: &Value) -> bool {
    let conditions = |status: &Value| status.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    NUMBERS.iter().all(|f| number(old, f) == number(new, f)) && conditions(old) == conditions(new)
}

/// Sets or removes the conditions Progressing and ReplicaFailure (`syncRolloutStatus`).
fn judge_progress(rollout: &Rollout, new: &mut Value, at: SystemTime) {
    let deployment = &rollout.deployment;
    let now = object::time::format(at);
    let mut all = new.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let progressing = condition(deployment, "Progressing");
    let reason = progressing.map(|c| text(c, "reason")).unwrap_or_default();
    if deadline(deployment).is_none() {
        conditions::remove(&mut all, "Progressing");
    }
    let was_complete = number(new, "replicas") == number(new, "updatedReplicas") && reason == "NewReplicaSetAvailable";
    if deadline(deployment).is_some() && !was_complete {
        let what = match &rollout.new {
            Some(set) => format!("ReplicaSet \"{}\"", set.name()),
            None => format!("Deployment \"{}\"", deployment.name()),
        };
        if is_complete(deployment, new) {
            let words = format!("{what} has successfully progressed.");
            conditions::set_updated(&mut all, &Condition::new("Progressing", "True", "NewReplicaSetAvailable", words), &now);
        } else if has_moved(current(deployment), new) {
            let words = format!("{what} is progressing.");
            let moved = Condition::new("Progressing", "True", "ReplicaSetUpdated", words);
            // Each step begins the deadline anew, even with an equal condition.
            let since = progressing.filter(|c| text(c, "status") == "True").map(|c| text(c, "lastTransitionTime").to_owned());
            conditions::remove(&mut all, "Progressing");
            conditions::set_updated(&mut all, &moved, &now);
            if let (Some(since), Some(last)) = (since, all.last_mut()) {
                last["lastTransitionTime"] = json!(since);
            }
        } else if has_timed_out(deployment, &all, at) {
            let words = format!("{what} has timed out progressing.");
            conditions::set_updated(&mut all, &Condition::new("Progressing", "False", "ProgressDeadlineExceeded", words), &now);
        }
    }
    match replica_failure(rollout) {
        Some(failure) => {
            let reason = text(failure, "reason");
            let failed = Condition::new("ReplicaFailure", "True", reason, text(failure, "message"));
            conditions::set_updated(&mut all, &failed, &now);
        }
        None => conditions::remove(&mut all, "ReplicaFailure"),
    }
    new["conditions"] = Value::Array(all);
}

/// The new set's failure, else that of an old one (`getReplicaFailures`).
fn replica_failure(rollout: &Rollout) -> Option<&Value> {
    let of = |set: &'_ Arc<Object>| -> bool { condition(set, "ReplicaFailure").is_some() };
    let set = rollout.new.iter().chain(&rollout.old).find(|s| of(s))?;
    condition(set, "ReplicaFailure")
}

/// Whether anything is better than before (`DeploymentProgressing`).
fn has_moved(old: &Value, new: &Value) -> bool {
    let outdated = |s: &Value| number(s, "replicas") - number(s, "updatedReplicas");
    let grew = |field: &str| number(new, field) > number(old, field);
    grew("updatedReplicas") || outdated(new) < outdated(old) || grew("readyReplicas") || grew("availableReplicas")
}

fn has_timed_out(deployment: &Object, all: &[Value], now: SystemTime) -> bool {
    let (Some(deadline), Some(progressing)) = (deadline(deployment), conditions::get(all, "Progressing")) else { return false };
    match text(progressing, "reason") {
        "NewReplicaSetAvailable" => false,
        "ProgressDeadlineExceeded" => true,
        _ => elapsed(text(progressing, "lastUpdateTime"), now).is_some_and(|e| e > deadline),
    }
}

/// When to look again whether a rollout is stuck (`requeueStuckDeployment`).
fn until_stuck(deployment: &Object, new: &Value, now: SystemTime) -> Option<Duration> {
    let (deadline, progressing) = (deadline(deployment)?, condition(deployment, "Progressing")?);
    let is_paused = crate::view::flag(deployment, &["spec", "paused"]);
    if is_paused || is_complete(deployment, new) || text(progressing, "reason") == "ProgressDeadlineExceeded" {
        return None;
    }
    let since = elapsed(text(progressing, "lastUpdateTime"), now)?;
    // A second more, because times have whole seconds.
    Some(deadline.saturating_sub(since) + Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(status: Value, new: Value) -> Rollout {
        let spec = json!({"replicas": 2, "progressDeadlineSeconds": 10, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}});
        let deployment = json!({"metadata": {"name": "d", "generation": 4}, "spec": spec, "status": status});
        let set = json!({"metadata": {"name": "s"}, "spec": {"replicas": 2}, "status": new});
        Rollout {
            deployment: Object::from_value(deployment).unwrap(),
            new: Some(Arc::new(Object::from_value(set).unwrap())),
            old: Vec::new(),
        }
    }

    fn judged(status: Value, new: Value, at: &str) -> (String, Value) {
        let rollout = rollout(status, new);
        let at = object::time::parse(at).unwrap();
        let mut status = calculate(&rollout, &object::time::format(at));
        judge_progress(&rollout, &mut status, at);
        let all = status["conditions"].as_array().unwrap();
        let reason = conditions::get(all, "Progressing").map(|c| text(c, "reason").to_owned()).unwrap_or_default();
        (reason, status)
    }

    #[test]
    fn progress_is_told_and_times_out() {
        let at = "2026-01-01T00:00:20Z";
        let progressing = |reason: &str, update: &str| json!([{"type": "Progressing", "status": "True", "reason": reason, "lastUpdateTime": update, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let (reason, status) = judged(json!({}), json!({"replicas": 1}), at);
        assert_eq!(
            (reason.as_str(), &status["unavailableReplicas"], &status["updatedReplicas"]),
            ("ReplicaSetUpdated", &json!(2), &json!(1))
        );
        let full = json!({"replicas": 2, "readyReplicas": 2, "availableReplicas": 2});
        let (reason, status) = judged(json!({"conditions": progressing("ReplicaSetUpdated", at)}), full.clone(), at);
        assert_eq!(reason, "NewReplicaSetAvailable");
        assert_eq!(status["conditions"][0]["reason"], "MinimumReplicasAvailable");
        let stands = json!({"replicas": 1, "updatedReplicas": 1, "conditions": progressing("ReplicaSetUpdated", "2026-01-01T00:00:09Z")});
        assert_eq!(judged(stands, json!({"replicas": 1}), at).0, "ProgressDeadlineExceeded");
        let waits = json!({"replicas": 1, "updatedReplicas": 1, "conditions": progressing("ReplicaSetUpdated", "2026-01-01T00:00:11Z")});
        assert_eq!(judged(waits, json!({"replicas": 1}), at).0, "ReplicaSetUpdated");
        // Once complete, lost pods do not begin a deadline.
        let complete =
            json!({"replicas": 2, "updatedReplicas": 2, "conditions": progressing("NewReplicaSetAvailable", "2026-01-01T00:00:00Z")});
        assert_eq!(judged(complete, json!({"replicas": 2, "readyReplicas": 1}), at).0, "NewReplicaSetAvailable");
    }

    #[test]
    fn a_failure_of_a_set_is_passed_on() {
        let failure = json!({"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}]});
        let (_, status) = judged(json!({}), failure, "2026-01-01T00:00:20Z");
        let told = conditions::get(status["conditions"].as_array().unwrap(), "ReplicaFailure").unwrap();
        assert_eq!((text(told, "reason"), text(told, "message")), ("FailedCreate", "quota"));
    }
}
