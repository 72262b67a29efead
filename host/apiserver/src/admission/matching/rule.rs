//! One rule: `predicates/rules/rules.go`.

use super::Attributes;
use crate::strategy::read::{items, text};
use interfaces::admit::Operation;
use object::Value;
use registry::Kind;

/// `RuleWithOperations`, and with names `NamedRuleWithOperations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    /// `pods`, `pods/status`, `*`, `pods/*`, `*/scale`, `*/*`.
    resources: Vec<(String, String)>,
    scope: Scope,
    /// Empty: any.
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    All,
    Cluster,
    Namespaced,
}

const ANY: &str = "*";

fn is(known: &str, asked: &str) -> bool {
    known == ANY || known == asked
}

impl Rule {
    pub fn of(rule: &Value) -> Self {
        let texts = |field: &str| items(rule, field).filter_map(|(_, v)| v.as_str()).map(str::to_owned).collect();
        let split = |resource: &str| {
            let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
            (resource.to_owned(), sub.to_owned())
        };
        Self {
            operations: texts("operations"),
            groups: texts("apiGroups"),
            versions: texts("apiVersions"),
            resources: items(rule, "resources").filter_map(|(_, v)| v.as_str()).map(split).collect(),
            scope: match text(rule, "scope") {
                "Cluster" => Scope::Cluster,
                "Namespaced" => Scope::Namespaced,
                _ => Scope::All,
            },
            names: texts("resourceNames"),
        }
    }

    /// `row` stands for the request's own, or for an equivalent one.
    pub fn matches(&self, attributes: &Attributes<'_>, row: &Kind) -> bool {
        self.scope_fits(attributes)
            && self.operations.iter().any(|o| is(o, attributes.operation.as_str()))
            && self.groups.iter().any(|g| is(g, &row.group))
            && self.versions.iter().any(|v| is(v, &row.version))
            && self.resources.iter().any(|(resource, sub)| is(resource, &row.resource) && is(sub, attributes.subresource))
            && (self.names.is_empty() || self.names.iter().any(|name| name == attributes.name))
    }

    /// Whether it can fit any request of a resource.
    pub fn concerns(&self, group: &str, resource: &str, operation: Operation) -> bool {
        self.operations.iter().any(|o| is(o, operation.as_str()))
            && self.groups.iter().any(|g| is(g, group))
            && self.resources.iter().any(|(known, _)| is(known, resource))
    }

    fn scope_fits(&self, attributes: &Attributes<'_>) -> bool {
        // A request about a namespace has a namespace, and is nevertheless of a cluster resource.
        let in_cluster = attributes.namespace.is_empty() || (attributes.row.group.is_empty() && attributes.row.resource == "namespaces");
        match self.scope {
            Scope::All => true,
            Scope::Cluster => in_cluster,
            Scope::Namespaced => !in_cluster,
        }
    }
}
