//! What went wrong below, in a form that can be told to every transaction of a group.

use std::io;

use crate::Error;

#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no space left on device")]
    Full,
    #[error("the state file is damaged: a {0} is too short")]
    Corrupt(&'static str),
    /// The database was closed under us, or refuses to go on after an I/O error: it must be opened again.
    #[error("{0}")]
    Reopen(String),
    #[error("{0}")]
    Database(String),
}

impl Failure {
    pub(super) fn into_error(self, operation: &'static str) -> Error {
        match self {
            Failure::Full => Error::Full(io::Error::from(io::ErrorKind::StorageFull)),
            other => Error::Engine { operation, source: Box::new(other) },
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::Full,
            _ => Failure::Database(error.to_string()),
        }
    }
}

/// Any error of redb.
pub(super) fn failed(error: impl Into<::redb::Error>) -> Failure {
    match error.into() {
        ::redb::Error::Io(error) => Failure::from(error),
        error @ (::redb::Error::PreviousIo | ::redb::Error::DatabaseClosed) => Failure::Reopen(error.to_string()),
        error => Failure::Database(error.to_string()),
    }
}
