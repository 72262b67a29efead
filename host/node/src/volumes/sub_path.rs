//! `subPath`: one path inside a volume, which a container must not lead out of it by symlinks
//! (`pkg/volume/util/subpath/subpath_linux.go`).
//!
//! The kernel resolves the path beneath the volume (`openat2` with `RESOLVE_BENEATH`), and where the node may mount, what
//! it found is pinned by a bind mount, so that a later change of the volume cannot redirect it.

use super::mount;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// The place to mount for `sub` of `volume`. `pinned` is where the bind mount goes. A missing folder is made.
pub fn resolve(volume: &Path, sub: &str, pinned: &Path, privileged: bool) -> io::Result<PathBuf> {
    let bad = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("subPath {sub:?} {text}"));
    if Path::new(sub).components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(bad("must be relative, without '..'"));
    }
    let volume_fd = open(volume, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    make_folders(&volume_fd, sub)?;
    let found = beneath(&volume_fd, Path::new(sub), OFlag::O_PATH | OFlag::O_CLOEXEC).map_err(|e| match e {
        nix::errno::Errno::EXDEV | nix::errno::Errno::ELOOP => bad("leads out of its volume"),
        other => other.into(),
    })?;
    let by_fd = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
    let real = std::fs::read_link(&by_fd)?;
    if !privileged {
        return Ok(real);
    }
    mount::unmount(pinned)?;
    if real.is_dir() {
        std::fs::create_dir_all(pinned)?;
    } else {
        if let Some(parent) = pinned.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if !pinned.exists() {
            std::fs::write(pinned, "")?;
        }
    }
    mount::bind(&by_fd, pinned)?;
    Ok(pinned.to_owned())
}

fn beneath(volume: &OwnedFd, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(volume.as_fd(), path, how)
}

/// Makes what is missing of the path, one folder at a time, each opened beneath the volume.
fn make_folders(volume: &OwnedFd, sub: &str) -> io::Result<()> {
    let mut done = PathBuf::new();
    for part in Path::new(sub).components().filter(|c| matches!(c, Component::Normal(_))) {
        let parent = if done.as_os_str().is_empty() { PathBuf::from(".") } else { done.clone() };
        done.push(part);
        match beneath(volume, &done, OFlag::O_PATH | OFlag::O_CLOEXEC) {
            Ok(_) => {}
            Err(nix::errno::Errno::ENOENT) => {
                let parent = beneath(volume, &parent, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)?;
                nix::sys::stat::mkdirat(parent.as_fd(), part.as_os_str(), Mode::from_bits_truncate(0o755))?;
            }
            // Left to the caller's own look-up, which says what is wrong.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_inside_the_volume() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().join("volume");
        std::fs::create_dir_all(volume.join("in")).unwrap();
        std::fs::write(volume.join("in/file"), "x").unwrap();
        std::os::unix::fs::symlink("in", volume.join("inner")).unwrap();
        std::os::unix::fs::symlink("/etc", volume.join("outer")).unwrap();
        std::os::unix::fs::symlink("../..", volume.join("up")).unwrap();
        let pinned = dir.path().join("pinned");
        for (sub, expect) in [
            ("in", Some("in")),
            ("in/file", Some("in/file")),
            ("inner/file", Some("in/file")),
            ("new/deep", Some("new/deep")),
            ("outer", None),
            ("outer/passwd", None),
            ("up", None),
            ("up/new", None),
            ("../x", None),
            ("/etc", None),
        ] {
            let got = resolve(&volume, sub, &pinned, false).ok();
            assert_eq!(got, expect.map(|e| volume.canonicalize().unwrap().join(e)), "{sub}");
        }
        assert!(!dir.path().join("new").exists());
    }
}
