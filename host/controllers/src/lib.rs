//! The controllers: each makes one part of the world what its objects say, through the API alone.
//!
//! Reading order: [`run`] (the driver, which knows no kind) → `table.rs` (which controllers there are) → one file per
//! controller → `view.rs`, `claim.rs`, `conditions.rs` (what they share).
//!
//! Invariants
//! - A wake-up carries a key, never the change. Reconcile reads the caches, compares before it writes, and may be repeated
//!   at any time.
//! - One key is never worked on twice at the same time; a failed key comes again after its own back-off.
//! - A cache may be a moment behind. Decisions that would be wrong twice (creating, deleting) wait until the cache has seen
//!   the controller's own last writes; writes that replace carry the resourceVersion they were decided on.
//! - Nothing polls: what must happen at a time is a key that comes back at that time.

mod claim;
mod cloud;
mod cluster_role_aggregation;
mod conditions;
mod deployment;
mod endpoint_slice;
mod endpoints;
mod error;
mod garbage;
mod namespace;
mod node_lifecycle;
mod pending;
mod pod_gc;
mod replica_set;
mod root_ca;
mod run;
mod service_account;
mod service_account_token;
mod table;
mod taint_eviction;
mod view;

pub use cloud::{Failure as CloudFailure, Provider as CloudProvider};
pub use error::Error;
pub use run::{Config, run};
