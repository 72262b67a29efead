//! The mirror of the nodes, as far as this plugin needs it: labels only.

use crate::coracle::plugin::schedule_types::Entry;
use crate::exports::coracle::plugin::node_table::Delta;

#[derive(Default)]
pub struct Table {
    labels: Vec<Vec<Entry>>,
}

impl Table {
    pub fn apply(&mut self, delta: Delta) -> Result<(), String> {
        if delta.full {
            self.labels.clear();
        }
        self.labels.resize_with(delta.length as usize, Vec::new);
        for node in delta.upserts {
            let number = node.number as usize;
            *self.labels.get_mut(number).ok_or_else(|| format!("node {number} is beyond the table"))? = node.labels;
        }
        Ok(())
    }

    pub fn labels(&self, node: u32) -> Result<&[Entry], String> {
        self.labels.get(node as usize).map(Vec::as_slice).ok_or_else(|| format!("candidate {node} is not in the table"))
    }
}
