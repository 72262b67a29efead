//! `hostPath`: a path of the node, checked and made as its `type` says (`pkg/volume/hostpath`).

use super::{Context, Error};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use typed::api::core::v1::Volume;

pub async fn set_up(_: &Context<'_>, volume: &Volume) -> Result<PathBuf, Error> {
    let source = volume.host_path.clone().unwrap_or_default();
    let path = PathBuf::from(&source.path);
    match check(&path, source.type_.as_deref().unwrap_or_default()) {
        Ok(()) => Ok(path),
        Err(cause) => Err(Error::SetUp { volume: volume.name.clone(), cause }),
    }
}

fn check(path: &Path, kind: &str) -> Result<(), String> {
    let text = path.display();
    if !path.is_absolute() || path.components().any(|c| matches!(c, std::path::Component::ParentDir)) {
        return Err(format!("hostPath {text} must be absolute, without '..'"));
    }
    let failed = |error: std::io::Error| format!("hostPath {text}: {error}");
    let make = |folder: bool| -> std::io::Result<()> {
        let mode = if folder { 0o755 } else { 0o644 };
        if folder {
            std::fs::create_dir_all(path)?
        } else {
            std::fs::write(path, "")?
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    };
    let found = std::fs::metadata(path).map(|m| m.file_type());
    let wants = |fits: bool, what: &str| if fits { Ok(()) } else { Err(format!("hostPath type check failed: {text} is not a {what}")) };
    match (kind, found) {
        ("", _) => Ok(()),
        ("DirectoryOrCreate", Err(_)) => make(true).map_err(failed),
        ("FileOrCreate", Err(_)) => make(false).map_err(failed),
        ("DirectoryOrCreate" | "Directory", Ok(t)) => wants(t.is_dir(), "directory"),
        ("FileOrCreate" | "File", Ok(t)) => wants(t.is_file(), "file"),
        ("Socket", Ok(t)) => wants(t.is_socket(), "socket file"),
        ("CharDevice", Ok(t)) => wants(t.is_char_device(), "character device"),
        ("BlockDevice", Ok(t)) => wants(t.is_block_device(), "block device"),
        ("Directory" | "File" | "Socket" | "CharDevice" | "BlockDevice", Err(_)) => {
            Err(format!("hostPath type check failed: {text} does not exist"))
        }
        (other, _) => Err(format!("hostPath type {other:?} is not known")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn types() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, file) = (dir.path().join("d"), dir.path().join("f"));
        for (path, kind, fine) in [
            (&folder, "Directory", false),
            (&folder, "", true),
            (&folder, "DirectoryOrCreate", true),
            (&folder, "Directory", true),
            (&folder, "File", false),
            (&file, "File", false),
            (&file, "FileOrCreate", true),
            (&file, "File", true),
            (&file, "Socket", false),
            (&file, "Color", false),
        ] {
            assert_eq!(check(path, kind).is_ok(), fine, "{path:?} {kind}");
        }
        assert!(check(std::path::Path::new("/a/../b"), "").is_err());
    }
}
