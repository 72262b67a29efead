//! The process side of [`interfaces::workload`]: what a process that holds containers (a shim per OCI pod, the wasm host of
//! a node) and the agent that talks to it both need.
//!
//! - [`wire`]: the messages on the unix socket, [`server`] and [`remote`] its two ends.
//! - [`events`]: state changes to all who listen.
//! - [`log`]: container logs in the CRI format, written by the holder and read by the agent.
//! - [`netns`]: work inside another network namespace.
//!
//! Invariants: a call that reached the holder runs to its end even when the agent dies meanwhile (all calls are idempotent by
//! container id), and no byte a container wrote waits for the agent.

pub mod events;
pub mod log;
pub mod netns;
pub mod remote;
pub mod server;
mod socket;
pub mod wire;
