//! Whom a hook is asked about: `k8s.io/apiserver/pkg/admission/plugin/webhook/{generic,predicates}`. Webhook configurations,
//! admission policies and plugins say it in the same words, and all of them are read and matched here.
//!
//! In order: namespace selector, object selector, rules (of the request's resource, then of equivalent ones), match conditions.
//! What is wrong on the way counts only for a hook that would be asked.

mod attributes;
mod conditions;
mod rule;
#[cfg(test)]
mod tests;

pub use attributes::Attributes;
pub use rule::Rule;

use crate::strategy::read::{items, text};
use conditions::Conditions;
use interfaces::admit::Operation;
use object::selector::LabelSelector;
use object::{GroupResource, Map, Object, StatusError, Value};
use registry::Kind;
use std::sync::Arc;

/// What a match condition that cannot be evaluated means (`failurePolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The request is refused.
    Refuse,
    /// The hook is not asked.
    Skip,
}

/// `rules`, `matchPolicy`, `namespaceSelector`, `objectSelector` and `matchConditions`, ready to be asked.
#[derive(Debug)]
pub struct Matching {
    rules: Vec<Rule>,
    /// Of policies: not even if a rule above fits.
    excluded: Vec<Rule>,
    equivalent: bool,
    namespaces: LabelSelector,
    objects: LabelSelector,
    conditions: Conditions,
}

impl Matching {
    /// Reads the fields of a webhook, of a policy's `matchConstraints` or of a plugin. What has no selectors selects everything;
    /// `matchPolicy` is `Equivalent` unless it says `Exact`.
    ///
    /// # Errors
    /// A selector or an expression that cannot be: none is stored that way.
    pub fn read(tree: &Value) -> Result<Self, String> {
        let selector = |field: &str| match tree.get(field).filter(|s| s.is_object()) {
            Some(selector) => LabelSelector::from_value(selector).map_err(|error| format!("{field}: {error}")),
            None => Ok(LabelSelector::everything()),
        };
        let rules = |fields: [&str; 2]| fields.iter().flat_map(|field| items(tree, field)).map(|(_, rule)| Rule::of(rule)).collect();
        Ok(Self {
            rules: rules(["rules", "resourceRules"]),
            excluded: rules(["excludeResourceRules", ""]),
            equivalent: text(tree, "matchPolicy") != "Exact",
            namespaces: selector("namespaceSelector")?,
            objects: selector("objectSelector")?,
            conditions: Conditions::read(tree)?,
        })
    }

    /// Whether any rule can fit requests of a resource: so that most hooks are never looked at.
    pub fn concerns(&self, group: &str, resource: &str, operation: Operation) -> bool {
        self.rules.iter().any(|rule| rule.concerns(group, resource, operation))
    }

    /// The row in whose form the hook is to be told of the request; `None` when it is not to be asked. Conditions are not yet
    /// looked at: they see the objects in that form.
    pub fn selects(
        &self,
        attributes: &Attributes<'_>,
        object: Option<&Object>,
        old: Option<&Object>,
    ) -> Result<Option<Arc<Kind>>, StatusError> {
        let namespace = self.selects_namespace(attributes, object, old);
        if matches!(namespace, Ok(false)) || !self.selects_object(object, old) {
            return Ok(None);
        }
        let Some(row) = self.row(attributes) else { return Ok(None) };
        namespace.map(|_| Some(row))
    }

    /// Asks the match conditions.
    pub async fn fulfils(
        &self,
        attributes: &Attributes<'_>,
        row: &Kind,
        object: Option<&Object>,
        old: Option<&Object>,
        on_error: OnError,
    ) -> Result<bool, StatusError> {
        if self.conditions.is_empty() {
            return Ok(true);
        }
        match self.conditions.check(attributes, row, object, old).await {
            Ok(fulfilled) => Ok(fulfilled),
            Err(_) if on_error == OnError::Skip => Ok(false),
            Err(told) => Err(StatusError::forbidden(&attributes.row.group_resource(), attributes.name, &told)),
        }
    }

    /// `predicates/namespace/matcher.go`.
    fn selects_namespace(&self, attributes: &Attributes<'_>, object: Option<&Object>, old: Option<&Object>) -> Result<bool, StatusError> {
        if self.namespaces.is_everything() {
            return Ok(true);
        }
        let about_namespaces = attributes.row.group.is_empty() && attributes.row.resource == "namespaces";
        // A cluster resource other than a namespace is never left out.
        if attributes.namespace.is_empty() && !about_namespaces {
            return Ok(true);
        }
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update) && attributes.subresource.is_empty();
        if about_namespaces && writes {
            return Ok(self.namespaces.matches(object.and_then(Object::labels)));
        }
        let name = if attributes.namespace.is_empty() { attributes.name } else { attributes.namespace };
        // A collection of namespaces has no name: each of them goes by what it was.
        if name.is_empty() {
            return Ok(self.namespaces.matches(old.and_then(Object::labels)));
        }
        Ok(self.namespaces.matches(labels_of(attributes, name)?.as_ref()))
    }

    /// `predicates/object/matcher.go`.
    fn selects_object(&self, object: Option<&Object>, old: Option<&Object>) -> bool {
        let fits = |object: Option<&Object>| object.is_some_and(|o| self.objects.matches_object(o));
        self.objects.is_everything() || fits(object) || fits(old)
    }

    fn row(&self, attributes: &Attributes<'_>) -> Option<Arc<Kind>> {
        let fits = |row: &Kind| {
            let fits = |rule: &Rule| rule.matches(attributes, row);
            self.rules.iter().any(fits) && !self.excluded.iter().any(fits)
        };
        if fits(attributes.row) {
            return Some(attributes.row.clone());
        }
        if !self.equivalent || self.excluded.iter().any(|rule| rule.matches(attributes, attributes.row)) {
            return None;
        }
        let equivalents = attributes.equivalents();
        // Earlier rules are honoured first.
        let found = self.rules.iter().find_map(|rule| equivalents.iter().find(|row| rule.matches(attributes, row)));
        found.filter(|row| !self.excluded.iter().any(|rule| rule.matches(attributes, row))).cloned()
    }
}

/// Labels of a namespace.
fn labels_of(attributes: &Attributes<'_>, name: &str) -> Result<Option<Map<String, Value>>, StatusError> {
    let missing = || {
        let resource = GroupResource { group: String::new(), resource: "namespaces".to_owned() };
        StatusError::not_found(&resource, name)
    };
    let item = attributes.namespace_item(name).ok_or_else(missing)?;
    Ok(item.object().labels().cloned())
}
