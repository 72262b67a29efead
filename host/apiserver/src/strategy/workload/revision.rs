//! ControllerRevisions: states that a controller can go back to (`pkg/apis/apps/validation` ValidateControllerRevision).

use super::*;
use crate::strategy::Strategy;

pub struct RevisionStrategy;

impl Strategy for RevisionStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        if new.at(&["data"]).is_none_or(Value::is_null) {
            At::new("data").required(errors, "data is mandatory");
        }
        At::new("revision").non_negative(errors, new.at(&["revision"]).and_then(Value::as_i64));
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        if new.at(&["data"]) != old.at(&["data"]) {
            At::new("data").invalid(errors, new.at(&["data"]).cloned().unwrap_or_default(), "field is immutable");
        }
    }
}
