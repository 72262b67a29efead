//! API access for every other part: the scheduler, controllers, node agent, network and plugins reach the cluster's state
//! by this crate alone, whether the API server is in the same process or behind HTTPS.
//!
//! Reading order: [`Client`] (identity and transport) → [`Api`] (one request each) → [`Cache`] (one list and watch per kind
//! and process) → [`WorkQueue`], [`Recorder`], [`LeaderElector`].
//!
//! Invariants
//! - Only API requests leave this crate; it never sees the store. In process, the transport is the server's own road.
//! - One cache per kind and process: clients of other identities made by [`Client::with_user`] share it.
//! - A cache never goes back in time, and a subscriber sees each object's changes in order and none twice.
//! - Nothing here blocks a thread, and no lock is held over an await.

mod api;
mod cache;
mod connect;
mod error;
pub mod gvr;
mod leader;
pub mod metrics;
pub mod percent;
mod queue;
mod recorder;
#[cfg(test)]
mod testing;
mod transport;

pub use api::{Api, DeleteOptions, ListOptions, ListPage, Patch};
pub use cache::{Cache, Change, ChangeKind, Receiver, Sink};
pub use connect::Client;
pub use error::{Error, Result};
pub use interfaces::authorize::UserInfo;
pub use kube;
pub use leader::{LeaderElector, LeaseSettings};
pub use queue::WorkQueue;
pub use recorder::{Recorder, Type};
pub use transport::{BoxError, ResponseBody, Router};
