//! What can go wrong, in the words that `kubectl describe` shows behind `Failed to pull image`: containerd's, where it has some.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't parse image name \"{name}\": invalid reference format: {reason}")]
    InvalidReference { name: String, reason: String },
    #[error("failed to resolve reference \"{reference}\": {reference}: not found")]
    NotFound { reference: String },
    #[error(
        "failed to resolve reference \"{reference}\": pull access denied, repository does not exist or may require authorization: \
         unauthorized: {reason}"
    )]
    Unauthorized { reference: String, reason: String },
    #[error("no match for platform {platform} in manifest of \"{reference}\": not found")]
    NoPlatform { reference: String, platform: String },
    #[error("failed to {operation} \"{reference}\": {reason}")]
    Registry { operation: &'static str, reference: String, reason: String },
    #[error("{what} has digest {actual}, expected {expected}")]
    Digest { what: String, expected: String, actual: String },
    /// Content that is not what it says it is.
    #[error("{what}: {reason}")]
    Invalid { what: String, reason: String },
    #[error("a public key cannot be used: {reason}")]
    Key { reason: String },
    #[error("no signature of {digest} found for \"{reference}\"")]
    Unsigned { reference: String, digest: String },
    #[error("none of the {found} signatures of {digest} for \"{reference}\" is good: {reason}")]
    Untrusted { reference: String, digest: String, found: usize, reason: String },
    #[error("no space left for images at {path}", path = path.display())]
    Full { path: PathBuf, source: io::Error },
    #[error("{operation} {path}: {source}", path = path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("the image store at {path} has format {found}; this program reads format {expected}", path = path.display())]
    Format { path: PathBuf, found: u64, expected: u64 },
    #[error("image \"{image}\" has no WebAssembly component: {reason}")]
    NoComponent { image: String, reason: String },
}

impl Error {
    pub(crate) fn invalid(what: impl Into<String>, reason: impl ToString) -> Self {
        Error::Invalid { what: what.into(), reason: reason.to_string() }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound { .. })
    }

    /// The image was found, and must not be used.
    pub fn is_untrusted(&self) -> bool {
        matches!(self, Error::Unsigned { .. } | Error::Untrusted { .. })
    }

    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Error::Unauthorized { .. })
    }
}

/// Names operation and path of an I/O error; a full disk is its own error.
pub(crate) fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full { path, source },
        _ => Error::Io { operation, path, source },
    }
}
