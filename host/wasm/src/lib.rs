//! All WebAssembly of Coracle: one engine, one type of store data, a linker per world.
//!
//! - [`engine`]: the engine and every limit; [`load`]: files to components, compiled code on disk; [`meter`]: CPU and memory.
//! - [`capabilities`]: what a guest can be given, one row each; [`network`], [`dns`]: a pod's network as a guest sees it.
//! - [`keyvalue`]: buckets of workloads.
//! - [`host`]: the process that runs wasm containers; [`manager`]: the agent's side of it.
//! - [`plugins`]: plugins loaded from `wasmplugins.coracle.dev`.
//!
//! Invariants: a guest gets exactly what it was granted, and is refused at load by the names of what it was not. Every guest
//! yields at each epoch and each host call, so that it can be ended there: no call to a guest is without a limit of time or a
//! way to cancel it.

pub mod capabilities;
pub mod ctx;
pub mod dns;
pub mod engine;
pub mod host;
pub mod keyvalue;
pub mod load;
pub mod manager;
pub mod meter;
pub mod network;
pub mod plugins;

pub use manager::Manager;
