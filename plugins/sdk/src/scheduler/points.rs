//! The extension points beside `filter` and `score`. Each is a trait; one type may be several of them.

mod binding;
mod cycle;
mod queue;

pub use binding::*;
pub use cycle::*;
pub use queue::*;
