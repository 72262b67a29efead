//! Pods (`pkg/registry/core/pod/strategy.go`).

use super::{Context, Strategy};
use object::{Object, Value, json};

pub struct PodStrategy;

impl Strategy for PodStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        let class = qos_class(new);
        new.set_at(&["status"], json!({ "phase": "Pending", "qosClass": class }));
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
