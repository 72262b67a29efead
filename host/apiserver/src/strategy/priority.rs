//! PriorityClasses (`pkg/apis/scheduling/validation/validation.go`, `pkg/apis/scheduling/v1/helpers.go`).

use super::Strategy;
use super::read::{flag, immutable, number};
use object::field::{ErrorList, Path};
use object::{Object, Value};

pub struct PriorityClassStrategy;

/// Classes that every cluster has: name and value.
pub const SYSTEM: [(&str, i64); 2] = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// `HighestUserDefinablePriority`.
const USER_MAX: i64 = 1_000_000_000;

impl Strategy for PriorityClassStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        let (name, value) = (new.name(), number(tree, "value").unwrap_or(0));
        if name.starts_with("system-") {
            let fault = match SYSTEM.iter().find(|(system, _)| *system == name) {
                None => Some(format!("{name} is not a known system priority class")),
                Some((_, known)) if *known != value => Some(format!("value of {name} PriorityClass must be {known}")),
                Some(_) if flag(tree, "globalDefault") => Some(format!("globalDefault of {name} PriorityClass must be false")),
                Some(_) => None,
            };
            if let Some(fault) = fault {
                let told = format!("priority class names with 'system-' prefix are reserved for system use only. error: {fault}");
                errors.forbidden(&Path::new("metadata").child("name"), &told);
            }
        } else if value > USER_MAX {
            errors.forbidden(&Path::new("value"), &format!("maximum allowed value of a user defined priority is {USER_MAX}"));
        }
        let path = Path::new("preemptionPolicy");
        match new.at(&["preemptionPolicy"]).and_then(Value::as_str) {
            None | Some("PreemptLowerPriority" | "Never") => {}
            Some("") => errors.required(&path, ""),
            Some(other) => errors.not_supported(&path, other, &["PreemptLowerPriority", "Never"]),
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        if number(new.as_map(), "value").unwrap_or(0) != number(old.as_map(), "value").unwrap_or(0) {
            errors.forbidden(&Path::new("value"), "may not be changed in an update.");
        }
        immutable(new.at(&["preemptionPolicy"]), old.at(&["preemptionPolicy"]), &Path::new("preemptionPolicy"), errors);
    }
}
