//! Where content is made before it gets its name: a folder per process under `tmp/`, locked as long as the process lives, so
//! that the next one to open the store can tell leftovers from work.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::error::{Error, at};

pub(super) struct Temporary {
    folder: PathBuf,
    lock: PathBuf,
    _held: File,
}

impl Temporary {
    pub(super) fn new(store: &Path) -> Result<Self, Error> {
        let all = store.join("tmp");
        // Nobody else sweeps or starts meanwhile.
        super::index::locked(store, |_| {
            sweep(&all)?;
            let lock = tempfile::Builder::new().suffix(".lock").tempfile_in(&all).map_err(at("make a file in", &all))?;
            let (held, lock) = lock.keep().map_err(|error| at("make a file in", &all)(error.error))?;
            rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from).map_err(at("lock", &lock))?;
            let folder = lock.with_extension("");
            fs::create_dir(&folder).map_err(at("make", &folder))?;
            Ok(Self { folder, lock, _held: held })
        })
    }

    pub(super) fn scratch(&self) -> Result<tempfile::TempDir, Error> {
        tempfile::tempdir_in(&self.folder).map_err(at("make a folder in", &self.folder))
    }

    /// Takes a name away at once and deletes what it named.
    pub(super) fn discard(&self, path: &Path) -> Result<(), Error> {
        let scratch = self.scratch()?;
        let target = scratch.path().join("gone");
        fs::rename(path, &target).map_err(at("delete", path))?;
        if target.is_dir() {
            make_writable(&target);
        }
        scratch.close().map_err(at("delete", path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        make_writable(&self.folder);
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(&self.lock);
    }
}

/// Removes the folders of processes that are gone.
fn sweep(all: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(all).map_err(at("list", all))? {
        let path = entry.map_err(at("list", all))?.path();
        if path.extension().is_none() {
            continue;
        }
        let Ok(file) = File::options().write(true).open(&path) else { continue };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let folder = path.with_extension("");
            make_writable(&folder);
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at("delete", &folder)(error)),
                _ => fs::remove_file(&path).map_err(at("delete", &path))?,
            }
        }
    }
    Ok(())
}

/// Without privileges a layer's own modes can forbid to delete it.
fn make_writable(folder: &Path) {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    let _ = fs::set_permissions(folder, mode);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}
