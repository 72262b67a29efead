//! A layer archive made into a folder that overlayfs takes as a lower layer.
//!
//! Source: OCI image-spec layer.md. Whiteout files become character devices 0/0 and opaque marks become the attribute
//! `trusted.overlay.opaque` (Documentation/filesystems/overlayfs.rst).
//!
//! Nothing outside of the folder is touched: every folder on the way to an entry is looked at without following links, links
//! are followed by hand and clamped to the root, and nobody else writes to the folder meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use tar::{Archive, Entry, EntryType};

use crate::merged::{OPAQUE, View, Walk, is_whiteout};

/// Bytes per read and write: some tens of system calls per MiB.
const BUFFER: usize = 128 << 10;

/// Undoes gzip and zstd, told by their first bytes, as media types of layers are often wrong.
pub(crate) fn decompress<'a>(archive: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut archive = BufReader::with_capacity(BUFFER, archive);
    let start = archive.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(archive)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(archive)?),
        _ => Box::new(archive),
    })
}

/// Unpacks a plain tar into an empty folder. `lowers` are the layers below it, the lowest first: folders that the archive
/// leaves out look as they do there.
pub(crate) fn unpack(archive: &mut dyn Read, lowers: &[PathBuf], root: &Path) -> io::Result<()> {
    let mut unpacker = Unpacker {
        root: root.to_path_buf(),
        lowers: View { layers: lowers },
        privileged: rustix::process::geteuid().is_root(),
        folders: BTreeMap::new(),
        known: HashSet::new(),
        whiteouts: HashSet::new(),
    };
    let mut archive = Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path_bytes().into_owned();
        unpacker.entry(&mut entry).map_err(|error| {
            let name = String::from_utf8_lossy(&path).into_owned();
            io::Error::new(error.kind(), format!("{name}: {error}"))
        })?;
    }
    unpacker.finish()
}

struct Unpacker<'a> {
    root: PathBuf,
    lowers: View<'a>,
    privileged: bool,
    /// Set at the end, the deepest first: children change times, and modes may forbid children.
    folders: BTreeMap<PathBuf, Attributes>,
    /// Paths that are folders and no links.
    known: HashSet<PathBuf>,
    whiteouts: HashSet<PathBuf>,
}

