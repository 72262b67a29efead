//! Why a pod found no node, in upstream's words: `pkg/scheduler/framework/types.go` (Diagnosis, FitError).

use interfaces::schedule::{Code, Refusal};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub type Reason = Cow<'static, str>;

/// A node that will not take the pod.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    pub node: u32,
    pub code: Code,
    /// Of the plugin table: who refused it.
    pub row: usize,
}

/// What became of the nodes that were looked at.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// How many nodes each reason was given for. A node may have several.
    reasons: BTreeMap<Reason, usize>,
    /// Each refused node once.
    refused: Vec<Refused>,
    /// Rows of the plugin table that refused something.
    plugins: BTreeSet<usize>,
    /// The row whose filter runs now.
    row: usize,
    /// Why a plugin refused the pod before any node was looked at.
    pre_filter: Vec<String>,
    /// What preemption found, told after the reasons.
    pub post_filter: String,
}

impl Diagnosis {
    pub fn clear(&mut self) {
        self.reasons.clear();
        self.refused.clear();
        self.plugins.clear();
        self.pre_filter.clear();
        self.post_filter.clear();
    }

    /// From here on, refusals are this row's.
    pub(crate) fn asking(&mut self, row: usize) {
        self.row = row;
    }

    pub fn refuse(&mut self, node: u32, code: Code, reasons: impl IntoIterator<Item = Reason>) {
        for reason in reasons {
            *self.reasons.entry(reason).or_default() += 1;
        }
        self.refused.push(Refused { node, code, row: self.row });
        self.plugins.insert(self.row);
    }

    /// The same for what a plugin outside said, where many nodes share one text.
    pub(crate) fn refuse_each<'r>(&mut self, refusals: impl IntoIterator<Item = &'r Refusal>) {
        let mut run: Option<(&Arc<str>, usize)> = None;
        for Refusal { node, code, reason } in refusals {
            self.refused.push(Refused { node: *node, code: *code, row: self.row });
            match &mut run {
                Some((text, count)) if Arc::ptr_eq(text, reason) => *count += 1,
                _ => {
                    if let Some((text, count)) = run.replace((reason, 1)) {
                        self.count(text, count);
                    }
                }
            }
        }
        if let Some((text, count)) = run {
            self.count(text, count);
            self.plugins.insert(self.row);
        }
    }

    fn count(&mut self, reason: &str, nodes: usize) {
        match self.reasons.get_mut(reason) {
            Some(count) => *count += nodes,
            None => drop(self.reasons.insert(Cow::Owned(reason.to_owned()), nodes)),
        }
    }

    /// The row that runs now had its part in the refusal.
    pub(crate) fn blame(&mut self) {
        self.plugins.insert(self.row);
    }

    /// No node comes into question; told once, not for each node.
    pub(crate) fn refuse_all(&mut self, nodes: usize, code: Code, reason: &str) {
        // As upstream: of several refusals the last stands for the nodes.
        self.refused.clear();
        self.refused.extend((0..).take(nodes).map(|node| Refused { node, code, row: self.row }));
        self.plugins.insert(self.row);
        self.pre_filter.push(reason.to_owned());
    }

    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(AsRef::as_ref)
    }

    pub fn plugins(&self) -> impl Iterator<Item = usize> + '_ {
        self.plugins.iter().copied()
    }

    /// `0/N nodes are available: <reasons>. <preemption>`
    pub fn message(&self, nodes: usize) -> String {
        let mut told: Vec<String> = self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        told.sort();
        let mut message = format!("0/{nodes} nodes are available:");
        if !self.pre_filter.is_empty() {
            message.push_str(&format!(" {}.", self.pre_filter.join(", ")));
        }
        if !told.is_empty() {
            message.push_str(&format!(" {}.", told.join(", ")));
        }
        if !self.post_filter.is_empty() {
            message.push_str(&format!(" {}", self.post_filter));
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_upstreams() {
        let mut diagnosis = Diagnosis::default();
        diagnosis.refuse(0, Code::Unschedulable, ["Insufficient cpu".into(), "Insufficient memory".into()]);
        diagnosis.refuse(1, Code::Unschedulable, ["Insufficient cpu".into()]);
        for node in 2..12 {
            diagnosis.refuse(node, Code::UnschedulableAndUnresolvable, ["node(s) were unschedulable".into()]);
        }
        let told = "0/12 nodes are available: 1 Insufficient memory, 10 node(s) were unschedulable, 2 Insufficient cpu.";
        assert_eq!(diagnosis.message(12), told);
        diagnosis.post_filter = "preemption: 0/12 nodes are available: 10 Preemption is not helpful for scheduling.".into();
        assert_eq!(diagnosis.message(12), format!("{told} {}", diagnosis.post_filter));
    }

    #[test]
    fn equal_texts_are_one_reason_whoever_shares_them() {
        let (mut diagnosis, code) = (Diagnosis::default(), Code::Unschedulable);
        diagnosis.refuse(0, code, ["full".into()]);
        let (full, again, other): (Arc<str>, Arc<str>, Arc<str>) = ("full".into(), "full".into(), "far away".into());
        let told = [(1, &full), (2, &full), (3, &other), (4, &again), (5, &full)];
        diagnosis.refuse_each(&told.map(|(node, reason)| Refusal { node, code, reason: reason.clone() }));
        assert_eq!(diagnosis.message(6), "0/6 nodes are available: 1 far away, 5 full.");
        assert_eq!(diagnosis.refused().iter().map(|refused| refused.node).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    }
}
