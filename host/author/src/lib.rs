//! What the author of a plugin needs, apart from a cluster: the contract, a project to begin with, and the way from source to
//! component in each language. `coracle plugin` and `cargo xtask guests` build by the same recipes.
//!
//! - [`contract`]: the WIT of this version, embedded; which worlds there are. [`reference`]: its prose as a page.
//! - [`project`]: `plugin.toml`; [`template`]: a new project, written from embedded files.
//! - [`recipe`]: source to component; [`tools`]: the programs that this takes, and where to get them.
//! - [`component`]: a component as a file: encoded from a core module, and described.
//!
//! Invariants: nothing here runs a component or knows an engine. A program is run only by [`tools`], which names it when it is
//! missing, with the package that has it.

pub mod component;
pub mod contract;
mod error;
pub mod project;
pub mod recipe;
pub mod reference;
pub mod template;
pub mod tools;

pub use error::Error;
pub use project::{Language, Project};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}
