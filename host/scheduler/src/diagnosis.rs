//! Why a pod found no node, in upstream's words: `pkg/scheduler/framework/types.go` (Diagnosis, FitError).

use interfaces::schedule::Code;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

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
}
