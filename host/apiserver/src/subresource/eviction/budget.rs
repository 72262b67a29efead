//! Whether a PodDisruptionBudget lets a pod go, and taking the disruption from it.

use crate::call::Target;
use crate::write::{Edit, Write, edit};
use object::selector::LabelSelector;
use object::{GroupResource, Object, Reason, StatusCause, StatusError, Value, json};

/// More pods than that on their way out means that nobody watches any more: upstream's `MaxDisruptedPodSize`.
const DISRUPTED_MAX: usize = 2000;
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// Seconds after which a client may ask again.
const AGAIN: u32 = 10;

pub enum Decision {
    /// No budget, or one that has let the pod go.
    Free,
    /// The budget does not count the pod as long as it is not ready; the budget's name.
    Unready(String),
}

pub async fn ask(write: &Write<'_>, pod: &Object) -> Result<Decision, StatusError> {
    let shared = &write.call.shared;
    let Some(row) = shared.registry.resource_by_name("policy", "v1", "poddisruptionbudgets") else { return Ok(Decision::Free) };
    shared.caches.current().await?;
    let found = shared.caches.of(&row)?.snapshot(pod.namespace(), None, 0, |_| true);
    let mut budgets = found.items.iter().map(|item| item.object()).filter(|budget| guards(budget, pod));
    let Some(budget) = budgets.next() else { return Ok(Decision::Free) };
    if budgets.next().is_some() {
        let told = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return Err(StatusError::new(500, Reason::InternalError, told));
    }
    if !is_ready(pod) {
        let always = budget.str_at(&["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow";
        let (current, desired) = (count(&budget, "currentHealthy"), count(&budget, "desiredHealthy"));
        if always || current >= desired && desired > 0 {
            return Ok(Decision::Unready(budget.name().to_owned()));
        }
    }
    let subresource = row.subresource("status").cloned();
    let mut taking = Write::new(write.call, &Target { kind: row.clone(), stored: row, subresource })?;
    taking.options.dry_run = write.options.dry_run;
    let name = budget.name().to_owned();
    let gone = || StatusError::not_found(&taking.kind.group_resource(), &name);
    edit(&taking, &name, false, &|now| Ok(Edit { object: taken(now.ok_or_else(gone)?, pod.name())?, owned: false })).await?;
    Ok(Decision::Free)
}

/// What is selected by nothing is not guarded; neither is anything by a budget that selects nothing in particular.
fn guards(budget: &Object, pod: &Object) -> bool {
    let selector = budget.at(&["spec", "selector"]).and_then(|s| LabelSelector::from_value(s).ok());
    selector.is_some_and(|s| !s.is_everything() && s.matches_object(pod))
}

fn is_ready(pod: &Object) -> bool {
    let conditions = pod.at(&["status", "conditions"]).and_then(Value::as_array).into_iter().flatten();
    let text = |c: &Value, field: &str| c.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    conditions.into_iter().any(|c| text(c, "type") == "Ready" && text(c, "status") == "True")
}

fn count(budget: &Object, field: &str) -> i64 {
    budget.at(&["status", field]).and_then(Value::as_i64).unwrap_or(0)
}

/// The budget does not know yet how things are.
pub fn busy(name: &str) -> StatusError {
    refusal(AGAIN, format!("The disruption budget {name} is still being processed by the server."))
}

fn refusal(again: u32, message: String) -> StatusError {
    let mut error = StatusError::new(429, Reason::TooManyRequests, REFUSED);
    error.retry_after_seconds = again;
    error.causes.push(StatusCause { reason: "DisruptionBudget".to_owned(), message, field: String::new() });
    error
}

/// `checkAndDecrement`: the budget with one disruption less, and the pod named so that it is not counted as there.
fn taken(budget: &Object, pod: &str) -> Result<Object, StatusError> {
    let name = budget.name();
    if count(budget, "observedGeneration") < budget.generation() {
        return Err(busy(name));
    }
    let resource = GroupResource { group: "policy".to_owned(), resource: "poddisruptionbudget".to_owned() };
    let allowed = count(budget, "disruptionsAllowed");
    if allowed < 0 {
        return Err(StatusError::forbidden(&resource, name, "pdb disruptions allowed is negative"));
    }
    let disrupted = budget.at(&["status", "disruptedPods"]).and_then(Value::as_object);
    if disrupted.is_some_and(|pods| pods.len() > DISRUPTED_MAX) {
        let cause = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(StatusError::forbidden(&resource, name, cause));
    }
    if allowed == 0 {
        return Err(refusal(0, why_none(budget)));
    }
    let mut object = budget.clone();
    object.set_at(&["status", "disruptionsAllowed"], json!(allowed - 1));
    object.set_at(&["status", "disruptedPods", pod], json!(object::time::now()));
    if allowed == 1 {
        none_left(&mut object);
    }
    Ok(object)
}

fn why_none(budget: &Object) -> String {
    let conditions = budget.at(&["status", "conditions"]).and_then(Value::as_array).into_iter().flatten();
    let text = |c: &'_ Value, field: &str| c.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let failed = conditions.into_iter().find(|c| text(c, "type") == "DisruptionAllowed" && text(c, "reason") == "SyncFailed");
    let name = budget.name();
    match failed.filter(|c| text(c, "status") == "False") {
        Some(c) => {
            format!("The disruption budget {name} does not allow evicting pods currently because it failed sync: {}", text(c, "message"))
        }
        None => {
            let (desired, current) = (count(budget, "desiredHealthy"), count(budget, "currentHealthy"));
            format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently")
        }
    }
}

/// `UpdateDisruptionAllowedCondition` when the last disruption was taken.
fn none_left(budget: &mut Object) {
    let mut conditions = budget.at(&["status", "conditions"]).and_then(Value::as_array).cloned().unwrap_or_default();
    conditions.retain(|c| c.get("type").and_then(Value::as_str) != Some("DisruptionAllowed"));
    conditions.push(json!({
        "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
        "observedGeneration": count(budget, "observedGeneration"), "lastTransitionTime": object::time::now(),
    }));
    budget.set_at(&["status", "conditions"], Value::Array(conditions));
}
