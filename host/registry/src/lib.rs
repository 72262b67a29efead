//! What the cluster knows of its kinds: rows, the schema graph, and every view derived from them.
//!
//! A kind is data: one row ([`Kind`]) in `kinds/<group>.rs`, collected by `table.rs`. Routing, discovery, OpenAPI, tables,
//! field selectors, garbage collection and the namespace sweep derive from the rows. The schema graph comes from one
//! compact table that `cargo xtask` generates from pinned crates (`data/`, decoded by [`graph`]).
//!
//! Invariants
//! - No I/O, and no kind is known by name outside `kinds/`, `columns/` and `defaults/`.
//! - Rows are sorted by group, version and resource; looking one up allocates nothing. Custom rows come and go as a whole,
//!   in one swap; whoever holds a row keeps what it was.
//! - The graph is decoded once per process, on first use.

pub mod columns;
mod conversion;
pub mod custom;
pub mod defaults;
pub mod discovery;
pub mod fields;
pub mod graph;
pub mod kind;
mod kinds;
pub mod openapi;
mod registry;
pub mod runtime_config;
mod table;

pub use kind::{Cell, Column, Conversion, Kind, NameRule, Persistence, Scope, SelectableField, StoredAs, Subresource, Verb};
pub use registry::Registry;
pub use runtime_config::RuntimeConfig;
