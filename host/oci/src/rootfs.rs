//! A container's root: an overlay of the image's layers with a writable directory of its own, and safe access to files in it
//! before the container runs.

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::{MountFlags, UnmountFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// The directory of one run of a container, the OCI bundle.
#[derive(Clone, Debug)]
pub(crate) struct Bundle(pub(crate) PathBuf);

impl Bundle {
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.0.join("rootfs")
    }

    pub(crate) fn termination_log(&self) -> PathBuf {
        self.0.join("termination-log")
    }

    /// Mounts `layers` (lowest first) under a fresh writable layer.
    pub(crate) fn mount(&self, layers: &[PathBuf]) -> io::Result<()> {
        // The kernel takes at most a page of options: layers are named by short links relative to the bundle.
        let links = self.0.join("l");
        for directory in [&links, &self.0.join("upper"), &self.0.join("work"), &self.rootfs()] {
            fs::create_dir_all(directory)?;
        }
        let mut lower = Vec::new();
        for (index, layer) in layers.iter().rev().enumerate() {
            if !layer.is_dir() {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("layer {} is missing", layer.display())));
            }
            std::os::unix::fs::symlink(layer, links.join(index.to_string()))?;
            lower.push(format!("l/{index}"));
        }
        if lower.is_empty() {
            fs::create_dir_all(links.join("none"))?;
            lower.push("l/none".to_owned());
        }
        let options = format!("lowerdir={},upperdir=upper,workdir=work", lower.join(":"));
        std::env::set_current_dir(&self.0)?;
        // What a container writes to its root ends with it: no reason to sync it to the disk.
        let mounted = overlay(&format!("{options},volatile")).or_else(|_| overlay(&options));
        std::env::set_current_dir("/")?;
        mounted
    }

    /// Unmounts and deletes everything; absent is fine.
    pub(crate) fn remove(&self) -> io::Result<()> {
        unmount(&self.rootfs())?;
        match fs::remove_dir_all(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn overlay(options: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(options)?;
    Ok(rustix::mount::mount("overlay", "rootfs", "overlay", MountFlags::empty(), options.as_c_str())?)
}

/// Takes all mounts at `target` away; none there is fine.
pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    loop {
        match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// A root file system seen from outside: symbolic links in it never lead out of it.
pub(crate) struct Root(OwnedFd);

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?)
    }

    /// The text of a file of at most 1 MiB; empty when there is none.
    pub(crate) fn read(&self, path: &str) -> io::Result<String> {
        let file = match self.resolve(Path::new(path), OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(file) => File::from(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(e) => return Err(e),
        };
        let mut bytes = Vec::new();
        file.take(1 << 20).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Makes a directory and its parents, mode 0755, where they do not exist.
    pub(crate) fn make_directory(&self, path: &Path) -> io::Result<()> {
        let mut reached = PathBuf::new();
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            let parent = self.resolve(&reached, OFlags::PATH | OFlags::DIRECTORY)?;
            reached.push(name);
            match self.resolve(&reached, OFlags::PATH) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    rustix::fs::mkdirat(parent.as_fd(), name, Mode::from_raw_mode(0o755))?;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
