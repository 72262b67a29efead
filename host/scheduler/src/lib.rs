//! The scheduler: finds a node for each pod that has none, and says in the pod's events why when there is none.
//!
//! The road of a pod: [`queue`] (who is next) → [`cycle`] (filter, score, choose; on the rows of [`cluster`]) → assumed on
//! its node → `binding` in the background → seen on its node by the watch. A pod that found no node waits in the queue until
//! something happens that a plugin which refused it cares about ([`event`]), or five minutes have passed. Which plugins are
//! asked is said by its [`profile`], made from the [`config`]uration and the plugins from outside.
//!
//! Invariants
//! - One task owns queue and cluster ([`run`]): what a cycle sees does not change under it, and no event is missed
//!   between a refusal and the wait that follows it.
//! - A plugin is a row of its [`profile`]; the cycle cannot tell those in wasm from others outside.
//! - An extension point that no plugin uses costs nothing.
//! - Only API requests change the world: bindings, conditions, events, deletions of victims.

pub mod affinity;
mod ask;
mod bind;
mod binding;
pub mod cluster;
pub mod config;
pub mod cycle;
pub mod diagnosis;
mod dry_run;
pub mod event;
#[cfg(test)]
mod framework_tests;
pub mod node;
pub mod plugins;
pub mod pod;
mod post_filter;
mod preempt;
pub mod profile;
pub mod queue;
pub mod resources;
mod run;
#[cfg(test)]
mod testing;
pub mod topology;
mod waiting;
pub mod workloads;

pub use config::Configuration;
pub use run::{Config, run};
