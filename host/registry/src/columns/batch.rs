//! Cells of jobs and cron jobs: `printJob`, `printCronJob` of upstream's printers.

use super::workload::{format_selector, of_containers};
use super::{age, integer, list, none, str_of, text};
use object::{Object, Value, json};
use std::time::SystemTime;

pub(crate) fn job_status(job: &Object) -> Value {
    let has = |ty: &str| list(job, &["status", "conditions"]).iter().any(|c| str_of(c, "type") == ty && str_of(c, "status") == "True");
    json!(if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if job.is_deleting() {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else if has("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    })
}

pub(crate) fn job_completions(job: &Object) -> Value {
    let succeeded = integer(job, &["status", "succeeded"]);
    let parallelism = integer(job, &["spec", "parallelism"]);
    json!(match job.at(&["spec", "completions"]).and_then(Value::as_i64) {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    })
}

pub(crate) fn job_duration(job: &Object) -> Value {
    let instant = |field: &str| object::time::parse(job.str_at(&["status", field]));
    let Some(start) = instant("startTime") else { return json!("") };
    let end = instant("completionTime").unwrap_or_else(SystemTime::now);
    json!(age::human(end.duration_since(start).unwrap_or_default()))
}

pub(crate) fn schedule(item: &Object) -> Value {
    text(item, &["spec", "schedule"], "")
}

pub(crate) fn time_zone(item: &Object) -> Value {
    text(item, &["spec", "timeZone"], "<none>")
}

/// A string in a column of booleans, as upstream's `printBoolPtr`.
pub(crate) fn suspend(item: &Object) -> Value {
    json!(match item.at(&["spec", "suspend"]).and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    })
}

pub(crate) fn active(item: &Object) -> Value {
    json!(list(item, &["status", "active"]).len())
}

pub(crate) fn last_schedule(item: &Object) -> Value {
    match item.str_at(&["status", "lastScheduleTime"]) {
        "" => none(),
        instant => json!(age::since(instant)),
    }
}

const TEMPLATE: [&str; 6] = ["spec", "jobTemplate", "spec", "template", "spec", "containers"];

pub(crate) fn cron_containers(item: &Object) -> Value {
    of_containers(item, &TEMPLATE, "name")
}

pub(crate) fn cron_images(item: &Object) -> Value {
    of_containers(item, &TEMPLATE, "image")
}

pub(crate) fn cron_selector(item: &Object) -> Value {
    let written = format_selector(item.at(&["spec", "jobTemplate", "spec", "selector"]));
    json!(if written.is_empty() { "<none>".to_owned() } else { written })
}
