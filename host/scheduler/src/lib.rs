//! The scheduler: finds a node for each pod that has none, and says in the pod's events why when there is none.
//!
//! The road of a pod: [`queue`] (who is next) → [`cycle`] (filter, score, choose; on the rows of [`cluster`]) → assumed on
//! its node → `bind` in the background → seen on its node by the watch. A pod that found no node waits in the queue until
//! something happens that a plugin which refused it cares about ([`event`]), or five minutes have passed.
//!
//! Invariants
//! - One task owns queue and cluster ([`run`]): what a cycle sees does not change under it, and no event is missed
//!   between a refusal and the wait that follows it.
//! - A plugin is a row of [`plugins::table`]; the cycle cannot tell native ones from wasm.
//! - Only API requests change the world: bindings, conditions, events, deletions of victims.

pub mod affinity;
mod bind;
pub mod cluster;
pub mod cycle;
pub mod diagnosis;
pub mod event;
pub mod node;
pub mod plugins;
pub mod pod;
mod preempt;
pub mod queue;
pub mod resources;
mod run;
#[cfg(test)]
mod testing;
pub mod topology;

pub use run::{Config, run};
