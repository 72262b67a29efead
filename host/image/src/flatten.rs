//! All layers copied into one folder: for those who may not mount an overlay.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode};

use crate::error::{Error, at};
use crate::merged::{is_opaque, is_whiteout};
use crate::model::{Image, Kind};
use crate::unpack::copy_attributes;

/// Copies the image's file system into an empty folder. Data is shared with the layers where the file system can (reflink).
pub fn flatten(image: &Image, target: &Path) -> Result<(), Error> {
    let Kind::Oci { layers } = &image.kind else {
        return Err(Error::invalid(image.name(), "a wasm artifact has no file system"));
    };
    for layer in layers {
        let mut copy = Copy { links: HashMap::new() };
        copy.folder(layer, target).map_err(at("copy the image's files to", target))?;
    }
    Ok(())
}

/// One layer on its way; hard links stay hard links within it.
struct Copy {
    links: HashMap<(u64, u64), PathBuf>,
}

impl Copy {
    fn folder(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if is_opaque(from) {
            for entry in fs::read_dir(to)? {
                remove(&entry?.path())?;
            }
        }
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            let metadata = fs::symlink_metadata(&from)?;
            let old = fs::symlink_metadata(&to).ok();
            if metadata.is_dir() {
                if !old.as_ref().is_some_and(Metadata::is_dir) {
                    remove(&to)?;
                    fs::create_dir(&to)?;
                }
                self.folder(&from, &to)?;
                continue;
            }
            remove(&to)?;
            if !is_whiteout(&metadata) {
                self.file(&from, &metadata, &to)?;
            }
        }
        copy_attributes(from, &fs::symlink_metadata(from)?, to)
    }

    fn file(&mut self, from: &Path, metadata: &Metadata, to: &Path) -> io::Result<()> {
        let inode = (metadata.dev(), metadata.ino());
        if metadata.nlink() > 1
            && let Some(first) = self.links.get(&inode)
        {
            return Ok(rustix::fs::linkat(CWD, first, CWD, to, AtFlags::empty())?);
        }
        if metadata.is_file() {
            fs::copy(from, to)?;
        } else if metadata.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(from)?, to)?;
        } else {
            let kind = FileType::from_raw_mode(metadata.mode());
            rustix::fs::mknodat(CWD, to, kind, Mode::from_raw_mode(0o600), metadata.rdev())?;
        }
        if metadata.nlink() > 1 {
            self.links.insert(inode, to.to_path_buf());
        }
        copy_attributes(from, metadata, to)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
