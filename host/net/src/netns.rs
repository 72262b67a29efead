//! Network namespaces pinned to files, and work inside them. A namespace belongs to a thread: everything here runs on a
//! thread that ends afterwards, so no other work can land in the wrong namespace.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;
use std::path::Path;

/// Makes a namespace and pins it to `path`. An existing pin is kept.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    if is_pinned(path) {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    File::create(path)?;
    on_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        mount(Some("/proc/thread-self/ns/net"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Ok(())
    })
}

/// Unpins; the namespace ends with its last process.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    while is_pinned(path) {
        umount2(path, MntFlags::MNT_DETACH)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a namespace is pinned to the file.
pub(crate) fn is_pinned(path: &Path) -> bool {
    /// `NSFS_MAGIC` of `linux/magic.h`.
    const NSFS: i64 = 0x6e73_6673;
    nix::sys::statfs::statfs(path).is_ok_and(|s| s.filesystem_type().0 == NSFS)
}

/// Runs async work on a thread inside the namespace. Sockets made there stay there.
pub(crate) fn run<T, F>(path: &Path, work: F) -> io::Result<T>
where
    T: Send,
    F: AsyncFnOnce() -> io::Result<T> + Send,
{
    let namespace = File::open(path)?;
    on_thread(move || {
        setns(&namespace, CloneFlags::CLONE_NEWNET)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work())
    })
}

fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let handle = std::thread::Builder::new().name("netns".into()).spawn_scoped(scope, work)?;
        handle.join().unwrap_or_else(|_| Err(io::Error::other("the namespace thread panicked")))
    })
}
