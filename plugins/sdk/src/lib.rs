//! Write Coracle plugins in Rust: a trait to implement and a macro that exports it, for every world.
//!
//! ```no_run
//! use coracle_plugin::scheduler::{Filter, Node, Pod, Verdict};
//!
//! /// Refuses nodes whose name does not begin as the pod asks for.
//! struct NamePrefix(String);
//!
//! impl Filter for NamePrefix {
//!     fn of(pod: &Pod) -> Result<Option<Self>, String> {
//!         Ok(pod.annotation("example.org/node-prefix").map(|prefix| Self(prefix.to_owned())))
//!     }
//!
//!     fn judge(&self, node: &Node) -> Verdict {
//!         if node.name.starts_with(&self.0) {
//!             return Verdict::Pass;
//!         }
//!         Verdict::never(format!("node(s) are not named {}*", self.0))
//!     }
//! }
//!
//! coracle_plugin::scheduler!(filter: NamePrefix);
//! # fn main() {}
//! ```
//!
//! - [`scheduler`]: filters and scores over a mirror of the nodes that is kept here, and all other extension points.
//! - [`admission`], [`controller`], [`mod@cloud`], [`adapter`], [`middleware`]: the other worlds.
//! - [`api`], [`config`], [`state`], [`metrics`], [`secrets`], [`mod@log`]: what the host offers to each of them.
//!
//! What a component does not use it does not import: a crate that only filters is some 30 KB and needs no grant.
//! The contract in full is in `wit/`.

pub mod adapter;
pub mod admission;
pub mod api;
pub mod bindings;
pub mod cloud;
pub mod config;
pub mod controller;
pub mod log;
pub mod metrics;
pub mod middleware;
pub mod scheduler;
pub mod state;

/// The exports of one interface: its functions, and the name of its module.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($module:ident, $($function:item),+ $(,)?) => {
        impl $crate::bindings::$module::exports::coracle::plugin::$module::Guest for CoraclePlugin {
            $($function)+
        }
        $crate::bindings::$module::export!(CoraclePlugin with_types_in $crate::bindings::$module);
    };
}

#[cfg(feature = "json")]
pub use serde_json;

/// The value of a secret that `spec.grants.secrets` names.
pub mod secrets {
    /// # Errors
    /// It was not granted, or is not there.
    pub fn get(name: &str) -> Result<Vec<u8>, String> {
        crate::bindings::platform::secrets::get(name)
    }
}
