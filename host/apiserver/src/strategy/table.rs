//! Which strategy a kind has; all others have the default one.

use super::{Strategy, namespace, pod, service};
use registry::Kind;

struct Plain;
impl Strategy for Plain {}

/// Group, resource, strategy.
const ROWS: &[(&str, &str, &dyn Strategy)] = &[
    ("", "namespaces", &namespace::NamespaceStrategy),
    ("", "pods", &pod::PodStrategy),
    ("", "services", &service::ServiceStrategy),
];

pub fn of(kind: &Kind) -> &'static dyn Strategy {
    let row = ROWS.iter().find(|(group, resource, _)| *group == kind.group && *resource == kind.resource);
    row.map_or(&Plain, |(_, _, strategy)| *strategy)
}
