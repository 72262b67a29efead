//! What a namespace may use: LimitRanges and ResourceQuotas.

use super::core;
use crate::columns::{limits, rbac};
use crate::kind::{Cell, Kind};

pub(super) fn limit_ranges() -> Kind {
    core("LimitRange", "limitranges")
        .short(&["limits"])
        .create_on_update()
        .name_column()
        .column("Created At", "date", 0, "When the object was created.", Cell::Computed(rbac::created_at))
        .sample(
            r#"{"apiVersion":"v1","kind":"LimitRange","metadata":{"name":"sample"},"spec":{"limits":[{"type":"Pod","max":{"cpu":"2"}}]}}"#,
        )
}

pub(super) fn resource_quotas() -> Kind {
    core("ResourceQuota", "resourcequotas")
        .short(&["quota"])
        .status()
        .name_column()
        .show("Request", "string", "Use and limit of each requested resource.", limits::quota_requests)
        .show("Limit", "string", "Use and limit of each limited resource.", limits::quota_limits)
        .age_column()
        .sample(r#"{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"sample"},"spec":{"hard":{"count/secrets":"1000"}}}"#)
}
