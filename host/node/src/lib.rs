//! The node agent: what the kubelet does, for pods of wasm and OCI containers alike.
//!
//! Reading order: [`run`] → [`registration`] and [`lease`] (the node's own object and heartbeat, apart from pod work) →
//! [`manager`] (a task per pod) → [`pod`] (state machine, operations, status) → [`volumes`], [`adapters`], [`probes`], [`serve`].
//!
//! Invariants
//! - The API is reached through the client only; the node is a user like any other.
//! - The agent does not know how a container is run: [`interfaces::workload::Runtime`] does. Each container's runtime
//!   follows from its image, so that wasm and OCI containers share a pod.
//! - Containers outlive the agent: it ends without stopping any, and a new one adopts what it finds by pod UID.
//! - A failure of the node (network, disk, runtime) is retried and told by events; it never makes a pod Failed.
//! - One task owns all that is known of a pod, and only it writes the pod's status.

mod adapters;
mod agent;
mod backoff;
mod config;
mod dns;
mod env;
mod etc;
mod expand;
mod fields;
mod hooks;
mod images;
mod lease;
mod machine;
mod manager;
mod pod;
mod probes;
mod registration;
mod resources;
mod run;
mod security;
mod serve;
#[cfg(test)]
mod testing;
mod tokens;
mod volumes;

pub use config::{Config, Taint};
pub use run::{Error, run};
