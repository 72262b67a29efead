//! Integration tests. One binary; a file per subject.

mod deny;
mod kubectl;
mod tidy;
