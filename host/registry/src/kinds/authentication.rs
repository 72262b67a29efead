//! Group authentication.k8s.io, v1: questions about identities. `TokenRequest` is the body of `serviceaccounts/token`.

use super::row;
use crate::kind::{Kind, Verb};

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        review("TokenReview", "tokenreviews", r#""spec":{"token":"t"}"#),
        review("SelfSubjectReview", "selfsubjectreviews", r#""metadata":{}"#),
    ]
}

fn review(kind: &str, resource: &str, body: &str) -> Kind {
    row("authentication.k8s.io", "v1", kind, resource)
        .definition(&format!("io.k8s.api.authentication.v1.{kind}"))
        .cluster()
        .virtual_kind(&[Verb::Create])
        .sample(&format!(r#"{{"apiVersion":"authentication.k8s.io/v1","kind":"{kind}",{body}}}"#))
}
