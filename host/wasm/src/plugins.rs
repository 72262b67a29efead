//! Plugins: components that extend the cluster, by the contract in `wit/`. They are objects of `wasmplugins.coracle.dev`;
//! [`loader`] keeps the set of loaded ones equal to the set of objects, and [`scheduler`] makes each a row of the scheduler.
//!
//! A plugin has no network, no files and no environment. It imports what its world names, and what `spec.grants` adds.

mod bindings;
pub mod controllers;
mod guest;
pub mod loader;
mod mirror;
mod pool;
pub mod scheduler;
mod settings;

pub use guest::Guest;
pub(crate) use guest::{link_config, link_log, link_types, link_whole_pod};
pub use loader::{Config, Fetch, run};
pub use pool::Counters;
pub use scheduler::Plugin;
pub use settings::Settings;
