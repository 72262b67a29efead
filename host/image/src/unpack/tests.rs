use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use tar::{Builder, Header};

use super::*;
use crate::merged::is_opaque;

/// An archive in the making; paths are written as they are, however bad.
struct Layer {
    builder: Builder<Vec<u8>>,
}

fn layer() -> Layer {
    Layer { builder: Builder::new(Vec::new()) }
}

impl Layer {
    fn add(mut self, kind: EntryType, path: &str, content: &str, change: impl FnOnce(&mut Header)) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        // The crate's own setters refuse what an attacker would write.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        let body = match kind {
            EntryType::Symlink | EntryType::Link => {
                header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
                ""
            }
            _ => content,
        };
        header.set_size(body.len() as u64);
        change(&mut header);
        header.set_cksum();
        self.builder.append(&header, body.as_bytes()).unwrap();
        self
    }

    fn file(self, path: &str, content: &str) -> Self {
        self.add(EntryType::Regular, path, content, |_| ())
    }

    fn folder(self, path: &str, mode: u32) -> Self {
        self.add(EntryType::Directory, path, "", |header| header.set_mode(mode))
    }

    fn link(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Symlink, path, target, |_| ())
    }

    fn hard_link(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Link, path, target, |_| ())
    }

    fn pax(mut self, extensions: &[(&str, &[u8])]) -> Self {
        self.builder.append_pax_extensions(extensions.iter().copied()).unwrap();
        self
    }

    fn unpack(self, lowers: &[PathBuf]) -> io::Result<tempfile::TempDir> {
        let root = tempfile::tempdir().unwrap();
        let bytes = self.builder.into_inner().unwrap();
        unpack(&mut bytes.as_slice(), lowers, root.path()).map(|()| root)
    }
}

fn read(root: &tempfile::TempDir, path: &str) -> String {
    fs::read_to_string(root.path().join(path)).unwrap()
}

fn metadata(root: &tempfile::TempDir, path: &str) -> Metadata {
    fs::symlink_metadata(root.path().join(path)).unwrap()
}

fn privileged() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn attributes_are_kept() {
    if !privileged() {
        eprintln!("skipped: owners can only be set by root");
        return;
    }
    let root = layer()
        .folder("./", 0o711)
        .folder("bin/", 0o555)
        .add(EntryType::Regular, "bin/su", "program", |header| {
            header.set_mode(0o4755);
            header.set_uid(12);
            header.set_gid(34);
        })
        .hard_link("bin/sudo", "bin/su")
        .link("bin/sh", "su")
        .pax(&[("SCHILY.xattr.user.note", b"text"), ("mtime", b"1500000000.25"), ("SCHILY.xattr.trusted.overlay.opaque", b"y")])
        .file("noted", "")
        .add(EntryType::Fifo, "pipe", "", |_| ())
        .add(EntryType::Char, "null", "", |header| {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        })
        .unpack(&[])
        .unwrap();
    assert_eq!(metadata(&root, "").mode() & 0o7777, 0o711);
    let (folder, program) = (metadata(&root, "bin"), metadata(&root, "bin/su"));
    assert_eq!((folder.mode() & 0o7777, folder.mtime()), (0o555, 1_000_000_000));
    assert_eq!((program.uid(), program.gid(), program.mode() & 0o7777, program.mtime()), (12, 34, 0o4755, 1_000_000_000));
    assert_eq!(metadata(&root, "bin/sudo").ino(), program.ino());
    assert_eq!(fs::read_link(root.path().join("bin/sh")).unwrap(), Path::new("su"));
    let noted = metadata(&root, "noted");
    assert_eq!((noted.mtime(), noted.mtime_nsec()), (1_500_000_000, 250_000_000));
    let mut value = [0; 8];
    let length = rustix::fs::lgetxattr(root.path().join("noted"), "user.note", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"text");
    assert!(!is_opaque(&root.path().join("noted")), "an image may not steer overlayfs");
    assert!(metadata(&root, "pipe").file_type().is_fifo());
    assert_eq!(metadata(&root, "null").rdev(), rustix::fs::makedev(1, 3));
}

#[test]
fn whiteouts_take_overlay_form() {
    let root = layer()
        .folder("etc/", 0o755)
        .file("etc/.wh.gone", "")
        .file("var/.wh..wh..opq", "")
        .file("var/kept", "new")
        .file(".wh.again", "")
        .file("again/file", "new")
        .file("own/file", "new")
        .file(".wh.own", "")
        .file("opt/.wh..wh.plnk", "")
        .unpack(&[])
        .unwrap();
    assert!(is_whiteout(&metadata(&root, "etc/gone")));
    assert!(is_opaque(&root.path().join("var")));
    assert_eq!(read(&root, "var/kept"), "new");
    // Hidden and made again in one layer: the lower content must not shine through.
    for name in ["again", "own"] {
        assert!(is_opaque(&root.path().join(name)), "{name}");
        assert_eq!(read(&root, &format!("{name}/file")), "new");
    }
    assert_eq!(fs::read_dir(root.path().join("opt")).unwrap().count(), 0);
}

