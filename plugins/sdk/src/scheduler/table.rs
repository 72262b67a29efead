//! The mirror of the cluster's nodes, kept up by what changed.

use super::{Entry, Node, Usage, value};
use crate::bindings::node_table::exports::coracle::plugin::node_table::Delta;

/// What is kept of a node. Less is less memory: of whole nodes, some 5,000 fit into 16 MiB.
pub trait Row: Sized + 'static {
    fn new(node: Node) -> Self;

    /// Only the usage changed.
    fn used(&mut self, _usage: Usage) {}
}

impl Row for Node {
    fn new(node: Node) -> Self {
        node
    }

    fn used(&mut self, usage: Usage) {
        self.usage = usage;
    }
}

/// A node's labels, for plugins that need nothing else.
pub struct Labels(pub Vec<Entry>);

impl Labels {
    pub fn label(&self, key: &str) -> Option<&str> {
        value(&self.0, key)
    }
}

impl Row for Labels {
    fn new(node: Node) -> Self {
        Self(node.labels)
    }
}

/// All nodes, by their numbers.
pub struct Table<N> {
    rows: Vec<Option<N>>,
}

impl<N: Row> Table<N> {
    #[expect(clippy::new_without_default, reason = "it is made in a constant")]
    pub const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// # Errors
    /// The delta names a node beyond the table.
    pub fn apply(&mut self, delta: Delta) -> Result<(), String> {
        if delta.full {
            self.rows.clear();
        }
        self.rows.resize_with(delta.length as usize, || None);
        for node in delta.upserts {
            let number = node.number;
            *self.place(number)? = Some(N::new(node));
        }
        for (number, usage) in delta.usages {
            self.used(number, usage)?;
        }
        Ok(())
    }

    /// # Errors
    /// As for [`Table::apply`].
    pub(super) fn used(&mut self, number: u32, usage: Usage) -> Result<(), String> {
        if let Some(row) = self.place(number)? {
            row.used(usage);
        }
        Ok(())
    }

    fn place(&mut self, number: u32) -> Result<&mut Option<N>, String> {
        self.rows.get_mut(number as usize).ok_or_else(|| format!("node {number} is beyond the table"))
    }

    /// # Errors
    /// The host asks about a node that it never told.
    pub fn row(&self, number: u32) -> Result<&N, String> {
        self.rows.get(number as usize).and_then(Option::as_ref).ok_or_else(|| format!("candidate {number} is not in the table"))
    }

    /// Those of these numbers, in their order.
    ///
    /// # Errors
    /// As for [`Table::row`].
    pub fn those(&self, numbers: &[u32]) -> Result<Vec<&N>, String> {
        numbers.iter().map(|number| self.row(*number)).collect()
    }

    /// All nodes, for what is counted over the cluster.
    pub fn rows(&self) -> impl Iterator<Item = &N> {
        self.rows.iter().flatten()
    }

    /// All nodes with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &N)> {
        (0..).zip(&self.rows).filter_map(|(number, row)| Some((number, row.as_ref()?)))
    }
}
