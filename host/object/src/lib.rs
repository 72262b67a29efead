//! The JSON object model of Kubernetes, without I/O.
//!
//! Everything on the API road is an [`Object`]: a JSON tree whose meaning is given by a [`schema::Graph`]. Typed structs
//! are views taken where a decision is made (crate `typed`), never what is stored. Nothing here knows a kind by name.
//!
//! Invariants
//! - Map keys are sorted (`serde_json` without `preserve_order`), so equal objects have equal bytes.
//! - Unknown fields survive every operation that does not name them.

pub mod decode;
pub mod defaults;
pub mod field;
#[cfg(test)]
mod fixture;
pub mod gvk;
pub mod hash;
pub mod names;
pub mod patch;
pub mod protobuf;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod status;
pub mod time;
mod tree;

pub use gvk::{GroupKind, GroupResource, Gvk, Gvr};
pub use serde_json::{Map, Value, json};
pub use status::{Reason, StatusCause, StatusError};
pub use tree::{Object, ObjectRef, OwnerRef};
