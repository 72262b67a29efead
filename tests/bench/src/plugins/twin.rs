//! `plugins/node-requirements` once more as a native plugin: the same rule, told the same way.

use async_trait::async_trait;
use interfaces::schedule::{Code, NodeTable, NodeView, PluginError, PodView, Refusal, SchedulePlugin};
use std::sync::Arc;

pub struct NodeRequirements;

struct Term<'t> {
    text: &'t str,
    key: &'t str,
    value: Option<&'t str>,
}

impl<'t> Term<'t> {
    fn all(pod: &'t PodView, what: &str) -> Vec<Self> {
        let text = pod.annotations.get(&format!("coracle.dev/{what}")).map(String::as_str).unwrap_or_default();
        let terms = text.split(',').map(str::trim).filter(|term| !term.is_empty());
        let parse = |text: &'t str| match text.split_once('=') {
            Some((key, value)) => Self { text, key: key.trim(), value: Some(value.trim()) },
            None => Self { text, key: text, value: None },
        };
        terms.map(parse).collect()
    }

    fn is_met(&self, node: &NodeView) -> bool {
        let names = |key: &str| key == self.key || key.rsplit_once('/').is_some_and(|(_, name)| name == self.key);
        node.labels.iter().any(|(key, value)| names(key) && self.value.is_none_or(|wanted| wanted == value))
    }
}

fn row(table: &NodeTable, number: u32) -> Result<&NodeView, PluginError> {
    let failed = || PluginError::Failed { plugin: "twin".to_owned(), cause: format!("candidate {number} is not in the table") };
    table.nodes.get(number as usize).map(AsRef::as_ref).ok_or_else(failed)
}

#[async_trait]
impl SchedulePlugin for NodeRequirements {
    fn name(&self) -> &str {
        "twin"
    }

    async fn filter(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        let terms = Term::all(pod, "requires");
        let reason = |term: &Term<'_>| Arc::from(format!("node(s) lacked what the pod requires: {}", term.text));
        let reasons: Vec<Arc<str>> = terms.iter().map(reason).collect();
        let mut refusals = Vec::new();
        for number in candidates {
            let node = row(nodes, *number)?;
            if let Some((_, reason)) = terms.iter().zip(&reasons).find(|(term, _)| !term.is_met(node)) {
                refusals.push(Refusal { node: *number, code: Code::UnschedulableAndUnresolvable, reason: reason.clone() });
            }
        }
        Ok(refusals)
    }

    async fn score(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
        let terms = Term::all(pod, "prefers");
        let mut scores = Vec::with_capacity(candidates.len());
        for number in candidates {
            let node = row(nodes, *number)?;
            let met = terms.iter().filter(|term| term.is_met(node)).count();
            scores.push(i64::try_from(met * 100 / terms.len().max(1)).unwrap_or(100));
        }
        Ok(scores)
    }
}
