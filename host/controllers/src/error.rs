//! Why a key could not be reconciled; it comes again after its back-off.

/// A failed reconcile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Client(#[from] client::Error),
    /// Another object has the name that the new one would get; another hash is tried next.
    #[error("replica set {namespace}/{name} exists and is of another template")]
    HashCollision { namespace: String, name: String },
    /// Objects remain in a namespace that is being deleted.
    #[error("namespace {name}: {what}")]
    NamespaceContent { name: String, what: String },
    /// The cloud does not do as asked.
    #[error(transparent)]
    Cloud(#[from] crate::cloud::Failure),
}

impl Error {
    /// A stale read, to be expected now and then: no reason for a warning.
    pub(crate) fn is_expected(&self) -> bool {
        match self {
            Self::Client(e) => e.is_conflict() || e.is_not_found() || e.is_namespace_terminating(),
            Self::HashCollision { .. } => true,
            Self::NamespaceContent { .. } | Self::Cloud(_) => false,
        }
    }
}
