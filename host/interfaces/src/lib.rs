//! The traits where parts meet, one per file. No logic and no I/O: siblings know nothing of each other, and only
//! `cli/wire.rs` knows both sides. What a wasm guest can implement is mirrored one to one by `wit/`.

pub mod adapt;
pub mod admit;
pub mod authorize;
pub mod cloud;
pub mod middleware;
pub mod network;
pub mod reconcile;
pub mod schedule;
pub mod workload;
