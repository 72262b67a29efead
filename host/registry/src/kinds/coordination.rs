//! Group coordination.k8s.io, v1.

use super::row;
use crate::columns::config;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        row("coordination.k8s.io", "v1", "Lease", "leases")
            .definition("io.k8s.api.coordination.v1.Lease")
            .create_on_update()
            .heartbeat()
            .name_column()
            .show("Holder", "string", "Who holds the lease.", config::lease_holder)
            .age_column()
            .sample(r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"sample"},"spec":{"holderIdentity":"h"}}"#),
    ]
}
