//! Requests and limits as the runtime takes them, QoS class and OOM score: `pkg/apis/core/v1/helper/qos/qos.go` and
//! `pkg/kubelet/qos/policy.go`.

use interfaces::workload::Resources;
use object::quantity::Quantity;
use std::collections::BTreeMap;
use typed::api::core::v1::{Container, PodSpec};

type List = BTreeMap<String, typed::Quantity>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Qos {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

fn get(list: Option<&List>, name: &str) -> Option<Quantity> {
    list.and_then(|l| l.get(name)).and_then(|q| Quantity::parse(&q.0).ok()).filter(|q| !q.is_zero())
}

/// Guaranteed: every container limits CPU and memory and asks for exactly that. BestEffort: nobody asks for anything.
pub fn qos(spec: &PodSpec) -> Qos {
    let containers = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let (mut any, mut all) = (false, true);
    for container in containers() {
        let requests = container.resources.as_ref().and_then(|r| r.requests.as_ref());
        let limits = container.resources.as_ref().and_then(|r| r.limits.as_ref());
        for name in ["cpu", "memory"] {
            let (request, limit) = (get(requests, name), get(limits, name));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all) {
        (false, _) => Qos::BestEffort,
        (true, true) => Qos::Guaranteed,
        (true, false) => Qos::Burstable,
    }
}

/// What the runtime enforces for one container on a machine with `memory_capacity` bytes.
pub fn container(spec: &PodSpec, container: &Container, memory_capacity: i64) -> Resources {
    let requests = container.resources.as_ref().and_then(|r| r.requests.as_ref());
    let limits = container.resources.as_ref().and_then(|r| r.limits.as_ref());
    let milli = |q: Option<Quantity>| q.map(|q| i64::try_from(q.milli()).unwrap_or(i64::MAX)).unwrap_or_default();
    let bytes = |q: Option<Quantity>| q.map(Quantity::value).unwrap_or_default();
    let cpu_limit_milli = milli(get(limits, "cpu"));
    let memory_limit_bytes = bytes(get(limits, "memory"));
    let cpu_request_milli = Some(milli(get(requests, "cpu"))).filter(|m| *m > 0).unwrap_or(cpu_limit_milli);
    let memory_request_bytes = Some(bytes(get(requests, "memory"))).filter(|m| *m > 0).unwrap_or(memory_limit_bytes);
    let oom_score_adj = oom_score(spec, memory_request_bytes, memory_capacity);
    Resources { cpu_request_milli, cpu_limit_milli, memory_request_bytes, memory_limit_bytes, pids_limit: 0, oom_score_adj }
}

fn oom_score(spec: &PodSpec, memory_request: i64, capacity: i64) -> i32 {
    // `system-node-critical` and above.
    if spec.priority.unwrap_or_default() >= 2_000_001_000 {
        return -997;
    }
    match qos(spec) {
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1000,
        Qos::Burstable => {
            let part = i128::from(memory_request) * 1000 / i128::from(capacity.max(1));
            // Between guaranteed pods and best-effort ones, whatever is asked for.
            i32::try_from(1000 - part).unwrap_or_default().clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Value, json};

    fn spec(containers: Value) -> PodSpec {
        typed::part(&json!({"containers": containers})).unwrap()
    }

    #[test]
    fn classes_and_scores() {
        let gib = 1 << 30;
        for (resources, class, score) in [
            (json!({}), Qos::BestEffort, 1000),
            (json!({"requests": {"cpu": "0"}}), Qos::BestEffort, 1000),
            (json!({"requests": {"cpu": "1"}}), Qos::Burstable, 999),
            (json!({"requests": {"memory": "1Gi"}}), Qos::Burstable, 500),
            (json!({"requests": {"memory": "4Gi"}}), Qos::Burstable, 3),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), Qos::Guaranteed, -997),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}}), Qos::Guaranteed, -997),
            (json!({"limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"memory": "1Gi"}}), Qos::Burstable, 500),
        ] {
            let spec = spec(json!([{"name": "a", "resources": resources}]));
            assert_eq!(qos(&spec), class, "{resources}");
            assert_eq!(container(&spec, &spec.containers[0], 2 * gib).oom_score_adj, score, "{resources}");
        }
    }

    #[test]
    fn limits_stand_in_for_requests() {
        let spec = spec(json!([{"name": "a", "resources": {"limits": {"cpu": "250m", "memory": "1Mi"}}}]));
        let got = container(&spec, &spec.containers[0], 1 << 30);
        assert_eq!(
            (got.cpu_request_milli, got.cpu_limit_milli, got.memory_request_bytes, got.memory_limit_bytes),
            (250, 250, 1 << 20, 1 << 20)
        );
    }
}
