//! The schema graph of the built-in kinds, decoded once from the embedded table.

mod coracle;

use object::schema::Graph;
use std::sync::OnceLock;

/// Every built-in definition.
pub fn builtin() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(|| {
        let mut graph = Graph::default();
        coracle::add(&mut graph);
        graph
    })
}
