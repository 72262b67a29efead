//! A bucket in a volume: a file per key. Others may write the volume: no link in it is followed, and a file is replaced whole.

use super::{Error, add};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest name of a file.
const LONGEST_NAME: usize = 255;

/// Files under way begin so: no key's file does.
const TEMPORARY: &str = ".new-";

/// Read, add, write: one at a time in this process, which is the only one of its kind on the node.
static INCREMENT: Mutex<()> = Mutex::new(());
static COUNTER: AtomicU64 = AtomicU64::new(0);

pub struct Folder(File);

impl Folder {
    /// The folder `child` of `volume`, made if need be; the volume itself when it is empty.
    ///
    /// # Errors
    /// It leads out of the volume, is no folder or cannot be made.
    pub fn open(volume: &Path, child: &str) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Refused(format!("the bucket cannot be opened: {error}"));
        let root = File::open(volume).map_err(failed)?;
        if child.is_empty() {
            return Ok(Self(root));
        }
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        match nix::sys::stat::mkdirat(root.as_fd(), child, Mode::from_bits_truncate(0o777)) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        match openat2(root.as_fd(), child, how) {
            Ok(folder) => Ok(Self(folder.into())),
            Err(nix::errno::Errno::ELOOP | nix::errno::Errno::EXDEV) => {
                Err(Error::Refused("the bucket lies outside its volume".to_owned()))
            }
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// By the descriptor: the folder may be renamed, and stays the one that was opened.
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd())).join(name)
    }

    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(self.path(&name(key)?)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&error)),
        };
        let mut value = Vec::new();
        let read = file.metadata().and_then(|metadata| {
            if !metadata.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            file.take(super::LONGEST_VALUE as u64 + 1).read_to_end(&mut value)
        });
        read.map_err(|error| io_error(&error))?;
        if value.len() > super::LONGEST_VALUE {
            return Err(Error::Refused("the value is too long".to_owned()));
        }
        Ok(Some(value))
    }

    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        let place = self.path(&name(key)?);
        let temporary = self.path(&format!("{TEMPORARY}{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        let write = || -> io::Result<()> {
            OpenOptions::new().write(true).create_new(true).mode(0o666).open(&temporary)?.write_all(value)?;
            std::fs::rename(&temporary, &place)
        };
        write().map_err(|error| {
            drop(std::fs::remove_file(&temporary));
            io_error(&error)
        })
    }

    pub fn delete(&self, key: &str) -> Result<(), Error> {
        match std::fs::remove_file(self.path(&name(key)?)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&error)),
            _ => Ok(()),
        }
    }

    pub fn keys(&self) -> Result<Vec<String>, Error> {
        let entries = std::fs::read_dir(self.path(".")).map_err(|error| io_error(&error))?;
        let mut keys: Vec<String> = entries.flatten().filter_map(|entry| key(entry.file_name().to_str()?)).collect();
        keys.sort();
        Ok(keys)
    }

    pub fn increment(&self, key: &str, delta: u64) -> Result<u64, Error> {
        let _one = INCREMENT.lock();
        let sum = add(self.get(key)?.as_deref(), delta)?;
        self.set(key, sum.to_string().as_bytes())?;
        Ok(sum)
    }
}

fn io_error(error: &io::Error) -> Error {
    Error::Refused(error.to_string())
}

/// A key's file: what no name may hold, and a dot at its start, as `%41`.
fn name(key: &str) -> Result<String, Error> {
    use std::fmt::Write;
    let mut name = String::with_capacity(key.len());
    for (index, byte) in key.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && index > 0) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.len() > LONGEST_NAME {
        return Err(Error::Refused(format!("key {key:?} is too long for the name of a file")));
    }
    Ok(name)
}

/// `None` for a file that is no key's.
fn key(name: &str) -> Option<String> {
    let key = client::percent::decode(name)?;
    (self::name(&key).ok()? == name).then_some(key)
}
