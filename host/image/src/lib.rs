//! Images: pulled from registries, imported from archives, kept unpacked on disk, shared by wasm and OCI workloads.
//!
//! Invariants:
//! - Content is named by its digest and checked against it before it gets its name. A file or folder has its final name only
//!   when it is whole and on disk: `kill -9` at any moment leaves leftovers in `tmp/`, never a half image.
//! - [`Store`] is safe to use from several processes at once (`coracle image import` beside a running server): the index is
//!   changed under a lock, by replacing it.
//! - Names and contents of layers are not trusted: nothing outside of a layer's own folder is ever touched.
//!
//! Where is it: `store` keeps, `registry` pulls, `verify` checks signatures, `archive` imports, `unpack` makes layer folders, `merged` reads through them,
//! `flatten` copies them to one tree, `build` and `push` make images for tests and set-up.

mod archive;
pub mod auth;
pub mod build;
mod digest;
mod error;
mod flatten;
mod merged;
mod model;
mod push;
mod registry;
mod store;
mod unpack;
pub mod verify;

pub use auth::Credential;
pub use error::Error;
pub use flatten::flatten;
pub use model::{Config, Image, Kind, Platform};
pub use oci_client::Reference;
pub use push::{attach_signature, push};
pub use registry::{Progress, PullOptions};
pub use store::Store;
pub use verify::{Verified, Verifier};

/// The digest of `bytes` as registries and statuses write it: `sha256:<hex>`.
pub fn digest_of(bytes: &[u8]) -> String {
    digest::Digest::of(bytes).to_string()
}

/// A name as users write it (`busybox`, `host:5000/app:v1`, `app@sha256:…`) in full form: registry, repository and tag or digest.
pub fn reference(name: &str) -> Result<Reference, Error> {
    name.parse().map_err(|error: oci_client::ParseError| Error::InvalidReference { name: name.to_owned(), reason: error.to_string() })
}
