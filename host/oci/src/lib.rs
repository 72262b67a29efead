//! OCI containers: [`Manager`] is the runtime that the node agent speaks to, [`shim`] the process that holds one pod's containers
//! by libcontainer.
//!
//! Invariants:
//! - The agent never forks a container: libcontainer runs in the shim, which has one thread.
//! - A container outlives the agent; its end is written down by the shim before it is told, and when the shim is lost the agent
//!   ends what it held and writes down that the end is not known (exit code 137, reason `Error`).
//! - A container's root, limits and namespaces are the shim's to free; freeing twice is fine.
//! - No other program is run.

mod capability;
mod cgroup;
mod error;
mod executor;
mod manager;
mod record;
mod rootfs;
mod sandbox;
mod seccomp;
pub mod shim;
mod spec;
mod user;

pub use manager::{Config, Manager};
