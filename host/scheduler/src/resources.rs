//! Amounts of resources, and what a pod asks for in all: `k8s.io/component-helpers/resource/helpers.go`.

use object::quantity::Quantity;
use object::{Map, Object, Value};
use std::collections::BTreeMap;

/// What a container without requests counts as when nodes are scored, so that not all of them land on one node:
/// `pkg/scheduler/util/pod_resources.go`.
const DEFAULT_MILLI_CPU: i64 = 100;
const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts by resource; cpu in thousandths of a core, everything else in units (bytes).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub milli_cpu: i64,
    pub memory: i64,
    pub ephemeral_storage: i64,
    /// Sorted by name; huge pages and extended resources.
    pub others: Vec<(String, i64)>,
}

/// What a pod asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRequests {
    pub requests: Resources,
    /// The same with defaults for containers that ask for no cpu or memory; only these two are filled.
    pub non_zero: Resources,
}

impl Resources {
    /// From a `ResourceList`. `pods` is no amount that adds up, and left out.
    pub fn from_list(list: Option<&Map<String, Value>>) -> Self {
        let mut all = Self::default();
        for (name, value) in list.into_iter().flatten() {
            let quantity = Quantity::from_value(value).unwrap_or_default();
            match name.as_str() {
                "cpu" => all.milli_cpu = i64::try_from(quantity.milli()).unwrap_or(i64::MAX),
                "memory" => all.memory = quantity.value(),
                "ephemeral-storage" => all.ephemeral_storage = quantity.value(),
                "pods" => {}
                _ => all.others.push((name.clone(), quantity.value())),
            }
        }
        all
    }

    pub fn other(&self, name: &str) -> i64 {
        let at = self.others.binary_search_by(|(n, _)| n.as_str().cmp(name));
        at.ok().and_then(|at| self.others.get(at)).map(|(_, v)| *v).unwrap_or_default()
    }

    pub fn is_zero(&self) -> bool {
        self.milli_cpu == 0 && self.memory == 0 && self.ephemeral_storage == 0 && self.others.iter().all(|(_, v)| *v == 0)
    }

    pub fn add(&mut self, more: &Self) {
        self.combine(more, i64::saturating_add);
    }

    pub fn subtract(&mut self, less: &Self) {
        self.combine(less, i64::saturating_sub);
        self.others.retain(|(_, v)| *v != 0);
    }

    /// The larger of both, by resource.
    pub fn raise_to(&mut self, least: &Self) {
        self.combine(least, i64::max);
    }

    fn combine(&mut self, with: &Self, op: fn(i64, i64) -> i64) {
        self.milli_cpu = op(self.milli_cpu, with.milli_cpu);
        self.memory = op(self.memory, with.memory);
        self.ephemeral_storage = op(self.ephemeral_storage, with.ephemeral_storage);
        for (name, value) in &with.others {
            match self.others.binary_search_by(|(n, _)| n.cmp(name)) {
                Ok(at) => {
                    if let Some((_, known)) = self.others.get_mut(at) {
                        *known = op(*known, *value);
                    }
                }
                Err(at) => self.others.insert(at, (name.clone(), op(0, *value))),
            }
        }
    }

    /// By name, as plugins outside are told.
    pub fn to_map(&self) -> BTreeMap<String, i64> {
        let usual = [("cpu", self.milli_cpu), ("memory", self.memory), ("ephemeral-storage", self.ephemeral_storage)];
        let usual = usual.into_iter().filter(|(_, v)| *v != 0).map(|(n, v)| (n.to_owned(), v));
        usual.chain(self.others.iter().cloned()).collect()
    }
}

/// What a pod asks for: the larger of its containers together and its largest init container, where a sidecar counts for
/// all that run after it; the pod's own `resources` instead where given; and its overhead.
pub fn of_pod(pod: &Object) -> PodRequests {
    let asked = total(pod, |requests| requests);
    let mut non_zero = total(pod, with_defaults);
    (non_zero.ephemeral_storage, non_zero.others) = (0, Vec::new());
    PodRequests { requests: asked, non_zero }
}