#[test]
fn later_entries_replace_earlier_ones() {
    let root = layer()
        .file("a", "1")
        .file("a", "2")
        .folder("b/", 0o755)
        .file("b/c", "1")
        .file("b", "file")
        .link("l", "a")
        .file("l", "no link")
        .folder("d/", 0o700)
        .file("d/e", "1")
        .folder("d/", 0o750)
        .unpack(&[])
        .unwrap();
    assert_eq!([read(&root, "a"), read(&root, "b"), read(&root, "l"), read(&root, "d/e")], ["2", "file", "no link", "1"]);
    assert_eq!(metadata(&root, "d").permissions().mode() & 0o7777, 0o750);
}

#[test]
fn nothing_leaves_the_root() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().display().to_string();
    let inside = target.trim_start_matches('/').to_owned();
    // Links are followed within the root.
    let root = layer()
        .link("abs", &target)
        .file("abs/through", "1")
        .link("up", "../../../../../..")
        .file("up/clamped", "1")
        .link("chain", "abs")
        .file("chain/too", "1")
        .file("/rooted", "1")
        .hard_link("hard", "/rooted")
        .unpack(&[])
        .unwrap();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    for path in [format!("{inside}/through"), "clamped".to_owned(), format!("{inside}/too"), "rooted".to_owned(), "hard".to_owned()] {
        assert_eq!(read(&root, &path), "1", "{path}");
    }
    // These are refused.
    let refused: Vec<(&str, Layer)> = vec![
        ("dots", layer().file("../escaped", "1")),
        ("dots within", layer().file("a/../../escaped", "1")),
        ("a hard link out", layer().hard_link("a", "../../etc/passwd")),
        ("a hard link through a link", layer().link("etc", "/etc").hard_link("a", "etc/passwd")),
        ("a link to itself", layer().link("a", "a").file("a/b", "1")),
        ("two links in a circle", layer().link("a", "b").link("b", "a").file("a/c", "1")),
        ("a file as a folder", layer().file("a", "1").file("a/b", "1")),
        ("a whiteout of dots", layer().file("a/.wh...", "1")),
        (
            "a device that is a whiteout",
            layer().add(EntryType::Char, "a", "", |header| {
                header.set_device_major(0).unwrap();
                header.set_device_minor(0).unwrap();
            }),
        ),
        ("a file as the root", layer().file("./", "1").add(EntryType::Symlink, "/", "x", |_| ())),
    ];
    for (what, layer) in refused {
        assert!(layer.unpack(&[]).is_err(), "{what}");
    }
}

#[test]
fn folders_that_the_archive_leaves_out_come_from_below() {
    let one =
        layer().folder("home/", 0o750).folder("home/user/", 0o700).folder("usr/lib/", 0o755).link("lib", "usr/lib").unpack(&[]).unwrap();
    let two = layer().folder("home/user/", 0o711).unpack(&[one.path().to_path_buf()]).unwrap();
    let lowers = [one.path().to_path_buf(), two.path().to_path_buf()];
    let three = layer().file("home/user/file", "1").file("lib/so", "1").file("new/file", "1").unpack(&lowers).unwrap();
    let mode = |path| metadata(&three, path).permissions().mode() & 0o7777;
    assert_eq!([mode("home"), mode("home/user"), mode("new")], [0o750, 0o711, 0o755]);
    assert_eq!(read(&three, "usr/lib/so"), "1", "a link of a lower layer is followed, not hidden");
    assert!(!three.path().join("lib").exists());
}

#[test]
fn a_hard_link_to_a_lower_layer_copies_up() {
    let one = layer().file("data/a", "1").unpack(&[]).unwrap();
    let two = layer().hard_link("data/b", "data/a").unpack(&[one.path().to_path_buf()]).unwrap();
    assert_eq!([read(&two, "data/a"), read(&two, "data/b")], ["1", "1"]);
    assert_eq!(metadata(&two, "data/a").ino(), metadata(&two, "data/b").ino());
}

#[test]
fn compression_is_told_by_content() {
    let plain = b"some content".repeat(1000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for packed in [plain.clone(), gzip.finish().unwrap(), zstd::encode_all(plain.as_slice(), 1).unwrap()] {
        let mut out = Vec::new();
        decompress(packed.as_slice()).unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(out, plain);
    }
    assert!(decompress(b"".as_slice()).unwrap().read_to_end(&mut Vec::new()).is_ok());
}
