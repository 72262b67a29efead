//! The node's network: pod links and their addresses, Services as one nftables ruleset, and the cluster's DNS.
//!
//! Invariants
//! - A pod's address is a /32 whose only route is the node: packets between pods pass the node's routing, so that the
//!   reply of a Service's backend is translated back without bridge filtering.
//! - Nothing to a Service address leaves the node untranslated: what no rule took is refused.
//! - Links are idempotent by pod UID and recorded on disk before the kernel is asked, so a crash leaks no address.

#![allow(unsafe_code, reason = "entering a namespace is a system call on a thread of our own; see netns.rs")]

mod addresses;
pub mod bare;
mod cidr;
pub mod dns;
mod link;
mod middleware;
mod netns;
mod network;
mod pool;
pub mod services;
#[cfg(test)]
mod tests;

pub use cidr::Cidr;
pub use network::{Config, Network};
