//! Group rbac.authorization.k8s.io, v1.

use super::row;
use crate::columns::rbac;
use crate::kind::{Cell, Kind, NameRule};

pub(crate) fn rows() -> Vec<Kind> {
    let rules = r#""rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#;
    vec![
        role("Role", "roles")
            .sample(&format!(r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{{"name":"sample"}},{rules}}}"#)),
        role("ClusterRole", "clusterroles").cluster().sample(&format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"sample"}},{rules}}}"#
        )),
        binding("RoleBinding", "rolebindings").sample(&binding_sample("RoleBinding", "Role")),
        binding("ClusterRoleBinding", "clusterrolebindings").cluster().sample(&binding_sample("ClusterRoleBinding", "ClusterRole")),
    ]
}

fn rbac_row(kind: &str, resource: &str) -> Kind {
    row("rbac.authorization.k8s.io", "v1", kind, resource)
        .definition(&format!("io.k8s.api.rbac.v1.{kind}"))
        .create_on_update()
        .names(NameRule::PathSegment)
        .name_column()
}

/// Roles have upstream's default columns (`rest.NewDefaultTableConvertor`).
fn role(kind: &str, resource: &str) -> Kind {
    let created = Cell::Computed(rbac::created_at);
    rbac_row(kind, resource).column("Created At", "date", 0, "When the object was created.", created)
}

fn binding(kind: &str, resource: &str) -> Kind {
    rbac_row(kind, resource)
        .show("Role", "string", "The bound role.", rbac::role)
        .age_column()
        .wide("Users", "string", "Bound users.", rbac::users)
        .wide("Groups", "string", "Bound groups.", rbac::groups)
        .wide("ServiceAccounts", "string", "Bound service accounts.", rbac::service_accounts)
}

fn binding_sample(kind: &str, role: &str) -> String {
    format!(
        r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"{kind}","metadata":{{"name":"sample"}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"{role}","name":"sample"}},"subjects":[{{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"u"}}]}}"#
    )
}
