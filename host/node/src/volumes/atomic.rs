//! Files that change together: `pkg/volume/util/atomic_writer.go`.
//!
//! The files lie in a folder named by its time; `..data` is a symlink to that folder and every visible name is a symlink
//! through `..data`. Changing the volume is one rename of `..data`: a reader sees the old files or the new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// One file of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// Files by their path relative to the volume.
pub type Payload = BTreeMap<String, File>;

const DATA: &str = "..data";
const DATA_NEW: &str = "..data_tmp";

/// Is this a path that stays inside the volume and does not begin with `..`?
pub fn valid(path: &str) -> bool {
    let path = Path::new(path);
    let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
    let first = path.components().next().map(|c| c.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
    plain && !first.is_empty() && !first.starts_with("..")
}

/// Makes the folder hold exactly `payload`. Answers whether anything changed. `group` owns all when given.
pub fn write(target: &Path, payload: &Payload, group: Option<u32>) -> io::Result<bool> {
    if let Some(bad) = payload.keys().find(|path| !valid(path)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{bad:?} is not a path inside the volume")));
    }
    std::fs::create_dir_all(target)?;
    let old = std::fs::read_link(target.join(DATA)).ok();
    if let Some(old) = &old
        && same(&target.join(old), payload)
    {
        return Ok(false);
    }
    let stamp = object::time::now_micro().replace([':', '-'], "_").replace('T', "_").replace('Z', "");
    let mut name = format!("..{stamp}");
    while target.join(&name).exists() {
        name.push('_');
    }
    let folder = target.join(&name);
    std::fs::create_dir(&folder)?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    for (path, file) in payload {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, &file.data)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(file.mode & 0o7777))?;
    }
    if let Some(group) = group {
        super::ownership::apply(&folder, group)?;
    }
    let new = target.join(DATA_NEW);
    let _ = std::fs::remove_file(&new);
    symlink(&name, &new)?;
    std::fs::rename(&new, target.join(DATA))?;
    let visible: BTreeSet<String> = payload.keys().filter_map(|p| first(p)).collect();
    for entry in &visible {
        let link = target.join(entry);
        if std::fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(entry), &link)?;
        }
    }
    for entry in std::fs::read_dir(target)?.flatten() {
        let entry_name = entry.file_name().to_string_lossy().into_owned();
        if !entry_name.starts_with("..") && !visible.contains(&entry_name) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    if let Some(old) = old {
        let _ = std::fs::remove_dir_all(target.join(old));
    }
    Ok(true)
}

fn first(path: &str) -> Option<String> {
    Path::new(path).components().next().map(|c| c.as_os_str().to_string_lossy().into_owned())
}

fn same(folder: &Path, payload: &Payload) -> bool {
    let mut found = BTreeSet::new();
    if walk(folder, folder, &mut found).is_err() || found.len() != payload.len() {
        return false;
    }
    payload.iter().all(|(path, file)| {
        let path = folder.join(path);
        let mode = std::fs::metadata(&path).map(|m| m.permissions().mode() & 0o777).ok();
        mode.is_some_and(|mode| mode & file.mode == file.mode & 0o777) && std::fs::read(&path).ok().as_ref() == Some(&file.data)
    })
}

fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(root, &entry.path(), found)?;
        } else if let Ok(relative) = entry.path().strip_prefix(root) {
            found.insert(relative.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        files.iter().map(|(path, data)| ((*path).to_owned(), File { data: data.as_bytes().to_vec(), mode: 0o644 })).collect()
    }

    #[test]
    fn files_change_together() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("volume");
        let read = |path: &str| std::fs::read_to_string(target.join(path)).ok();
        assert!(write(&target, &payload(&[("a", "1"), ("dir/b", "2")]), None).unwrap());
        assert_eq!((read("a"), read("dir/b"), read("..data/a")), (Some("1".into()), Some("2".into()), Some("1".into())));
        assert_eq!(std::fs::read_link(target.join("a")).unwrap(), Path::new("..data/a"));
        assert!(!write(&target, &payload(&[("a", "1"), ("dir/b", "2")]), None).unwrap());
        assert!(write(&target, &payload(&[("a", "3"), ("c", "4")]), None).unwrap());
        assert_eq!((read("a"), read("dir/b"), read("c")), (Some("3".into()), None, Some("4".into())));
        // One folder of files and the links remain.
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 4);
        assert!(write(&target, &Payload::new(), None).unwrap());
        assert_eq!(read("a"), None);
    }

    #[test]
    fn paths() {
        for (path, expect) in
            [("a", true), ("a/b", true), ("a/..b", true), ("..a", false), ("../a", false), ("/a", false), ("a/../b", false), ("", false)]
        {
            assert_eq!(valid(path), expect, "{path}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert!(write(dir.path(), &payload(&[("../x", "")]), None).is_err());
    }
}
