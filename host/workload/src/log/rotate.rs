//! Rotation by size: `0.log` becomes `0.log.20060102-150405.000000000`, the kubelet's name with nanoseconds (a busy log turns
//! over several times a second); the oldest are deleted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

/// How large a log grows.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// Bytes of one file.
    pub max_bytes: u64,
    /// Files of one run together, the one being written included.
    pub max_files: usize,
}

impl Default for Rotation {
    /// The kubelet's `containerLogMaxSize` and `containerLogMaxFiles`.
    fn default() -> Self {
        Self { max_bytes: 10 << 20, max_files: 5 }
    }
}

impl Rotation {
    /// Moves `path` out of the way.
    pub(super) fn rotate(self, path: &Path) -> io::Result<()> {
        // 2006-01-02T15:04:05.123456789Z
        let digits: String = super::timestamp(SystemTime::now()).chars().filter(char::is_ascii_digit).collect();
        let (date, time) = digits.split_at(8.min(digits.len()));
        let (second, nanos) = time.split_at(6.min(time.len()));
        fs::rename(path, with_suffix(path, &format!("{date}-{second}.{nanos}")))?;
        let mut old = rotated(path)?;
        let keep = self.max_files.saturating_sub(1);
        while old.len() > keep {
            fs::remove_file(old.remove(0))?;
        }
        Ok(())
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Rotated files of `path`, oldest first.
pub fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}.");
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
