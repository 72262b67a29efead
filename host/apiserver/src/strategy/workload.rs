//! Workloads: what runs pods (`pkg/apis/apps/validation`, `pkg/apis/batch/validation`, `pkg/registry/{apps,batch,core}`).

mod cron;
mod cron_job;
mod daemon_set;
mod deployment;
mod job;
mod replica_set;
mod replication_controller;
mod revision;
mod stateful_set;

pub use cron_job::CronJobStrategy;
pub use daemon_set::DaemonSetStrategy;
pub use deployment::DeploymentStrategy;
pub use job::JobStrategy;
pub use replica_set::ReplicaSetStrategy;
pub use replication_controller::{PodTemplateStrategy, ReplicationControllerStrategy};
pub use revision::RevisionStrategy;
pub use stateful_set::StatefulSetStrategy;

use super::at::At;
use super::pod::{same, template_warnings};
use super::pod_spec::{self, given, selector_at};
use super::read::{is_empty, number, text};
use object::field::ErrorList;
use object::selector::LabelSelector;
use object::{Object, Value, json, names};

const MISMATCH: &str = "`selector` does not match template `labels`";

/// `spec`, or nothing.
fn spec(object: &Object) -> &Value {
    object.at(&["spec"]).unwrap_or(&Value::Null)
}

fn status(object: &Object) -> &Value {
    object.at(&["status"]).unwrap_or(&Value::Null)
}

/// `ValidateImmutableField`.
fn immutable(field: &str, new: &Object, old: &Object, errors: &mut ErrorList) {
    let (new, old) = (spec(new).get(field), spec(old).get(field));
    if !same(new, old) {
        At::new("spec").child(field).invalid(errors, new.cloned().unwrap_or_default(), "field is immutable");
    }
}

/// A selector that must be there and must choose something; `what`: the kind, as upstream calls it.
fn required_selector(spec: &Value, what: &str, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("selector");
    let Some(selector) = given(spec, "selector") else { return at.required(errors, "") };
    selector_at(selector, &at, errors);
    if selects_all(spec) {
        at.invalid(errors, selector.clone(), &format!("empty selector is invalid for {what}"));
    }
}

/// There is a selector, and it leaves nothing out.
fn selects_all(spec: &Value) -> bool {
    given(spec, "selector").is_some_and(|s| is_empty(s.get("matchLabels")) && is_empty(s.get("matchExpressions")))
}

/// The template's labels are chosen by the selector; one that is not there chooses nothing. `unreadable`: what is said of a selector that cannot be read.
fn matches_template(spec: &Value, unreadable: Option<&str>, at: &At<'_>, errors: &mut ErrorList) {
    let selector = spec.get("selector").cloned().unwrap_or_default();
    let parsed = match LabelSelector::from_value(&selector) {
        Ok(parsed) => parsed,
        Err(_) => {
            if let Some(detail) = unreadable {
                at.child("selector").invalid(errors, selector, detail);
            }
            return;
        }
    };
    let labels = template(spec).and_then(|t| t.get("metadata")).and_then(|m| m.get("labels"));
    if !parsed.matches(labels.and_then(Value::as_object)) {
        at.child("template.metadata.labels").invalid(errors, labels.cloned().unwrap_or_default(), MISMATCH);
    }
}

fn template(spec: &Value) -> Option<&Value> {
    given(spec, "template")
}

fn pod_of(spec: &Value) -> &Value {
    template(spec).and_then(|t| t.get("spec")).unwrap_or(&Value::Null)
}

/// Pods that are to run for ever; `what`: the kind, as upstream calls it.
fn runs_always(spec: &Value, what: &str, at: &At<'_>, errors: &mut ErrorList) {
    let pod = pod_of(spec);
    let policy = text(pod, "restartPolicy");
    if policy != "Always" {
        at.child("template.spec.restartPolicy").not_supported(errors, policy, &["Always"]);
    }
    if number(pod, "activeDeadlineSeconds").is_some() {
        let detail = format!("activeDeadlineSeconds in {what} is not Supported");
        at.child("template.spec.activeDeadlineSeconds").forbidden(errors, &detail);
    }
}

/// `ValidatePodTemplateSpec` of `spec.template`.
fn valid_template(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let empty = json!({});
    pod_spec::template_at(template(spec).unwrap_or(&empty), &at.child("template"), errors);
}

/// Numbers of the status that cannot be below zero.
fn counts(status: &Value, fields: &[&str], at: &At<'_>, errors: &mut ErrorList) {
    for field in fields {
        at.child(field).non_negative(errors, number(status, field));
    }
}

/// Numbers of the status that cannot be above another one.
fn at_most(status: &Value, fields: &[&str], of: &str, told: &str, at: &At<'_>, errors: &mut ErrorList) {
    let most = number(status, of).unwrap_or(0);
    for field in fields {
        if let Some(value) = number(status, field).filter(|v| *v > most) {
            at.child(field).invalid(errors, value, told);
        }
    }
}

/// `status.collisionCount` only grows.
fn not_decremented(new: &Object, old: &Object, errors: &mut ErrorList) {
    let of = |object: &Object| number(status(object), "collisionCount");
    if let Some(before) = of(old)
        && of(new).is_none_or(|now| now < before)
    {
        At::new("status.collisionCount").invalid(errors, of(new).unwrap_or(0), "cannot be decremented");
    }
}

/// `ValidatePositiveIntOrPercent`.
fn int_or_percent(value: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    match value {
        Some(Value::Number(number)) => at.non_negative(errors, number.as_i64()),
        Some(Value::String(text)) if percent(text).is_none() => {
            let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used \
                          for validation is '[0-9]+%')";
            at.invalid(errors, text.as_str(), detail);
        }
        _ => {}
    }
}

fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%').filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))?;
    Some(digits.parse().unwrap_or(i64::MAX))
}

/// `getIntOrPercentValue`.
fn amount(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        Some(Value::String(text)) => percent(text).or_else(|| text.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

/// `IsNotMoreThan100Percent`.
fn at_most_all(value: Option<&Value>, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(Value::String(text)) = value
        && percent(text).is_some_and(|p| p > 100)
    {
        at.invalid(errors, text.as_str(), "must not be greater than 100%");
    }
}

/// A name that pods and their hosts are named by.
fn name_warning(object: &Object) -> Option<String> {
    let faults = names::dns1123_label(object.name());
    let told =
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended";
    (!faults.is_empty()).then(|| format!("{told}: [{}]", faults.join(" ")))
}

/// Warnings of the template at a path.
fn warnings_of(template: Option<&Value>, path: &str) -> Vec<String> {
    template.map(|template| template_warnings(template, path)).unwrap_or_default()
}

/// Upstream warns again only when the specification changed.
fn changed(new: &Object, old: &Object) -> bool {
    new.at(&["spec"]) != old.at(&["spec"])
}
