//! Storage version migrations: `pkg/apis/storagemigration/validation/validation.go`.

use super::at::At;
use super::read::{immutable, items, text};
use super::{Strategy, words};
use object::field::{ErrorList, Path};
use object::{Object, Value};

pub struct MigrationStrategy;

impl Strategy for MigrationStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let at = At::new("spec.resource");
        if new.str_at(&["spec", "resource", "resource"]).is_empty() {
            at.child("resource").required(errors, "resource is required");
        }
        at.child("group").subdomain(errors, new.str_at(&["spec", "resource", "group"]));
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["spec"]), old.at(&["spec"]), &Path::new("spec"), errors);
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let status = new.at(&["status"]).unwrap_or(&empty);
        let at = At::new("status");
        let (revision, before) = (text(status, "resourceVersion"), old.str_at(&["status", "resourceVersion"]));
        if !revision.is_empty() && revision.parse::<u64>().is_err() {
            at.child("resourceVersion").invalid(errors, revision, "resourceVersion must be a non-negative integer");
        }
        if !before.is_empty() && revision != before {
            at.child("resourceVersion").invalid(errors, revision, "field is immutable");
        }
        words::conditions(status, &at, errors);
        let is = |object: Option<&Value>, ty: &str| {
            items(object.unwrap_or(&empty), "conditions").any(|(_, c)| text(c, "type") == ty && text(c, "status") == "True")
        };
        let (now, then) = (Some(status), old.at(&["status"]));
        let (succeeded, failed) = (is(now, "Succeeded"), is(now, "Failed"));
        let wrong = |told: &str, errors: &mut ErrorList| {
            at.child("conditions").invalid(errors, status.get("conditions").cloned().unwrap_or_default(), told);
        };
        if succeeded && failed {
            wrong("Both success and failed conditions cannot be true at the same time", errors);
        }
        if (succeeded || failed) && is(now, "Running") {
            wrong("Running condition cannot be true when success or failed condition is true", errors);
        }
        if is(then, "Succeeded") && !succeeded {
            wrong("Success condition cannot be set to false once it is true", errors);
        }
        if is(then, "Failed") && !failed {
            wrong("Failed condition cannot be set to false once it is true", errors);
        }
    }
}
