//! Leases, RuntimeClasses and wasm plugins: short rules each, by the upstream validation of their groups.

use super::at::At;
use super::read::{immutable, items, number, text};
use super::{Strategy, pod_spec};
use crate::write::meta;
use object::field::{ErrorList, Path};
use object::{Object, Value, names};

pub struct LeaseStrategy;
pub struct RuntimeClassStrategy;
pub struct WasmPluginStrategy;

impl Strategy for LeaseStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        if let Some(seconds) = number(spec, "leaseDurationSeconds").filter(|s| *s <= 0) {
            errors.invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0");
        }
        super::read::non_negative(number(spec, "leaseTransitions"), &path.child("leaseTransitions"), errors);
    }
}

impl Strategy for RuntimeClassStrategy {
    fn updates_need_revision(&self) -> bool {
        true
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let handler = new.str_at(&["handler"]);
        errors.invalid_all(&Path::new("handler"), handler, names::dns1123_label(handler));
        if let Some(fixed) = new.at(&["overhead", "podFixed"]) {
            pod_spec::overhead(fixed, &At::new("overhead"), errors);
        }
        let Some(scheduling) = new.at(&["scheduling"]).filter(|s| s.is_object()) else { return };
        let path = Path::new("scheduling");
        meta::labels(scheduling.get("nodeSelector").and_then(Value::as_object), &path.child("nodeSelector"), errors);
        let path = path.child("tolerations");
        pod_spec::tolerations(scheduling, &At::of(&path), errors);
        let all: Vec<&Value> = items(scheduling, "tolerations").map(|(_, t)| t).collect();
        for (at, toleration) in all.iter().enumerate() {
            if all.iter().take(at).any(|seen| seen == toleration) {
                errors.duplicate(&path.index(at), (*toleration).clone());
            }
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["handler"]), old.at(&["handler"]), &Path::new("handler"), errors);
    }
}

impl Strategy for WasmPluginStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let empty = Value::Null;
        let spec = new.at(&["spec"]).unwrap_or(&empty);
        if text(spec, "world").is_empty() {
            errors.required(&path.child("world"), "");
        }
        let config_map = spec.get("configMap").is_some_and(|source| !source.is_null());
        let given = ["image", "path", "inline"].into_iter().filter(|field| !text(spec, field).is_empty());
        let given: Vec<&str> = given.chain(config_map.then_some("configMap")).collect();
        match given.as_slice() {
            [] => errors.required(&path.child("image"), "must specify one of `image`, `path`, `inline` and `configMap`"),
            [_] => {}
            [first, others @ ..] => {
                others.iter().for_each(|other| errors.forbidden(&path.child(other), &format!("may not be specified beside `{first}`")));
            }
        }
        let policy = text(spec, "failurePolicy");
        if !matches!(policy, "" | "Fail" | "Ignore") {
            errors.not_supported(&path.child("failurePolicy"), policy, &["Fail", "Ignore"]);
        }
        let file = text(spec, "path");
        if file.starts_with('/') || file.split('/').any(|part| part == "..") {
            errors.invalid(&path.child("path"), file, "must be a relative path that does not leave the plugins folder");
        }
        super::plugin_admission::plugin(spec, errors);
        let limits = spec.get("limits").unwrap_or(&empty);
        for field in ["timeoutMilliseconds", "memoryMiB", "instances"] {
            if let Some(value) = number(limits, field).filter(|v| *v <= 0) {
                errors.invalid(&path.child("limits").child(field), value, "must be greater than zero");
            }
        }
    }
}
