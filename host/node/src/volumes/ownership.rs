//! `fsGroup`: `pkg/volume/volume_linux.go`. Group read and write is added, and folders pass their group on.

use std::io;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::Path;

/// Gives everything under `path` to `group`. Symlinks themselves change hands, what they point to does not.
pub fn apply(path: &Path, group: u32) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    lchown(path, None, Some(group))?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let more = if metadata.is_dir() { 0o2770 } else { 0o660 };
    let mode = metadata.permissions().mode();
    // A file that its owner may not write stays read-only for the group too.
    let more = if !metadata.is_dir() && mode & 0o200 == 0 { 0o440 } else { more };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode((mode | more) & 0o7777))?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            apply(&entry?.path(), group)?;
        }
    }
    Ok(())
}
