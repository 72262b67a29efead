//! Quality of service: `pkg/apis/core/v1/helper/qos/qos.go`.

use object::quantity::Quantity;
use object::{Object, Value};

/// `ComputePodQOS`: `Guaranteed` when every container limits what it requests, `BestEffort` when none says anything. What
/// the pod says for itself decides before what its containers say (KEP-2837).
pub fn qos_class(pod: &Object) -> &'static str {
    let own = pod.at(&["spec", "resources"]).filter(|r| r.as_object().is_some_and(|r| !r.is_empty()));
    if let Some(own) = own {
        return class([own].into_iter());
    }
    let empty = Value::Null;
    let spec = pod.at(&["spec"]).unwrap_or(&empty);
    let lists = ["containers", "initContainers"].into_iter().filter_map(|list| spec.get(list).and_then(Value::as_array));
    class(lists.flatten().map(|c| c.get("resources").unwrap_or(&Value::Null)))
}

fn class<'v>(all: impl Iterator<Item = &'v Value>) -> &'static str {
    let amount = |resources: &Value, list: &str, name: &str| -> Option<Quantity> {
        let value = resources.get(list)?.get(name)?;
        Quantity::from_value(value).ok().filter(|q| !q.is_zero() && !q.is_negative())
    };
    let (mut any, mut guaranteed) = (false, true);
    for resources in all {
        for name in ["cpu", "memory"] {
            let (request, limit) = (amount(resources, "requests", name), amount(resources, "limits", name));
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
