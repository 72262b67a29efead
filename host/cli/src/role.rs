//! What the binary can be.

pub mod image;
pub mod plugin;
pub mod server;
pub mod wasm_host;
