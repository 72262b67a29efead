//! Group authorization.k8s.io, v1: questions about what someone may do.

use super::row;
use crate::kind::{Kind, Scope, Verb};

pub(crate) fn rows() -> Vec<Kind> {
    let asked = r#""resourceAttributes":{"namespace":"default","verb":"get","resource":"pods"}"#;
    let of_user = format!(r#"{{"user":"u",{asked}}}"#);
    vec![
        review("SubjectAccessReview", "subjectaccessreviews", Scope::Cluster, &of_user),
        review("LocalSubjectAccessReview", "localsubjectaccessreviews", Scope::Namespaced, &of_user),
        review("SelfSubjectAccessReview", "selfsubjectaccessreviews", Scope::Cluster, &format!("{{{asked}}}")),
        review("SelfSubjectRulesReview", "selfsubjectrulesreviews", Scope::Cluster, r#"{"namespace":"default"}"#),
    ]
}

fn review(kind: &str, resource: &str, scope: Scope, spec: &str) -> Kind {
    let mut row = row("authorization.k8s.io", "v1", kind, resource)
        .definition(&format!("io.k8s.api.authorization.v1.{kind}"))
        .virtual_kind(&[Verb::Create])
        .sample(&format!(r#"{{"apiVersion":"authorization.k8s.io/v1","kind":"{kind}","spec":{spec}}}"#));
    row.scope = scope;
    row
}