#[derive(Clone)]
struct Attributes {
    uid: u32,
    gid: u32,
    mode: u32,
    modified: Timespec,
    extended: Vec<(OsString, Vec<u8>)>,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: &mut Entry<'_, &mut dyn Read>) -> io::Result<()> {
        let bytes = entry.path_bytes().into_owned();
        let mut kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        // As the oldest tars wrote folders.
        if kind.is_file() && bytes.ends_with(b"/") {
            kind = EntryType::Directory;
        }
        let mut names = names(Path::new(OsStr::from_bytes(&bytes)))?;
        let attributes = attributes(entry)?;
        let Some(name) = names.pop() else {
            return match kind {
                EntryType::Directory => {
                    self.folders.insert(PathBuf::new(), attributes);
                    Ok(())
                }
                _ => Err(invalid("the root is not a folder")),
            };
        };
        let parent = self.folder(&names.iter().collect::<PathBuf>())?;
        if let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") {
            return match hidden {
                b".wh..opq" => self.opaque(&parent),
                // Other names of aufs carry no content.
                _ if hidden.starts_with(b".wh.") => Ok(()),
                b"" | b"." | b".." => Err(invalid("not a name to hide")),
                _ => self.whiteout(&parent.join(OsStr::from_bytes(hidden))),
            };
        }
        let path = parent.join(&name);
        let hid = self.make_room(&path, kind)?;
        self.create(entry, kind, &path, attributes)?;
        if hid && kind == EntryType::Directory {
            self.opaque(&path)?;
        }
        Ok(())
    }

    /// Removes what an earlier entry put there, but for a folder under a folder. True: that was a whiteout.
    fn make_room(&mut self, path: &Path, kind: EntryType) -> io::Result<bool> {
        let full = self.root.join(path);
        let Some(metadata) = look(&full)? else { return Ok(false) };
        if metadata.is_dir() {
            if kind == EntryType::Directory {
                return Ok(false);
            }
            fs::remove_dir_all(&full)?;
            self.known.retain(|known| !known.starts_with(path));
            self.folders.retain(|known, _| !known.starts_with(path));
            self.whiteouts.retain(|known| !known.starts_with(path));
        } else {
            fs::remove_file(&full)?;
        }
        Ok(self.whiteouts.remove(path))
    }

    fn create(&mut self, entry: &mut Entry<'_, &mut dyn Read>, kind: EntryType, path: &Path, attributes: Attributes) -> io::Result<()> {
        let full = self.root.join(path);
        match kind {
            EntryType::Directory => {
                if look(&full)?.is_none() {
                    fs::create_dir(&full)?;
                }
                self.known.insert(path.to_path_buf());
                self.folders.insert(path.to_path_buf(), attributes);
                return Ok(());
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut file = File::create_new(&full)?;
                let mut buffer = vec![0; BUFFER];
                loop {
                    let count = entry.read(&mut buffer)?;
                    if count == 0 {
                        break;
                    }
                    file.write_all(buffer.get(..count).unwrap_or_default())?;
                }
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().ok_or_else(|| invalid("a hard link without a target"))?.into_owned();
                let mut names = names(Path::new(OsStr::from_bytes(&target)))?;
                let name = names.pop().ok_or_else(|| invalid("a hard link to the root"))?;
                let target = self.folder(&names.iter().collect::<PathBuf>())?.join(name);
                // Attributes are those of the target.
                return self.link(&target, &full);
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or_else(|| invalid("a link without a target"))?.into_owned();
                std::os::unix::fs::symlink(OsStr::from_bytes(&target), &full)?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                let header = entry.header();
                let number = |part: io::Result<Option<u32>>| part.map(Option::unwrap_or_default);
                let device = match kind {
                    // Its numbers mean nothing and may be anything.
                    EntryType::Fifo => 0,
                    _ => rustix::fs::makedev(number(header.device_major())?, number(header.device_minor())?),
                };
                let file_type = match kind {
                    EntryType::Char if device == 0 => return Err(invalid("the device 0/0 stands for a whiteout")),
                    EntryType::Char => FileType::CharacterDevice,
                    EntryType::Block => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                if !self.privileged && kind != EntryType::Fifo {
                    // Such a container gets the usual devices from the runtime; others it could not use.
                    tracing::debug!(path = %path.display(), "left out a device: not privileged");
                    return Ok(());
                }
                rustix::fs::mknodat(CWD, &full, file_type, Mode::from_raw_mode(0o600), device)?;
            }
            other => return Err(invalid(&format!("entries of type {other:?} are not known"))),
        }
        self.set(&full, &attributes, kind == EntryType::Symlink)
    }

    /// A hard link; a target in a lower layer is copied up, as overlayfs does when something links to it.
    fn link(&mut self, target: &Path, full: &Path) -> io::Result<()> {
        let here = self.root.join(target);
        if look(&here)?.is_none() {
            let below = self.lowers.at(target)?.filter(|found| found.metadata.is_file());
            let below = below.ok_or_else(|| invalid(&format!("a hard link to {}, which is not there", target.display())))?;
            fs::copy(&below.path, &here)?;
            self.set(&here, &Attributes::of(&below.metadata), false)?;
        }
        rustix::fs::linkat(CWD, &here, CWD, full, AtFlags::empty())?;
        Ok(())
    }

    fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        match look(&self.root.join(path))? {
            // What this layer itself has stays; lower content of the same folder does not shine through.
            Some(metadata) if metadata.is_dir() => self.opaque(path),
            Some(_) => Ok(()),
            None => {
                rustix::fs::mknodat(CWD, self.root.join(path), FileType::CharacterDevice, Mode::empty(), 0)?;
                self.whiteouts.insert(path.to_path_buf());
                Ok(())
            }
        }
    }

    fn opaque(&mut self, folder: &Path) -> io::Result<()> {
        let full = self.root.join(folder);
        let mut last = Ok(());
        for name in OPAQUE {
            last = rustix::fs::lsetxattr(&full, name, b"y", XattrFlags::empty());
            if last.is_ok() {
                break;
            }
        }
        Ok(last?)
    }

    /// Makes sure that a folder exists in this layer, and gives its path without links.
    fn folder(&mut self, path: &Path) -> io::Result<PathBuf> {
        let mut walk = Walk::new(path);
        while let Some(name) = walk.next() {
            let here = walk.reached().join(&name);
            if self.known.contains(&here) {
                walk.enter(name);
                continue;
            }
            match look(&self.root.join(&here))? {
                Some(metadata) if metadata.is_dir() => {}
                Some(metadata) if metadata.is_symlink() => {
                    walk.follow(&fs::read_link(self.root.join(&here))?)?;
                    continue;
                }
                Some(metadata) if is_whiteout(&metadata) => {
                    self.make_room(&here, EntryType::Directory)?;
                    self.make_folder(&here, None)?;
                    self.opaque(&here)?;
                }
                Some(_) => return Err(invalid(&format!("{} is not a folder", here.display()))),
                None => match self.lowers.at(&here)? {
                    Some(found) if found.metadata.is_symlink() => {
                        walk.follow(&fs::read_link(&found.path)?)?;
                        continue;
                    }
                    found => self.make_folder(&here, found.map(|found| found.metadata).filter(Metadata::is_dir))?,
                },
            }
            self.known.insert(here);
            walk.enter(name);
        }
        Ok(walk.reached())
    }

    fn make_folder(&mut self, path: &Path, like: Option<Metadata>) -> io::Result<()> {
        fs::create_dir(self.root.join(path))?;
        let plain = || Attributes { uid: 0, gid: 0, mode: 0o755, modified: Timespec { tv_sec: 0, tv_nsec: 0 }, extended: Vec::new() };
        self.folders.insert(path.to_path_buf(), like.as_ref().map_or_else(plain, Attributes::of));
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        for (path, attributes) in self.folders.iter().rev() {
            self.set(&self.root.join(path), attributes, false)?;
        }
        Ok(())
    }

    fn set(&self, path: &Path, attributes: &Attributes, link: bool) -> io::Result<()> {
        set(path, attributes, link, self.privileged)
    }
}

