//! Kinds that are never stored: a request is a question, answered by a row of `ROWS`.

mod access;
mod component;
mod identity;
mod metrics;
mod review;

pub use review::user_value;

use crate::call::{Call, Response, Target};
use crate::subresource::{Handler, binding};
use object::StatusError;
use registry::Kind;

/// Group, resource, handler.
const ROWS: &[(&str, &str, &dyn Handler)] = &[
    ("", "bindings", &binding::Bindings),
    ("", "componentstatuses", &component::ComponentStatuses),
    ("authentication.k8s.io", "selfsubjectreviews", &identity::SelfSubjectReview),
    ("authentication.k8s.io", "tokenreviews", &identity::TokenReview),
    ("authorization.k8s.io", "localsubjectaccessreviews", &access::LOCAL),
    ("authorization.k8s.io", "selfsubjectaccessreviews", &access::OWN),
    ("authorization.k8s.io", "selfsubjectrulesreviews", &access::RulesReview),
    ("authorization.k8s.io", "subjectaccessreviews", &access::SUBJECT),
    ("metrics.k8s.io", "nodes", &metrics::Metrics),
    ("metrics.k8s.io", "pods", &metrics::Metrics),
];

fn of(kind: &Kind) -> Option<&'static dyn Handler> {
    let row = ROWS.iter().find(|(group, resource, _)| *group == kind.group && *resource == kind.resource);
    row.map(|(_, _, handler)| *handler)
}

pub async fn answer(call: &Call, target: &Target) -> Result<Response, StatusError> {
    match of(&target.kind) {
        Some(handler) => handler.answer(call, target).await,
        None => Err(StatusError::no_such_path()),
    }
}
