//! Group policy, v1: `pkg/registry/policy`.

use super::row;
use crate::columns::policy;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    let kind = "PodDisruptionBudget";
    let row = row("policy", "v1", kind, "poddisruptionbudgets");
    vec![
        Kind { schema: format!("io.k8s.api.policy.v1.{kind}"), ..row }
            .short(&["pdb"])
            .generation()
            .status()
            .name_column()
            .show("Min Available", "string", "Pods that must stay available.", policy::min_available)
            .show("Max Unavailable", "string", "Pods that may be unavailable.", policy::max_unavailable)
            .show("Allowed Disruptions", "integer", "Pods that may be disrupted now.", policy::allowed_disruptions)
            .age_column()
            .sample(
                r#"{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"sample"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"none"}}}}"#,
            ),
    ]
}
