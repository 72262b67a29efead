//! What the cluster knows of its kinds: rows, the schema graph, and every view derived from them.

pub mod kind;

pub use kind::{Cell, Column, Kind, NameRule, Persistence, Scope, SelectableField, Subresource, Verb};
