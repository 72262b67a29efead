//! The cluster harness: a real `coracle server` in namespaces of its own, driven by the real kubectl.
//!
//! Invariants:
//! - A cluster lives in its own network, mount, PID, UTS and IPC namespaces, without a route out. Whatever the test process
//!   dies of, the kernel ends every process of the cluster with it, and its mounts.
//! - A wait is for a condition, with a deadline, and a failed wait tells what was seen last.
//! - A test has a Kubernetes namespace of its own ([`Space`]); tests that stop or harm the server have a cluster of their own.
//!
//! What it needs is found by [`paths`]: `cargo xtask setup` and `cargo xtask guests` make it.

mod archives;
mod cluster;
mod http;
mod kubectl;
pub mod paths;
mod program;
mod sandbox;
mod space;
mod typed;
mod wait;

pub use archives::{archive, busybox};
pub use cluster::{Cluster, NODE, Options, condition};
pub use kubectl::{Kubectl, Said};
pub use program::Program;
pub use sandbox::Sandbox;
pub use space::Space;
pub use wait::{PATIENCE, eventually};
