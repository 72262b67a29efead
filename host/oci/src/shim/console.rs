//! A container's terminal: libcontainer sends its controlling end over a socket.

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

pub(super) struct Console {
    listener: UnixListener,
    path: PathBuf,
}

impl Console {
    /// Listens in `bundle`; the name is short, and the directory is entered for it, because a socket's address is.
    pub(super) fn listen(bundle: &Path) -> io::Result<Self> {
        let path = bundle.join("console.sock");
        std::env::set_current_dir(bundle)?;
        let listener = UnixListener::bind("console.sock");
        std::env::set_current_dir("/")?;
        let listener = listener?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The terminal of the container that has been created meanwhile.
    pub(super) fn receive(self) -> io::Result<OwnedFd> {
        let (stream, _) = self.listener.accept()?;
        let mut byte = [0; 64];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        rustix::net::recvmsg(&stream, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(mut descriptors) = message
                && let Some(terminal) = descriptors.next()
            {
                rustix::io::ioctl_fionbio(&terminal, true)?;
                return Ok(terminal);
            }
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no terminal was sent"))
    }
}
