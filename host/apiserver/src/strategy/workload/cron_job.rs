//! CronJobs: `pkg/apis/batch/validation` ValidateCronJob, `pkg/registry/batch/cronjob/strategy.go`.

use super::job::{spec_warnings, validate_spec};
use super::*;
use crate::strategy::{Context, Strategy};

pub struct CronJobStrategy;

/// Jobs are named by their time too: `-` and ten digits of minutes.
const NAME_MAX: usize = 52;

/// Names of time zones, from the public tz database (2025b): what upstream's server embeds.
const ZONES: &str = include_str!("zones.txt");

impl Strategy for CronJobStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        new.set_at(&["status"], json!({}));
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let (spec, at) = (spec(new), At::new("spec"));
        match text(spec, "schedule") {
            "" => at.child("schedule").required(errors, ""),
            schedule => {
                if let Err(error) = cron::parse(schedule, is_zone) {
                    at.child("schedule").invalid(errors, schedule, &error);
                }
            }
        }
        at.child("startingDeadlineSeconds").non_negative(errors, number(spec, "startingDeadlineSeconds"));
        at.child("concurrencyPolicy").one_of(errors, text(spec, "concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
        let empty = json!({});
        let job = given(spec, "jobTemplate").and_then(|t| given(t, "spec")).unwrap_or(&empty);
        let below = at.child("jobTemplate.spec");
        validate_spec(job, &below, errors);
        if let Some(selector) = given(job, "selector") {
            below.child("selector").invalid(errors, selector.clone(), "`selector` will be auto-generated");
        }
        if job.get("manualSelector").and_then(Value::as_bool) == Some(true) {
            below.child("manualSelector").not_supported(errors, true, &["nil", "false"]);
        }
        for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
            at.child(field).non_negative(errors, number(spec, field));
        }
    }

    fn validate_create(&self, new: &Object, errors: &mut ErrorList) {
        let spec = spec(new);
        zone_in_schedule(spec, false, errors);
        zone(spec, errors);
        if new.name().len() > NAME_MAX {
            At::new("metadata.name").invalid(errors, new.name(), &format!("must be no more than {NAME_MAX} characters"));
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let (spec, before) = (spec(new), spec(old));
        // Those of old that name a zone there may go on doing so.
        zone_in_schedule(spec, text(before, "schedule").contains("TZ"), errors);
        if spec.get("timeZone") != before.get("timeZone") {
            zone(spec, errors);
        }
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        let template = template_warnings(new);
        name_warning(new).into_iter().chain(template).collect()
    }

    fn warnings_on_update(&self, new: &Object, old: &Object) -> Vec<String> {
        if changed(new, old) { template_warnings(new) } else { Vec::new() }
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

fn template_warnings(job: &Object) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(spec) = given(spec(job), "jobTemplate").and_then(|t| given(t, "spec")) {
        told = spec_warnings(spec, "spec.jobTemplate.spec");
    }
    if text(spec(job), "schedule").contains("TZ") {
        let more = "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/";
        told.push(format!("spec.schedule: CRON_TZ or TZ used in schedule is not officially supported, see {more} for more details"));
    }
    told
}

fn zone_in_schedule(spec: &Value, allowed: bool, errors: &mut ErrorList) {
    let schedule = text(spec, "schedule");
    if !schedule.contains("TZ") {
        return;
    }
    let at = At::new("spec.schedule");
    if !allowed {
        at.invalid(errors, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    } else if given(spec, "timeZone").is_some() {
        at.invalid(errors, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
    }
}

/// `validateTimeZone`.
fn zone(spec: &Value, errors: &mut ErrorList) {
    let Some(zone) = spec.get("timeZone").and_then(Value::as_str) else { return };
    let at = At::new("spec.timeZone");
    if zone.is_empty() {
        return at.invalid(errors, zone, "timeZone must be nil or non-empty string");
    }
    let sound = |part: &str| {
        (1..=14).contains(&part.len())
            && !matches!(part, "." | "..")
            && !part.starts_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(&b))
    };
    let unknown = format!("unknown time zone {zone}");
    if !zone.split('/').all(sound) {
        return at.invalid(errors, zone, &unknown);
    }
    if zone.eq_ignore_ascii_case("local") {
        at.invalid(errors, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
    }
    if zone != "Local" && !is_zone(zone) {
        at.invalid(errors, zone, &unknown);
    }
}

fn is_zone(name: &str) -> bool {
    ZONES.lines().any(|zone| zone == name)
}
