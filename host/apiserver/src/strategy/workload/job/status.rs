//! Status of jobs: `validateJobStatus`, `ValidateJobStatusUpdate`. Most rules hold only for what a write changes
//! (`getStatusValidationOptions`).

use super::super::{counts, same, spec, status};
use super::indexes;
use crate::strategy::at::At;
use crate::strategy::pod_spec::given;
use crate::strategy::read::{flag, items, number, text};
use object::field::ErrorList;
use object::{Object, Value};
use std::collections::HashSet;

fn is(status: &Value, condition: &str) -> bool {
    items(status, "conditions").any(|(_, c)| text(c, "type") == condition && text(c, "status") == "True")
}

/// What a write did to the status.
struct Change<'v> {
    spec: &'v Value,
    now: &'v Value,
    was: &'v Value,
}

impl Change<'_> {
    fn turned(&self, condition: &str) -> bool {
        is(self.now, condition) != is(self.was, condition)
    }
    fn set(&self, field: &str) -> bool {
        !same(self.now.get(field), self.was.get(field))
    }
    fn finished(status: &Value) -> bool {
        is(status, "Complete") || is(status, "Failed")
    }
    fn finishes(&self) -> bool {
        Self::finished(self.now) != Self::finished(self.was)
    }
}

pub fn validate(new: &Object, old: &Object, errors: &mut ErrorList) {
    let change = Change { spec: spec(new), now: status(new), was: status(old) };
    let at = At::new("status");
    counts(change.now, &["active", "succeeded", "failed", "ready", "terminating"], &at, errors);
    uncounted(change.now, &at.child("uncountedTerminatedPods"), errors);
    conditions(&change, &at.child("conditions"), errors);
    times(&change, &at, errors);
    finished(&change, &at, errors);
    listed(&change, &at, errors);
    transitions(&change, &at, errors);
}

fn uncounted(status: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(pods) = given(status, "uncountedTerminatedPods") else { return };
    let mut seen = HashSet::new();
    for list in ["succeeded", "failed"] {
        for (index, uid) in items(pods, list) {
            let list = at.child(list);
            let at = list.index(index);
            let uid = uid.as_str().unwrap_or_default();
            if uid.is_empty() {
                at.invalid(errors, uid, "must not be empty");
            } else if !seen.insert(uid) {
                at.duplicate(errors, uid);
            }
        }
    }
}

