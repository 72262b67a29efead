//! Mounts on the node, spoken to the kernel directly.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::io;
use std::path::{Path, PathBuf};

/// Mount points below `dir`, deepest first.
pub fn below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let dir = match std::fs::canonicalize(dir) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| PathBuf::from(unescape(point)));
    let mut points: Vec<PathBuf> = points.filter(|p| p.starts_with(&dir) && *p != dir).collect();
    points.sort();
    points.reverse();
    Ok(points)
}

/// `mountinfo` writes blanks, tabs, line ends and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = text.to_owned();
    for (code, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        out = out.replace(code, plain);
    }
    out
}

pub fn unmount(point: &Path) -> io::Result<()> {
    match umount2(point, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Is a file system of its own mounted here? Bind mounts within one file system are not seen.
pub fn is_mounted(point: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let Some(parent) = point.parent() else { return Ok(false) };
    Ok(std::fs::metadata(point)?.dev() != std::fs::metadata(parent)?.dev())
}

/// A file system in memory, of at most `size` bytes when given.
pub fn tmpfs(point: &Path, size: Option<i64>, mode: u32) -> io::Result<()> {
    let mut data = format!("mode={mode:o}");
    if let Some(size) = size.filter(|s| *s > 0) {
        data.push_str(&format!(",size={size}"));
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), point, Some("tmpfs"), flags, Some(data.as_str())).map_err(io::Error::from)
}

pub fn bind(source: &Path, point: &Path) -> io::Result<()> {
    mount(Some(source), point, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes() {
        assert_eq!(super::unescape("/a\\040b\\134c"), "/a b\\c");
    }
}