fn total(pod: &Object, adjust: fn(Resources) -> Resources) -> Resources {
    let containers = |field| pod.at(&["spec", field]).and_then(Value::as_array).into_iter().flatten();
    let mut running = Resources::default();
    for container in containers("containers") {
        running.add(&adjust(of_container(container)));
    }
    let (mut sidecars, mut starting) = (Resources::default(), Resources::default());
    for container in containers("initContainers") {
        let mut asked = adjust(of_container(container));
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            running.add(&asked);
            sidecars.add(&asked);
            asked.clone_from(&sidecars);
        } else {
            asked.add(&sidecars);
        }
        starting.raise_to(&asked);
    }
    running.raise_to(&starting);
    if let Some(own) = pod.at(&["spec", "resources"]) {
        let own = of_requests(own);
        replace(&mut running.milli_cpu, own.milli_cpu);
        replace(&mut running.memory, own.memory);
        for (name, value) in own.others.iter().filter(|(n, _)| n.starts_with("hugepages-")) {
            running.others.retain(|(n, _)| n != name);
            running.add(&Resources { others: vec![(name.clone(), *value)], ..Resources::default() });
        }
    }
    running.add(&Resources::from_list(pod.at(&["spec", "overhead"]).and_then(Value::as_object)));
    running
}

fn replace(value: &mut i64, by: i64) {
    if by != 0 {
        *value = by;
    }
}

fn of_container(container: &Value) -> Resources {
    container.get("resources").map(of_requests).unwrap_or_default()
}

/// A limit without a request is the request, as the API server defaults it.
fn of_requests(resources: &Value) -> Resources {
    let list = |field| resources.get(field).and_then(Value::as_object);
    match (list("requests"), list("limits")) {
        (Some(requests), Some(limits)) if limits.keys().any(|k| !requests.contains_key(k)) => {
            let mut merged = limits.clone();
            merged.extend(requests.clone());
            Resources::from_list(Some(&merged))
        }
        (None, limits) => Resources::from_list(limits),
        (requests, _) => Resources::from_list(requests),
    }
}

fn with_defaults(mut requests: Resources) -> Resources {
    if requests.milli_cpu == 0 {
        requests.milli_cpu = DEFAULT_MILLI_CPU;
    }
    if requests.memory == 0 {
        requests.memory = DEFAULT_MEMORY;
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn check(spec: Value, cpu: i64, memory: i64, non_zero_cpu: i64) {
        let pod = Object::from_value(json!({ "spec": spec })).unwrap();
        let asked = of_pod(&pod);
        let got = (asked.requests.milli_cpu, asked.requests.memory, asked.non_zero.milli_cpu);
        assert_eq!(got, (cpu, memory, non_zero_cpu), "{pod:?}");
    }

    #[test]
    fn pods_ask_for_what_upstream_counts() {
        let c = |cpu: &str| json!({ "resources": { "requests": { "cpu": cpu } } });
        let sidecar = |cpu: &str| json!({ "restartPolicy": "Always", "resources": { "requests": { "cpu": cpu } } });
        check(json!({ "containers": [{}] }), 0, 0, 100);
        check(json!({ "containers": [c("1"), c("500m")] }), 1500, 0, 1500);
        check(json!({ "containers": [c("1")], "initContainers": [c("2"), c("1500m")] }), 2000, 0, 2000);
        check(json!({ "containers": [c("1")], "initContainers": [sidecar("1"), c("1500m")] }), 2500, 0, 2500);
        check(json!({ "containers": [c("1")], "initContainers": [c("1500m"), sidecar("1")] }), 2000, 0, 2000);
        check(json!({ "containers": [c("1")], "overhead": { "cpu": "10m", "memory": "1Mi" } }), 1010, 1 << 20, 1010);
        check(json!({ "containers": [c("1")], "resources": { "requests": { "cpu": "3" } } }), 3000, 0, 3000);
        let limited = json!({ "resources": { "limits": { "cpu": "1", "memory": "1Ki" }, "requests": { "cpu": "200m" } } });
        check(json!({ "containers": [limited] }), 200, 1024, 200);
    }

    #[test]
    fn amounts_add_up() {
        let list = |v: Value| Resources::from_list(v.as_object());
        let mut sum = list(json!({ "cpu": "1", "a/x": 1, "pods": 110 }));
        sum.add(&list(json!({ "cpu": "500m", "b/y": 2 })));
        assert_eq!((sum.milli_cpu, sum.other("a/x"), sum.other("b/y"), sum.other("pods")), (1500, 1, 2, 0));
        sum.subtract(&list(json!({ "b/y": 2, "cpu": 1.5 })));
        assert_eq!(sum, list(json!({ "a/x": 1 })));
    }
}
