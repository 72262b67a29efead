//! The API server: the only part that writes to the store, and the one road that every request takes.
//!
//! `serve` (TLS, identities) → `chain` (one function, in order) → `request` (what the path means) → `auth` →
//! `verbs` (get, list) | `watch` | `write` (decode, default, admit, prepare, validate, own, commit) | `subresource` |
//! `nonresource` (health, discovery, OpenAPI).
//!
//! Invariants
//! - Kinds are data: nothing here is written per kind but the rows of `strategy/table.rs`, `admission/table.rs` and
//!   `subresource/table.rs`.
//! - Every resourceVersion is the store's revision.
//! - Reads come from the watch cache, which is never staler than the client may see (`cache`).
//! - An object's JSON is made once per write (`stored`) and shared by every reader and watcher.

// A `StatusError` is the answer to a request: made once, at the end of its road, and never in a loop.
#![allow(clippy::result_large_err)]

mod admission;
mod auth;
mod bootstrap;
mod cache;
mod call;
mod chain;
pub mod config;
mod convert;
mod crd;
mod gzip;
mod metrics;
mod negotiate;
mod nonresource;
mod openapi;
mod options;
mod peers;
mod pieces;
pub mod pki;
mod protobuf;
mod query;
mod request;
mod respond;
mod selection;
mod serve;
mod server;
mod stored;
mod strategy;
mod subresource;
mod transform;
mod verbs;
mod virtual_kind;
mod watch;
mod write;
mod yaml;

pub use auth::Tokens;
pub use config::Config;
pub use server::{ApiServer, ApiService, Error};

#[cfg(test)]
mod tests;