/// Owner first, as a change of owner clears set-user-id bits and capabilities.
fn set(path: &Path, attributes: &Attributes, link: bool, privileged: bool) -> io::Result<()> {
    let owner = (Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid)));
    match rustix::fs::chownat(CWD, path, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW) {
        Err(_) if !privileged => {}
        other => other?,
    }
    for (name, value) in &attributes.extended {
        match rustix::fs::lsetxattr(path, name.as_os_str(), value, XattrFlags::empty()) {
            // The file system, or the lack of privileges, does not allow for it; the file is as good without.
            Err(error) if !privileged || error == rustix::io::Errno::OPNOTSUPP => {
                tracing::debug!(path = %path.display(), "left out an attribute: {error}");
            }
            other => other?,
        }
    }
    if !link {
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(attributes.mode), AtFlags::empty())?;
    }
    let times = Timestamps { last_access: attributes.modified, last_modification: attributes.modified };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

impl Attributes {
    fn of(metadata: &Metadata) -> Self {
        let modified = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
        Self { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() & 0o7777, modified, extended: Vec::new() }
    }
}

/// Gives a copy the attributes of the original.
pub(crate) fn copy_attributes(from: &Path, metadata: &Metadata, to: &Path) -> io::Result<()> {
    let mut attributes = Attributes::of(metadata);
    let mut names = vec![0_u8; 64 << 10];
    if let Ok(length) = rustix::fs::llistxattr(from, &mut names[..]) {
        for name in names.get(..length).unwrap_or_default().split(|byte| *byte == 0).filter(|name| kept(name)) {
            let mut value = vec![0_u8; 64 << 10];
            let length = rustix::fs::lgetxattr(from, name, &mut value[..])?;
            value.truncate(length);
            attributes.extended.push((OsStr::from_bytes(name).to_owned(), value));
        }
    }
    set(to, &attributes, metadata.is_symlink(), rustix::process::geteuid().is_root())
}

/// An image may not carry the attributes by which overlayfs steers.
fn kept(name: &[u8]) -> bool {
    !name.is_empty() && !name.starts_with(b"trusted.overlay.") && !name.starts_with(b"user.overlay.")
}

fn attributes(entry: &mut Entry<'_, &mut dyn Read>) -> io::Result<Attributes> {
    let header = entry.header();
    let fits = |value: u64| u32::try_from(value).map_err(|_| invalid("an owner beyond 32 bits"));
    let (uid, gid) = (fits(header.uid()?)?, fits(header.gid()?)?);
    let mode = header.mode()? & 0o7777;
    let mut modified = Timespec { tv_sec: i64::try_from(header.mtime()?).unwrap_or_default(), tv_nsec: 0 };
    let mut extended = Vec::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            let (key, value) = (extension.key_bytes(), extension.value_bytes());
            if let Some(name) = key.strip_prefix(b"SCHILY.xattr.")
                && kept(name)
            {
                extended.push((OsStr::from_bytes(name).to_owned(), value.to_vec()));
            } else if key == b"mtime" {
                modified = pax_time(value).unwrap_or(modified);
            }
        }
    }
    Ok(Attributes { uid, gid, mode, modified, extended })
}

/// `seconds.fraction`.
fn pax_time(value: &[u8]) -> Option<Timespec> {
    let text = std::str::from_utf8(value).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds = format!("{:0<9.9}", fraction).parse().ok()?;
    Some(Timespec { tv_sec: seconds.parse().ok()?, tv_nsec: nanoseconds })
}

/// The names of a path in the image. `..` is refused: no builder writes it, only attacks do.
fn names(path: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_owned()),
            Component::ParentDir => return Err(invalid("the path leaves the image")),
            _ => {}
        }
    }
    Ok(names)
}

fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

#[cfg(test)]
mod tests;
