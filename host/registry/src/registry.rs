//! [`Registry`]: the rows, found by any of their names.

use crate::graph;
use crate::kind::Kind;
use crate::table;
use object::schema::{Graph, Schema, TypeId};
use object::{Gvk, Gvr};
use std::sync::{Arc, OnceLock};

/// All served kinds and the graph of their schemas. Immutable; share it by `Arc`.
#[derive(Debug)]
pub struct Registry {
    /// Sorted by group, version, resource.
    kinds: Vec<Arc<Kind>>,
}

impl Registry {
    /// The built-in kinds. Made once per process.
    pub fn builtin() -> Arc<Registry> {
        static BUILTIN: OnceLock<Arc<Registry>> = OnceLock::new();
        BUILTIN.get_or_init(|| Arc::new(Registry::of(table::rows()))).clone()
    }

    fn of(rows: Vec<Kind>) -> Self {
        let mut kinds: Vec<Arc<Kind>> = rows.into_iter().map(Arc::new).collect();
        kinds.sort_by(|a, b| order(a).cmp(&order(b)));
        Self { kinds }
    }

    /// The row of a resource.
    pub fn kind(&self, gvr: &Gvr) -> Option<Arc<Kind>> {
        self.resource_by_name(&gvr.group, &gvr.version, &gvr.resource)
    }

    /// The row of a kind.
    pub fn kind_of(&self, gvk: &Gvk) -> Option<Arc<Kind>> {
        let found = self.kinds.iter().find(|k| k.kind == gvk.kind && k.group == gvk.group && k.version == gvk.version);
        found.cloned()
    }

    /// All rows, sorted by group, version and resource.
    pub fn kinds(&self) -> Vec<Arc<Kind>> {
        self.kinds.clone()
    }

    /// The row of a plural resource name; the core group is `""`.
    pub fn resource_by_name(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        let at = self.kinds.binary_search_by(|k| order(k).cmp(&(group, version, plural))).ok()?;
        self.kinds.get(at).cloned()
    }

    /// Where a kind's objects stand in the graph. A kind whose definition the graph lacks is any JSON.
    pub fn schema(&self, kind: &Kind) -> Schema<'static> {
        let graph = graph::builtin();
        graph.named(&kind.schema).unwrap_or(Schema { graph, id: TypeId(u32::MAX) })
    }

    /// The graph of all built-in definitions.
    pub fn graph(&self) -> &'static Graph {
        graph::builtin()
    }
}

fn order(kind: &Kind) -> (&str, &str, &str) {
    (&kind.group, &kind.version, &kind.resource)
}
