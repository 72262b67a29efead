//! What an API request can fail with.

use object::{Reason, StatusError};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused, in its own words.
    #[error("{0}")]
    Status(Box<StatusError>),
    /// No answer came: the request may or may not have been carried out.
    #[error("{operation} did not reach the API server")]
    Transport { operation: String, source: crate::BoxError },
    /// No answer came in time: the request may or may not have been carried out.
    #[error("{operation} was not answered within {seconds} s")]
    Timeout { operation: String, seconds: u64 },
    /// The answer was not what the request's kind has.
    #[error("the answer to {operation} cannot be read")]
    Decode { operation: String, source: serde_json::Error },
    /// The request could not be written.
    #[error("{operation} cannot be sent")]
    Encode { operation: String, source: crate::BoxError },
    #[error("kubeconfig {path} cannot be used")]
    Kubeconfig { path: String, source: crate::BoxError },
}

impl From<StatusError> for Error {
    fn from(status: StatusError) -> Self {
        Self::Status(Box::new(status))
    }
}

impl Error {
    /// The server's refusal, if it is one.
    pub fn status(&self) -> Option<&StatusError> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }
    /// The refusal's HTTP code; 0 when no answer came.
    pub fn code(&self) -> u16 {
        self.status().map(|s| s.code).unwrap_or_default()
    }
    fn is(&self, reason: Reason) -> bool {
        self.status().is_some_and(|s| s.reason == reason)
    }
    pub fn is_not_found(&self) -> bool {
        self.is(Reason::NotFound)
    }
    pub fn is_conflict(&self) -> bool {
        self.is(Reason::Conflict)
    }
    pub fn is_already_exists(&self) -> bool {
        self.is(Reason::AlreadyExists)
    }
    pub fn is_invalid(&self) -> bool {
        self.is(Reason::Invalid)
    }
    pub fn is_forbidden(&self) -> bool {
        self.is(Reason::Forbidden)
    }
    /// The revision asked for is no longer known: list again.
    pub fn is_expired(&self) -> bool {
        self.is(Reason::Expired) || self.is(Reason::Gone) || self.code() == 410
    }
    /// A namespace that is being deleted takes no new objects.
    pub fn is_namespace_terminating(&self) -> bool {
        self.is_forbidden() && self.status().is_some_and(|s| s.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
    }
    /// The error with its causes, for a log line or an event.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}
