//! What went wrong, read from a gRPC status (`etcd/api/v3rpc/rpctypes/error.go`).

use std::error::Error as StdError;
use std::io;

use store::Error;
use tonic::{Code, Status};

/// Every member was asked in vain, or the call came too late.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

/// What etcd says of a call, as far as the store decides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Compacted,
    Future,
    /// The member did not begin with it: another may be asked, whatever the call does.
    NotBegun,
    /// The member or the way to it failed meanwhile: another may be asked what changes nothing.
    Interrupted,
    NoSpace,
    TooLarge,
    /// etcd refuses it, now and again.
    Refused,
}

pub fn meaning(status: &Status) -> Meaning {
    let message = status.message();
    let says = |part: &str| message.contains(part);
    match status.code() {
        Code::OutOfRange if says("compacted") => Meaning::Compacted,
        Code::OutOfRange if says("future revision") => Meaning::Future,
        Code::ResourceExhausted if says("database space exceeded") => Meaning::NoSpace,
        Code::ResourceExhausted if says("too many requests") => Meaning::NotBegun,
        Code::ResourceExhausted if says("larger than max") => Meaning::TooLarge,
        Code::InvalidArgument if says("request is too large") => Meaning::TooLarge,
        // `ErrGRPCNoLeader`: the interceptor of calls that require a leader says it before the call begins.
        Code::Unavailable if says("no leader") => Meaning::NotBegun,
        Code::Unavailable if is_connect(status) => Meaning::NotBegun,
        // Timeouts, a lost leader, a stopped member, a broken connection (hyper's errors come as `Unknown` or `Internal`).
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Internal | Code::Aborted => {
            Meaning::Interrupted
        }
        _ => Meaning::Refused,
    }
}

/// Whether no connection was there to send on.
fn is_connect(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// The status and everything behind it, in one line.
pub fn told(status: &Status) -> String {
    let mut told = format!("{:?}: {}", status.code(), status.message());
    let mut source = status.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !told.contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        source = error.source();
    }
    told
}

pub fn cause(text: impl Into<String>) -> Box<dyn StdError + Send + Sync> {
    Box::new(Cause(text.into()))
}

/// The store's error for a call that changes nothing, or that etcd certainly did not carry out.
pub fn read_error(operation: &'static str, status: &Status) -> Error {
    let source = || cause(told(status));
    match meaning(status) {
        Meaning::NoSpace => Error::Full(io::Error::new(io::ErrorKind::StorageFull, told(status))),
        Meaning::TooLarge => Error::TooLarge { operation, source: source() },
        Meaning::NotBegun | Meaning::Interrupted => Error::Unavailable { operation, source: source() },
        Meaning::Compacted | Meaning::Future | Meaning::Refused => Error::Engine { operation, source: source() },
    }
}

/// The store's error for a write.
pub fn write_error(operation: &'static str, status: &Status) -> Error {
    match meaning(status) {
        Meaning::Interrupted => Error::Undecided { operation, source: cause(told(status)) },
        _ => read_error(operation, status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_their_meaning() {
        for (code, message, expect) in [
            (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", Meaning::Compacted),
            (Code::OutOfRange, "etcdserver: mvcc: required revision is a future revision", Meaning::Future),
            (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", Meaning::NoSpace),
            (Code::ResourceExhausted, "etcdserver: too many requests", Meaning::NotBegun),
            (Code::ResourceExhausted, "grpc: received message larger than max (3 vs. 2)", Meaning::TooLarge),
            (Code::InvalidArgument, "etcdserver: request is too large", Meaning::TooLarge),
            (Code::InvalidArgument, "etcdserver: too many operations in txn request", Meaning::Refused),
            (Code::Unavailable, "etcdserver: no leader", Meaning::NotBegun),
            (Code::Unavailable, "etcdserver: request timed out", Meaning::Interrupted),
            (Code::Unavailable, "etcdserver: leader changed", Meaning::Interrupted),
            (Code::Unavailable, "etcdserver: server stopped", Meaning::Interrupted),
            (Code::PermissionDenied, "etcdserver: permission denied", Meaning::Refused),
        ] {
            assert_eq!(meaning(&Status::new(code, message)), expect, "{message}");
        }
    }

    #[test]
    fn a_write_that_was_interrupted_is_undecided() {
        let status = Status::unavailable("etcdserver: request timed out");
        assert!(matches!(write_error("write", &status), Error::Undecided { .. }));
        assert!(matches!(read_error("read", &status), Error::Unavailable { .. }));
        assert!(matches!(write_error("write", &Status::unavailable("etcdserver: no leader")), Error::Unavailable { .. }));
    }
}
