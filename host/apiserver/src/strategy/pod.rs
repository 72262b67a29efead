//! Pods (`pkg/registry/core/pod/strategy.go`).

use super::read::{immutable, items};
use super::{Context, Strategy, pod_spec};
use object::field::{ErrorList, Path};
use object::{Object, Value, json};

pub struct PodStrategy;

/// What an update may change, as upstream words it.
const ONLY: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
    (allow it to be set to 1 if it was previously negative)";

impl Strategy for PodStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        let class = qos_class(new);
        new.set_at(&["status"], json!({ "phase": "Pending", "qosClass": class }));
        // Held back by its gates, and told so from the first moment.
        if new.at(&["spec", "schedulingGates"]).and_then(Value::as_array).is_some_and(|g| !g.is_empty()) {
            let condition = json!({
                "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            });
            new.set_at(&["status", "conditions"], json!([condition]));
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        match new.at(&["spec"]) {
            Some(spec) => pod_spec::validate(spec, &Path::new("spec"), errors),
            None => errors.required(&Path::new("spec").child("containers"), ""),
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let path = Path::new("spec");
        let (Some(spec), Some(before)) = (new.at(&["spec"]), old.at(&["spec"])) else { return };
        for list in ["containers", "initContainers"] {
            if items(spec, list).count() != items(before, list).count() {
                return errors.forbidden(&path.child(list), "pod updates may not add or remove containers");
            }
        }
        // The old specification with what may change taken over must be the new one.
        let mut allowed = before.clone();
        for list in ["containers", "initContainers"] {
            for (at, container) in items(spec, list) {
                let image = container.get("image").cloned().unwrap_or_default();
                if let Some(slot) = allowed.get_mut(list).and_then(|l| l.get_mut(at)).and_then(Value::as_object_mut) {
                    slot.insert("image".to_owned(), image);
                }
            }
        }
        let mut take = |field: &str| {
            let Some(map) = allowed.as_object_mut() else { return };
            match spec.get(field) {
                Some(value) => map.insert(field.to_owned(), value.clone()),
                None => map.remove(field),
            };
        };
        let deadline = |spec: &Value| spec.get("activeDeadlineSeconds").and_then(Value::as_i64);
        match (deadline(before), deadline(spec)) {
            (Some(was), Some(is)) if is > was => {
                errors.invalid(&path.child("activeDeadlineSeconds"), is, &format!("must be less than or equal to previous value {was}"));
            }
            (Some(was), None) => {
                errors.invalid(&path.child("activeDeadlineSeconds"), was, "must not update from a positive integer to nil value");
            }
            _ => {}
        }
        take("activeDeadlineSeconds");
        let tolerations = |spec: &Value| -> Vec<Value> { items(spec, "tolerations").map(|(_, t)| t.clone()).collect() };
        if tolerations(before).iter().all(|t| tolerations(spec).contains(t)) {
            take("tolerations");
        } else {
            errors.forbidden(&path.child("tolerations"), "existing toleration can not be modified except its tolerationSeconds");
            take("tolerations");
        }
        let gates = |spec: &Value| -> Vec<Value> { items(spec, "schedulingGates").map(|(_, g)| g.clone()).collect() };
        if gates(spec).iter().all(|g| gates(before).contains(g)) {
            take("schedulingGates");
        } else {
            errors.forbidden(&path.child("schedulingGates"), "only deletion is allowed, but found new scheduling gates");
            take("schedulingGates");
        }
        if before.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|s| s < 0) {
            take("terminationGracePeriodSeconds");
        }
        if allowed != *spec {
            errors.forbidden(&path, ONLY);
        }
    }

    fn validate_status(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        let path = Path::new("status");
        let node = |o: &Object| o.at(&["status", "nominatedNodeName"]).cloned();
        if let Some(Value::String(name)) = node(new)
            && !name.is_empty()
        {
            errors.invalid_all(&path.child("nominatedNodeName"), &name, object::names::dns1123_subdomain(&name));
        }
        immutable(new.at(&["spec"]), old.at(&["spec"]), &Path::new("spec"), errors);
    }

    fn warnings(&self, new: &Object) -> Vec<String> {
        let grace = new.at(&["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64);
        grace
            .filter(|g| *g < 0)
            .map(|_| "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1".to_owned())
            .into_iter()
            .collect()
    }

    fn grace_period(&self, object: &Object, asked: Option<i64>) -> Option<i64> {
        let spec = object.at(&["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64);
        let mut grace = asked.or(spec).unwrap_or(30);
        // Nobody runs it: there is nothing to wait for.
        if object.str_at(&["spec", "nodeName"]).is_empty() || matches!(object.str_at(&["status", "phase"]), "Failed" | "Succeeded") {
            grace = 0;
        }
        // A negative period means at once, but not by force.
        Some(if grace < 0 { 1 } else { grace })
    }

    fn status_writes_metadata(&self) -> bool {
        true
    }
}

/// `ComputePodQOS`: `Guaranteed` when every container limits what it requests, `BestEffort` when none says anything.
pub fn qos_class(pod: &Object) -> &'static str {
    let lists = [&["spec", "containers"], &["spec", "initContainers"]];
    let containers: Vec<&Value> = lists.iter().filter_map(|path| pod.at(*path).and_then(Value::as_array)).flatten().collect();
    let amount = |container: &Value, list: &str, resource: &str| -> Option<object::quantity::Quantity> {
        let value = container.get("resources")?.get(list)?.get(resource)?;
        object::quantity::Quantity::from_value(value).ok().filter(|q| !q.is_zero())
    };
    let mut any = false;
    let mut guaranteed = true;
    for container in &containers {
        for resource in ["cpu", "memory"] {
            let (request, limit) = (amount(container, "requests", resource), amount(container, "limits", resource));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|r| Some(r) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
