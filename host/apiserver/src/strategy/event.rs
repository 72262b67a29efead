//! Events (`pkg/apis/core/validation/events.go`). What only the newer API asks for is asked where the request's version is
//! known: `admission/event.rs`.

use super::{Propagation, Strategy};
use object::field::{ErrorList, Path};
use object::{Object, names};

pub struct EventStrategy;

/// `ReportingInstanceLengthLimit`, `ActionLengthLimit`, `ReasonLengthLimit`, `NoteLengthLimit`.
const WORD_MAX: usize = 128;
const NOTE_MAX: usize = 1024;

impl Strategy for EventStrategy {
    fn propagation(&self) -> Propagation {
        Propagation::Unsupported
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let about = new.str_at(&["involvedObject", "namespace"]);
        let path = Path::new("involvedObject").child("namespace");
        let mismatch = "does not match event.namespace";
        if new.str_at(&["eventTime"]).is_empty() {
            // Events about cluster objects lie in `default`.
            let fits = if about.is_empty() { matches!(new.namespace(), "" | "default") } else { about == new.namespace() };
            if !fits {
                errors.invalid(&path, about, mismatch);
            }
            return;
        }
        if about.is_empty() && !matches!(new.namespace(), "default" | "kube-system") {
            errors.invalid(&path, about, mismatch);
        }
        let controller = new.str_at(&["reportingComponent"]);
        let path = Path::new("reportingController");
        if controller.is_empty() {
            errors.required(&path, "");
        }
        errors.invalid_all(&path, controller, names::qualified_name(controller));
        for (field, max) in [("reportingInstance", WORD_MAX), ("action", WORD_MAX), ("reason", WORD_MAX), ("message", NOTE_MAX)] {
            let value = new.str_at(&[field]);
            if value.is_empty() && field != "message" {
                errors.required(&Path::new(field), "");
            }
            if value.len() > max {
                errors.invalid(&Path::new(field), "", &format!("can have at most {max} characters"));
            }
        }
    }
}
