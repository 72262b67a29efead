//! Limits, as the kubelet converts them (`pkg/kubelet/cm/helpers_linux.go`).

use interfaces::workload::Resources;
use serde_json::{Value, json};

/// Microseconds; the kernel's default.
const CPU_PERIOD: i64 = 100_000;
/// The kernel refuses a smaller quota.
const SMALLEST_QUOTA: i64 = 1_000;
/// The kernel refuses fewer shares; what a container without a request gets.
const SMALLEST_SHARES: i64 = 2;
const LARGEST_SHARES: i64 = 262_144;

/// A request in thousandths of a processor as shares.
pub(crate) fn cpu_shares(milli: i64) -> i64 {
    (milli.saturating_mul(1024) / 1000).clamp(SMALLEST_SHARES, LARGEST_SHARES)
}

pub(super) fn build(resources: &Resources, privileged: bool) -> Value {
    let mut cpu = json!({ "shares": cpu_shares(resources.cpu_request_milli) });
    if resources.cpu_limit_milli > 0 {
        cpu["quota"] = (resources.cpu_limit_milli.saturating_mul(CPU_PERIOD) / 1000).max(SMALLEST_QUOTA).into();
        cpu["period"] = CPU_PERIOD.into();
    }
    let mut out = json!({
        "devices": [{ "allow": privileged, "type": "a", "access": "rwm" }],
        "cpu": cpu,
    });
    if resources.memory_limit_bytes > 0 {
        out["memory"] = json!({ "limit": resources.memory_limit_bytes });
        if crate::cgroup::limits_swap() {
            // Memory and swap together: a container does not swap, as the kubelet's default has it.
            out["memory"]["swap"] = resources.memory_limit_bytes.into();
        }
        if crate::cgroup::is_unified() {
            // One process killed for memory takes the container with it, as the kubelet sets it.
            out["unified"] = json!({ "memory.oom.group": "1" });
        }
    }
    if resources.pids_limit > 0 {
        out["pids"] = json!({ "limit": resources.pids_limit });
    }
    out
}
