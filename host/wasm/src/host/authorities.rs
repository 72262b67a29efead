//! `SSL_CERT_FILE`: the certificate authorities that a workload's HTTPS requests trust, in place of the public ones.
//!
//! The variable is OpenSSL's (`X509_get_default_cert_file_env`), which most clients in containers follow. For wasm the host does
//! TLS, so it follows: the file is looked for in the container's mounts when the container starts. So a component asks the
//! Kubernetes API with `/var/run/secrets/kubernetes.io/serviceaccount/ca.crt`.

use interfaces::workload::Mount;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub const VARIABLE: &str = "SSL_CERT_FILE";

/// Bundles of all public authorities are a quarter of it.
const LARGEST: u64 = 1 << 20;

/// Reads the file at guest path `path`.
///
/// # Errors
/// No mount has it, or it cannot be read. A link that leads out of its mount is refused: the file is read by the host.
pub fn read(path: &Path, mounts: &[Mount]) -> io::Result<Vec<u8>> {
    let covering = mounts.iter().filter(|mount| path.starts_with(&mount.target)).max_by_key(|mount| mount.target.as_os_str().len());
    let mount = covering.ok_or(io::ErrorKind::NotFound)?;
    let rest = path.strip_prefix(&mount.target).map_err(io::Error::other)?;
    // Without waiting for the other side of a pipe that somebody put there.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = if rest.as_os_str().is_empty() {
        rustix::fs::openat(CWD, &mount.source, flags, Mode::empty())?
    } else {
        let directory = rustix::fs::openat(CWD, &mount.source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        rustix::fs::openat2(directory, rest, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)?
    };
    let file = File::from(file);
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file of at most 1 MiB"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_of_mounts_are_read_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume");
        std::fs::create_dir_all(volume.join("..data")).unwrap();
        std::fs::write(volume.join("..data/ca.crt"), "certificate").unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        symlink("..data/ca.crt", volume.join("ca.crt")).unwrap();
        symlink("../secret", volume.join("out.crt")).unwrap();
        symlink(folder.path().join("secret"), volume.join("absolute.crt")).unwrap();
        rustix::fs::mknodat(CWD, volume.join("pipe.crt"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        let mount = |source: &Path, target: &str| Mount { source: source.to_owned(), target: target.into(), ..Mount::default() };
        let mounts = [mount(folder.path(), "/run"), mount(&volume, "/run/account"), mount(&volume.join("..data/ca.crt"), "/etc/one.crt")];
        let cases = [
            ("/run/account/ca.crt", Some("certificate")),
            ("/run/account/..data/ca.crt", Some("certificate")),
            ("/etc/one.crt", Some("certificate")),
            ("/run/secret", Some("secret")),
            ("/run/account/out.crt", None),
            ("/run/account/absolute.crt", None),
            ("/run/account/../secret", None),
            ("/run/account/pipe.crt", None),
            ("/run/account", None),
            ("/run/account/absent", None),
            ("/etc/passwd", None),
        ];
        for (path, expect) in cases {
            let found = read(Path::new(path), &mounts).ok().map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), expect, "{path}");
        }
    }
}
