//! The workload host: one process per node that runs all its wasm containers. It outlives a restart of the agent, which finds
//! the states of all containers here.
//!
//! What a container is:
//! - `wasi:cli/run`: a command. Exit code 0 for ok, 1 for error, or what `wasi:cli/exit` says; 134 after a trap, 137
//!   (`OOMKilled`) beyond the memory limit. Wasm has no signals: when asked to stop it ends at once, as a process does that has
//!   no handler for SIGTERM, with 143; with a grace period of 0 with 137.
//! - `wasi:http/incoming-handler`: served on the first declared TCP port (8080 without any), a fresh instance for each request.
//!   When asked to stop it takes no more connections, finishes the requests in flight and ends with 0, or with 137 when the
//!   grace period is over. A trap is a 500 and a line in the log; other requests do not notice.
//! - A component that exports both is a service: a service built as a Rust program has an empty `run` besides.

mod authorities;
mod command;
mod outcome;
mod prepare;
mod process;
mod run;
mod runtime;
mod service;
mod surroundings;

pub(crate) use outcome::describe;
pub use process::{Config, READY, raise_limits, serve, socket_path};
pub use runtime::WasmRuntime;
