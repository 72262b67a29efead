//! Errors in the words that the kubelet's users know.

use interfaces::workload::Error;
use std::io;

/// An errno as C and Go word it (`no such file or directory`), without Rust's `(os error 2)`.
pub(crate) fn os(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if error.raw_os_error().is_some() => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// An error with everything below it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

/// `operation: path: cause`, as a container that cannot be made.
pub(crate) fn create(operation: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Create { message: format!("{operation}: {}", os(&error)) }
}

pub(crate) fn runtime(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Runtime { operation: operation.into(), cause: os(&error) }
}
