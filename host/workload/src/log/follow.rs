//! Waits for a log to grow: inotify on its directory, so that rotation (a rename and a new file) is seen as well.

use std::io;
use std::path::Path;
use tokio::net::unix::pipe::Receiver;

/// Tells of changes of a file and of those beside it.
pub struct Watch {
    /// An inotify descriptor is read as a pipe is.
    inotify: Receiver,
}

impl Watch {
    /// Watches the directory of `log`, which must exist.
    pub fn new(log: &Path) -> io::Result<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let directory = log.parent().unwrap_or(Path::new("."));
        add_watch(&inotify, directory, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE)?;
        Ok(Self { inotify: Receiver::from_owned_fd_unchecked(inotify)? })
    }

    /// Returns when something in the directory has changed since the last call.
    pub async fn changed(&self) -> io::Result<()> {
        self.inotify.readable().await?;
        // What changed does not matter: the reader looks at the file.
        let mut events = [0_u8; 4096];
        loop {
            match self.inotify.try_read(&mut events) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }
}
