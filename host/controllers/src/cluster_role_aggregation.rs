//! Aggregating cluster roles hold the rules of all cluster roles that their selectors match. Upstream
//! `pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go`.

use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::list;
use async_trait::async_trait;
use client::{Cache, Change, Client, Patch, gvr};
use object::selector::LabelSelector;
use object::{Gvr, Object, Value, json};
use std::sync::Arc;

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(Aggregation { client: context.client.clone(), roles: context.client.cache(&gvr::cluster_roles()) })
}

struct Aggregation {
    client: Client,
    roles: Arc<Cache>,
}

#[async_trait]
impl Controller for Aggregation {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::cluster_roles()]
    }

    /// Any role may be part of any aggregating one; there are few of those.
    fn keys(&self, _: &Gvr, change: &Change) -> Vec<Key> {
        let mut keys: Vec<Key> = self.roles.list("").iter().filter(|role| !selectors(role).is_empty()).map(|role| Key::of(role)).collect();
        if change.new.as_ref().is_some_and(|role| !selectors(role).is_empty()) {
            keys.push(Key::changed(change));
        }
        keys
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(role) = self.roles.get("", &key.name) else { return Ok(Next::done()) };
        let rules = aggregated(&role, &self.roles.list(""));
        if selectors(&role).is_empty() || rules == list(&role, &["rules"]) {
            return Ok(Next::done());
        }
        let patch = Patch::Merge(json!({ "metadata": { "uid": role.uid() }, "rules": rules }));
        match self.client.api(&gvr::cluster_roles()).patch("", role.name(), None, &patch).await {
            Ok(_) => Ok(Next::done()),
            Err(e) if e.is_not_found() => Ok(Next::done()),
            Err(e) => Err(e.into()),
        }
    }
}

fn selectors(role: &Object) -> &[Value] {
    list(role, &["aggregationRule", "clusterRoleSelectors"])
}

/// The rules of all other roles that match, in the order of the selectors and of names, each once.
fn aggregated(role: &Object, all: &[Arc<Object>]) -> Vec<Value> {
    let mut rules = Vec::new();
    for selector in selectors(role).iter().filter_map(|s| LabelSelector::from_value(s).ok()) {
        let mut parts: Vec<&Arc<Object>> = all.iter().filter(|r| r.name() != role.name() && selector.matches(r.labels())).collect();
        parts.sort_by(|a, b| a.name().cmp(b.name()));
        for rule in parts.into_iter().flat_map(|part| list(part, &["rules"])) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_matching_roles_come_together() {
        let role = |name: &str, label: &str, verbs: &[&str], selects: &str| {
            let rules: Value = verbs.iter().map(|verb| json!({ "verbs": [verb] })).collect();
            let mut value = json!({ "metadata": { "name": name, "labels": { label: "true" } }, "rules": rules });
            if !selects.is_empty() {
                value["aggregationRule"] = json!({ "clusterRoleSelectors": [{ "matchLabels": { selects: "true" } }] });
            }
            Arc::new(Object::from_value(value).unwrap())
        };
        let all = [
            role("whole", "to-more", &[], "part"),
            role("b", "part", &["b", "a"], ""),
            role("a", "part", &["a"], ""),
            role("c", "not", &["c"], ""),
        ];
        assert_eq!(aggregated(&all[0], &all), [json!({ "verbs": ["a"] }), json!({ "verbs": ["b"] })]);
    }
}
