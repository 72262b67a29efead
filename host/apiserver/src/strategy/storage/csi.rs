//! What CSI drivers tell of themselves: CSIDrivers, CSINodes and CSIStorageCapacities.

use super::{driver_name, seen_before};
use crate::strategy::Strategy;
use crate::strategy::amounts;
use crate::strategy::pod_spec::selector_of;
use crate::strategy::read::{immutable, items, non_negative, number, text};
use object::field::{ErrorList, Path};
use object::{Object, Value, names};
use std::collections::HashSet;

pub struct DriverStrategy;
pub struct NodeStrategy;
pub struct CapacityStrategy;

/// `csiNodeIDMaxLength`, for drivers of this decade.
const NODE_ID_MAX: usize = 256;
/// Shorter tokens and updates would load the server.
const TOKEN_MIN: i64 = 600;
const UPDATE_MIN: i64 = 10;

impl Strategy for DriverStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        // The first path is misspelt upstream too.
        let required = [
            ("attachRequired", "attachedRequired"),
            ("podInfoOnMount", "podInfoOnMount"),
            ("storageCapacity", "storageCapacity"),
            ("seLinuxMount", "seLinuxMount"),
        ];
        for (field, told) in required {
            if !spec.get(field).is_some_and(Value::is_boolean) {
                errors.required(&path.child(told), "");
            }
        }
        if let Some(policy) = spec.get("fsGroupPolicy").and_then(Value::as_str)
            && !matches!(policy, "ReadWriteOnceWithFSType" | "File" | "None")
        {
            errors.not_supported(&path.child("fsGroupPolicy"), policy, &["File", "None", "ReadWriteOnceWithFSType"]);
        }
        let mut audiences = HashSet::new();
        for (at, request) in items(spec, "tokenRequests") {
            let path = path.child("tokenRequests").index(at);
            if seen_before(&mut audiences, text(request, "audience")) {
                errors.duplicate(&path.child("audience"), text(request, "audience"));
                continue;
            }
            let Some(seconds) = number(request, "expirationSeconds") else { continue };
            let path = path.child("expirationSeconds");
            if seconds < TOKEN_MIN {
                errors.invalid(&path, seconds, "may not specify a duration less than 10 minutes");
            }
            if seconds > 1 << 32 {
                errors.invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds");
            }
        }
        for (_, mode) in items(spec, "volumeLifecycleModes") {
            let mode = mode.as_str().unwrap_or_default();
            if !matches!(mode, "Persistent" | "Ephemeral") {
                errors.not_supported(&path.child("volumeLifecycleModes"), mode, &["Persistent", "Ephemeral"]);
            }
        }
        if let Some(period) = number(spec, "nodeAllocatableUpdatePeriodSeconds").filter(|p| *p < UPDATE_MIN) {
            let told = "must be greater than or equal to 10 seconds";
            errors.invalid(&path.child("nodeAllocatableUpdatePeriodSeconds"), period, told);
        }
        let tokens = items(spec, "tokenRequests").next().is_some();
        if spec.get("serviceAccountTokenInSecrets").is_some_and(Value::is_boolean) && !tokens {
            let told = "serviceAccountTokenInSecrets is only applicable when tokenRequests are set";
            let value = spec.get("serviceAccountTokenInSecrets").cloned().unwrap_or_default();
            errors.invalid(&path.child("serviceAccountTokenInSecrets"), value, told);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        for (field, told) in [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")] {
            immutable(new.at(&["spec", field]), old.at(&["spec", field]), &Path::new("spec").child(told), errors);
        }
    }
}

impl Strategy for NodeStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let mut seen = HashSet::new();
        for (at, driver) in items(new.at(&["spec"]).unwrap_or(&empty), "drivers") {
            let path = Path::new("spec").child("drivers").index(at);
            let name = text(driver, "name");
            driver_name(name, &path.child("name"), errors);
            let id = text(driver, "nodeID");
            if id.is_empty() {
                errors.required(&path.child("nodeID"), "");
            }
            if id.len() > NODE_ID_MAX {
                errors.invalid(&path.child("nodeID"), id, &format!("must be {NODE_ID_MAX} characters or less"));
            }
            let count = driver.get("allocatable").and_then(|a| number(a, "count"));
            non_negative(count, &path.child("allocatable").child("count"), errors);
            if seen_before(&mut seen, name) {
                errors.duplicate(&path.child("name"), name);
            }
            let mut keys = HashSet::new();
            for (_, key) in items(driver, "topologyKeys") {
                let key = key.as_str().unwrap_or_default();
                if key.is_empty() {
                    errors.required(&path, "");
                }
                if seen_before(&mut keys, key) {
                    errors.duplicate(&path, key);
                }
                errors.invalid_all(&path, key, names::qualified_name(key));
            }
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let drivers = |o: &Object| o.at(&["spec", "drivers"]).and_then(Value::as_array).cloned().unwrap_or_default();
        // How many volumes a node takes may change while it runs (KEP-4876).
        let fixed = |driver: &Value| {
            let mut driver = driver.clone();
            driver.as_object_mut().map(|d| d.remove("allocatable"));
            driver
        };
        let now = drivers(new);
        for was in drivers(old).iter().map(fixed) {
            for is in now.iter().map(fixed).filter(|is| text(is, "name") == text(&was, "name")) {
                immutable(Some(&is), Some(&was), &Path::new("spec").child("drivers"), errors);
            }
        }
    }
}

impl Strategy for CapacityStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        if let Some(selector) = new.at(&["nodeTopology"]).filter(|s| s.is_object()) {
            selector_of(selector, &Path::new("nodeTopology"), errors);
        }
        let class = new.str_at(&["storageClassName"]);
        errors.invalid_all(&Path::new("storageClassName"), class, names::dns1123_subdomain(class));
        if let Some(capacity) = amounts::quantity(new.at(&["capacity"])) {
            amounts::non_negative(capacity, &Path::new("capacity"), errors);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        for field in ["nodeTopology", "storageClassName"] {
            immutable(new.at(&[field]), old.at(&[field]), &Path::new(field), errors);
        }
    }
}
