//! Group coracle.dev: policies that decide together. Its definitions stand in `graph/admission.rs`.

use super::row;
use crate::columns::policy_group;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        row("coracle.dev", "v1alpha1", "PolicyGroup", "policygroups")
            .definition("dev.coracle.v1alpha1.PolicyGroup")
            .cluster()
            .short(&["pg"])
            .generation()
            .name_column()
            .show("Mode", "string", "What a refusal does.", policy_group::mode)
            .show("Expression", "string", "When a request is allowed.", policy_group::expression)
            .age_column()
            .wide("Plugins", "string", "Whom it asks.", policy_group::plugins)
            .sample(
                r#"{"apiVersion":"coracle.dev/v1alpha1","kind":"PolicyGroup","metadata":{"name":"sample"},"spec":{"policies":{"a":{"plugin":"sample"}},"expression":"a()","message":"refused","rules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["pods"]}]}}"#,
            ),
    ]
}
