//! Amounts of whole pods (KEP-2837): `defaultHugePagePodLimits` and `defaultPodRequests` of
//! `pkg/apis/core/v1/defaults.go`.

use super::{child, child_or_new, is_unset};
use object::quantity::Quantity;
use object::{Map, Value, json};
use std::collections::BTreeMap;

pub type Sums = BTreeMap<String, Quantity>;

/// Fills in what a pod with limits of its own leaves out: huge pages as its containers have them,
/// then requests from those of its containers, then from its limits.
pub(super) fn fill(spec: &mut Map<String, Value>) {
    if is_unset(spec, "resources") {
        return;
    }
    let huge: Sums = aggregate(spec, "limits").into_iter().filter(|(name, _)| is_huge(name)).collect();
    let requests = aggregate(spec, "requests");
    let Some(resources) = child(spec, "resources") else { return };
    add_missing(resources, "limits", huge);
    let limits = resources.get("limits").and_then(Value::as_object).cloned().unwrap_or_default();
    if limits.is_empty() {
        return;
    }
    add_missing(resources, "requests", requests.into_iter().filter(|(name, _)| is_of_pods(name) && !is_huge(name)));
    for (name, limit) in limits.into_iter().filter(|(name, _)| is_of_pods(name)) {
        if let Some(requests) = child_or_new(resources, "requests") {
            requests.entry(name).or_insert(limit);
        }
    }
}

fn is_huge(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// `IsSupportedPodLevelResource`.
fn is_of_pods(name: &str) -> bool {
    name == "cpu" || name == "memory" || is_huge(name)
}

fn add_missing(resources: &mut Map<String, Value>, list: &str, sums: impl IntoIterator<Item = (String, Quantity)>) {
    for (name, sum) in sums {
        if let Some(amounts) = child_or_new(resources, list) {
            amounts.entry(name).or_insert_with(|| json!(sum.to_string()));
        }
    }
}

/// The most that containers have at one time: those that stay, with sidecars, or one that runs
/// before them with the sidecars started by then (`AggregateContainerRequests`).
pub fn aggregate(spec: &Map<String, Value>, list: &str) -> Sums {
    let containers = |name: &str| spec.get(name).and_then(Value::as_array).into_iter().flatten();
    let add = |sums: &mut Sums, container: &Value| {
        for (name, value) in container["resources"][list].as_object().into_iter().flatten() {
            *sums.entry(name.clone()).or_default() += Quantity::from_value(value).unwrap_or_default();
        }
    };
    let most = |sums: &mut Sums, other: &Sums| {
        for (name, value) in other {
            let sum = sums.entry(name.clone()).or_default();
            *sum = (*sum).max(*value);
        }
    };
    let (mut running, mut sidecars, mut starting) = (Sums::new(), Sums::new(), Sums::new());
    containers("containers").for_each(|c| add(&mut running, c));
    for container in containers("initContainers") {
        if container["restartPolicy"] == "Always" {
            add(&mut running, container);
            add(&mut sidecars, container);
            most(&mut starting, &sidecars);
        } else {
            let mut now = sidecars.clone();
            add(&mut now, container);
            most(&mut starting, &now);
        }
    }
    most(&mut running, &starting);
    running
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: Value, containers: Value, expect: Value) {
        let mut spec = Map::from_iter([("resources".to_owned(), own), ("containers".to_owned(), containers)]);
        fill(&mut spec);
        assert_eq!(spec["resources"], expect);
        fill(&mut spec);
        assert_eq!(spec["resources"], expect, "defaults are idempotent");
    }

    #[test]
    fn pods_with_limits_ask_for_what_their_containers_do() {
        let two = json!([{"resources": {"requests": {"cpu": "500m", "example.com/a": "1"}}}, {"resources": {"requests": {"cpu": "1"}}}]);
        check(json!({}), two.clone(), json!({}));
        check(json!({"limits": {"example.com/a": "1"}}), json!([]), json!({"limits": {"example.com/a": "1"}}));
        check(json!({"requests": {"cpu": "2"}}), two.clone(), json!({"requests": {"cpu": "2"}}));
        check(
            json!({"limits": {"cpu": "4", "memory": "1Gi"}}),
            two,
            json!({"limits": {"cpu": "4", "memory": "1Gi"}, "requests": {"cpu": "1500m", "memory": "1Gi"}}),
        );
        check(
            json!({"limits": {"cpu": "1"}}),
            json!([{"resources": {"limits": {"hugepages-2Mi": "4Mi"}, "requests": {"hugepages-2Mi": "4Mi"}}}]),
            json!({"limits": {"cpu": "1", "hugepages-2Mi": "4Mi"}, "requests": {"cpu": "1", "hugepages-2Mi": "4Mi"}}),
        );
    }
}
