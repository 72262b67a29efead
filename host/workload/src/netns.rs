//! Work inside another network namespace. A socket stays in the namespace it was made in, so it is enough to make it there.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Calls `f` with the calling thread inside `netns`. `f` is synchronous: the thread belongs to the namespace until it returns.
///
/// # Errors
/// The namespace cannot be entered (`f` is not called): it needs `CAP_SYS_ADMIN`.
pub fn inside<T>(netns: BorrowedFd<'_>, f: impl FnOnce() -> T) -> io::Result<T> {
    let own = File::open("/proc/thread-self/ns/net")?;
    move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))?;
    let _back = Back(own);
    Ok(f())
}

/// [`inside`] by the path of a pinned namespace; `None` is the namespace the thread is in.
pub fn inside_path<T>(netns: Option<&Path>, f: impl FnOnce() -> T) -> io::Result<T> {
    match netns {
        Some(path) => inside(File::open(path)?.as_fd(), f),
        None => Ok(f()),
    }
}

struct Back(File);

impl Drop for Back {
    fn drop(&mut self) {
        if let Err(error) = move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)) {
            // Going on would run other pods' work in this pod's network.
            tracing::error!(%error, "cannot return from a network namespace");
            std::process::abort();
        }
    }
}