fn conditions(change: &Change<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let (now, turned) = (change.now, |condition: &str| change.turned(condition));
    let mut refuse = |wrong: bool, detail: &str| {
        if wrong {
            at.invalid_as_a_whole(errors, detail);
        }
    };
    let (complete, failed) = (is(now, "Complete"), is(now, "Failed"));
    let (target, met) = (is(now, "FailureTarget"), is(now, "SuccessCriteriaMet"));
    let completes = turned("Complete");
    refuse((completes || turned("Failed")) && complete && failed, "cannot set Complete=True and Failed=true conditions");
    let told = "cannot set Complete=True and FailureTarget=true conditions";
    refuse((completes || turned("FailureTarget")) && complete && target, told);
    let told = "cannot set Failed=True condition without the FailureTarget=true condition";
    refuse((turned("Failed") || turned("FailureTarget")) && failed && !target, told);
    let told = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
    refuse((completes || turned("SuccessCriteriaMet")) && complete && !met, told);
    refuse(met && failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
    refuse(met && target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
    let told = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
    refuse(given(change.spec, "successPolicy").is_some() && !met && complete, told);
}

/// When the job began and ended.
fn times(change: &Change<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let (start, end) = (text(change.now, "startTime"), text(change.now, "completionTime"));
    let (complete, place) = (is(change.now, "Complete"), at.child("completionTime"));
    let moved = change.set("completionTime");
    if (change.turned("Complete") || moved) && !end.is_empty() && !complete {
        place.invalid(errors, end, "cannot set completionTime when there is no Complete=True condition");
    }
    if (change.turned("Complete") || moved) && end.is_empty() && complete {
        place.required(errors, "completionTime is required for Complete jobs");
    }
    let before = match (object::time::parse(start), object::time::parse(end)) {
        (Some(start), Some(end)) => end < start,
        _ => false,
    };
    if (change.set("startTime") || moved) && before {
        place.invalid(errors, end, "completionTime cannot be set before startTime");
    }
}

/// Who has ended has nothing left.
fn finished(change: &Change<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let (now, over) = (change.now, Change::finished(change.now));
    let of = |field: &str| number(now, field).unwrap_or(0);
    if (change.finishes() || change.set("active")) && over && of("active") > 0 {
        at.child("active").invalid(errors, of("active"), "active>0 is invalid for finished job");
    }
    let never_ran = flag(change.spec, "suspend") && number(change.spec, "completions") == Some(0);
    if (change.finishes() || change.set("startTime")) && over && text(now, "startTime").is_empty() && !never_ran {
        at.child("startTime").required(errors, "startTime is required for finished job");
    }
    if let Some(pods) = given(now, "uncountedTerminatedPods")
        && over
        && (change.finishes() || change.set("uncountedTerminatedPods"))
        && items(pods, "failed").count() + items(pods, "succeeded").count() > 0
    {
        let detail = "uncountedTerminatedPods needs to be empty for finished job";
        at.child("uncountedTerminatedPods").invalid(errors, pods.clone(), detail);
    }
    if (change.finishes() || change.set("terminating")) && over && of("terminating") > 0 {
        at.child("terminating").invalid(errors, of("terminating"), "terminating>0 is invalid for finished job");
    }
    let moved = change.set("ready") || change.set("active");
    if let Some(ready) = number(now, "ready").filter(|ready| moved && *ready > of("active")) {
        at.child("ready").invalid(errors, ready, "cannot set more ready pods than active");
    }
}

/// Indexes that are done.
fn listed(change: &Change<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let (completed, failed) = (text(change.now, "completedIndexes"), change.now.get("failedIndexes").and_then(Value::as_str));
    let completions = number(change.spec, "completions");
    let per_index = number(change.spec, "backoffLimitPerIndex").is_some();
    let (places, moved) =
        ((at.child("completedIndexes"), at.child("failedIndexes")), (change.set("completedIndexes"), change.set("failedIndexes")));
    if let Some(completions) = completions {
        if moved.0
            && let Err(error) = indexes::count(completed, completions)
        {
            places.0.invalid(errors, completed, &format!("error parsing completedIndexes: {error}"));
        }
        if moved.1
            && per_index
            && let Some(failed) = failed
            && let Err(error) = indexes::count(failed, completions)
        {
            places.1.invalid(errors, failed, &format!("error parsing failedIndexes: {error}"));
        }
    }
    if moved.0 && !completed.is_empty() && text(change.spec, "completionMode") != "Indexed" {
        places.0.invalid(errors, completed, "cannot set non-empty completedIndexes when non-indexed completion mode");
    }
    let Some(failed) = failed else { return };
    if moved.1 && !per_index {
        places.1.invalid(errors, failed, "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
    }
    if (moved.0 || moved.1)
        && let Some(index) = completions.and_then(|completions| indexes::overlap(completed, failed, completions))
    {
        places.1.invalid(errors, failed, &format!("failedIndexes and completedIndexes overlap at index: {index}"));
    }
}

/// What cannot be taken back.
fn transitions(change: &Change<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let (now, was, spec) = (change.now, change.was, change.spec);
    let conditions = at.child("conditions");
    for condition in ["Failed", "Complete", "FailureTarget"] {
        if is(was, condition) && !is(now, condition) {
            conditions.invalid_as_a_whole(errors, &format!("cannot disable the terminal {condition}=True condition"));
        }
    }
    let of = |status: &Value, field: &str| number(status, field).unwrap_or(0);
    if of(now, "failed") < of(was, "failed") {
        at.child("failed").invalid(errors, of(now, "failed"), "cannot decrease the failed counter");
    }
    // Elastic jobs are scaled down with what has succeeded.
    let elastic = text(spec, "completionMode") == "Indexed" && number(spec, "completions") == number(spec, "parallelism");
    if !elastic && of(now, "succeeded") < of(was, "succeeded") {
        at.child("succeeded").invalid(errors, of(now, "succeeded"), "cannot decrease the succeeded counter");
    }
    let (end, ended) = (text(now, "completionTime"), text(was, "completionTime"));
    if !end.is_empty() && !ended.is_empty() && end != ended {
        at.child("completionTime").invalid(errors, end, "completionTime cannot be mutated");
    }
    let (start, started) = (text(now, "startTime"), text(was, "startTime"));
    if !started.is_empty() && start != started && !flag(spec, "suspend") {
        at.child("startTime").required(errors, "startTime cannot be removed for unsuspended job");
    }
    if is(was, "SuccessCriteriaMet") && !is(now, "SuccessCriteriaMet") {
        conditions.invalid_as_a_whole(errors, "cannot disable the SuccessCriteriaMet=True condition");
    }
    if is(was, "Complete") && !is(was, "SuccessCriteriaMet") && is(now, "SuccessCriteriaMet") {
        let detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        conditions.invalid_as_a_whole(errors, detail);
    }
}
