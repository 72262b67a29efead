//! Plugins: components that extend the cluster, by the contract in `wit/`. They are objects of `wasmplugins.coracle.dev`.
//!
//! Reading order: [`settings`] (what an object says) → [`prepare`] (from an object to something that can be called) → [`worlds`] (what
//! it is to the server) → [`pool`] (instances and their limits) → [`platform`] (what it may ask) → [`loader`] (keeps all that
//! equal to the objects) → [`status`].
//!
//! A plugin has no network, no files and no environment. It imports what every plugin may, what its world names, and what
//! `spec.grants` adds.

mod bindings;
pub mod controllers;
pub mod counters;
mod guest;
pub mod loader;
pub mod platform;
pub mod pool;
pub mod prepare;
pub mod settings;
mod status;
pub mod worlds;

pub use guest::Guest;
pub(crate) use guest::{link_admission_types, link_cloud_types, link_config, link_http_types, link_log, link_types, link_whole_pod};
pub use loader::{Outputs, Peers, run};
pub(crate) use platform::{link_api, link_metrics, link_secrets, link_state};
pub use prepare::{Config, Fetch, FetchError, Fetched, Wanted};
pub use settings::Settings;
pub(crate) use worlds::controller::owner::link as link_owner;
pub(crate) use worlds::scheduler::imports::{link_running_pods, link_waiting_pods};
