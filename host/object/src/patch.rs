//! The ways to change an object in part.
//!
//! [`json`], [`merge`] and [`strategic`] turn a tree into another; they change nothing when they fail. [`apply`] also
//! keeps the book of who owns which field. None of them decodes: the caller prunes and validates the outcome.

pub mod apply;
pub mod json;
pub mod merge;
pub mod strategic;

/// A patch that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is not of its format: 400.
    #[error("{0}")]
    Malformed(String),
    /// The patch is well-formed but does not fit this object: 422.
    #[error("{0}")]
    DoesNotApply(String),
    /// Carrying it out would take too much: 413.
    #[error("{0}")]
    TooLarge(String),
}
