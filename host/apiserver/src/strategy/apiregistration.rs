//! API services: `kube-aggregator/pkg/apis/apiregistration/validation/validation.go` and `registry/apiservice/strategy.go`.

use super::at::At;
use super::read::{flag, items, number, text};
use super::{Context, Strategy, words};
use object::field::ErrorList;
use object::{Object, Value, json, names};

pub struct ApiServiceStrategy;

impl Strategy for ApiServiceStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    /// What this server answers itself is always there.
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        if !new.at(&["spec", "service"]).is_some_and(Value::is_object) {
            let condition = json!({
                "type": "Available", "status": "True", "lastTransitionTime": object::time::now(),
                "reason": "Local", "message": "Local APIServices are always available",
            });
            new.set_at(&["status"], json!({ "conditions": [condition] }));
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let (spec, at) = (new.at(&["spec"]).unwrap_or(&empty), At::new("spec"));
        let (group, version) = (text(spec, "group"), text(spec, "version"));
        let must = format!("{version}.{group}");
        if new.name() != must && !new.name().is_empty() {
            let told = format!("must be `spec.version+\".\"+spec.group`: {must:?}");
            At::new("metadata.name").invalid(errors, new.name(), &told);
        }
        if group.is_empty() && version != "v1" {
            at.child("group").required(errors, "only v1 may have an empty group and it better be legacy kube");
        }
        at.child("group").subdomain(errors, group);
        at.child("version").invalid_all(errors, version, &names::dns1035_label(version));
        let priority = |field: &str| number(spec, field).unwrap_or(0);
        for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
            if !(1..=most).contains(&priority(field)) {
                at.child(field).invalid(errors, priority(field), &format!("must be positive and less than {most}"));
            }
        }
        let bundle = text(spec, "caBundle");
        let Some(service) = spec.get("service").filter(|s| s.is_object()) else {
            if !bundle.is_empty() {
                let told = format!("{} bytes", bundle.trim_end_matches('=').len() * 3 / 4);
                at.child("caBundle").invalid(errors, told, "local APIServices may not have a caBundle");
            }
            if flag(spec, "insecureSkipTLSVerify") {
                let told = "local APIServices may not have insecureSkipTLSVerify";
                at.child("insecureSkipTLSVerify").invalid(errors, true, told);
            }
            return;
        };
        let place = at.child("service");
        for field in ["namespace", "name"] {
            if text(service, field).is_empty() {
                place.child(field).required(errors, "");
            }
        }
        words::port(number(service, "port"), &place.child("port"), errors);
        if flag(spec, "insecureSkipTLSVerify") && !bundle.is_empty() {
            at.child("insecureSkipTLSVerify").invalid(errors, true, "may not be true if caBundle is present");
        }
    }

    fn validate_status(&self, new: &Object, _: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        for (index, condition) in items(new.at(&["status"]).unwrap_or(&empty), "conditions") {
            let status = text(condition, "status");
            if !matches!(status, "True" | "False" | "Unknown") {
                let conditions = At::new("status.conditions");
                conditions.index(index).child("status").not_supported(errors, status, &["False", "True", "Unknown"]);
            }
        }
    }
}
