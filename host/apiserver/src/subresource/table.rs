//! Who answers which subresource. `""` as group and resource: of every kind that has it.

use super::{Handler, binding, eviction, finalize, log, scale, stream, token, whole};
use registry::Kind;

const ROWS: &[(&str, &str, &str, &dyn Handler)] = &[
    ("", "pods", "binding", &binding::Binding),
    ("", "pods", "eviction", &eviction::Eviction),
    ("", "pods", "ephemeralcontainers", &whole::Whole),
    ("", "pods", "log", &log::Log),
    ("", "pods", "resize", &whole::Whole),
    ("", "serviceaccounts", "token", &token::Token),
    ("", "namespaces", "finalize", &finalize::Finalize),
    ("certificates.k8s.io", "certificatesigningrequests", "approval", &whole::Whole),
    ("", "", "scale", &scale::Scale),
    ("", "pods", "attach", &stream::Stream),
    ("", "pods", "exec", &stream::Stream),
    ("", "pods", "portforward", &stream::Stream),
    ("", "", "proxy", &stream::Stream),
];

pub fn of(kind: &Kind, subresource: &str) -> Option<&'static dyn Handler> {
    let fits = |group: &str, resource: &str| resource.is_empty() || (group == kind.group && resource == kind.resource);
    ROWS.iter().find(|(group, resource, name, _)| *name == subresource && fits(group, resource)).map(|(_, _, _, handler)| *handler)
}
