//! Verbs that read: GET and LIST. Watches are in `watch`, writes in `write`.

mod get;
mod list;

pub use get::get;
pub use list::{list, matching};
