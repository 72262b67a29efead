//! Content digests: `sha256:` and 64 hex digits.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// A checked `sha256:…` digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest(String);

impl Digest {
    /// Only sha256 is known: sha512 is allowed by the specification, but no registry or builder gives it.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let fine = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if fine { Ok(Self(text.to_owned())) } else { Err(Error::invalid(format!("digest {text:?}"), "not sha256 in hexadecimal")) }
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    pub(crate) fn from_hash(hash: Sha256) -> Self {
        Self(format!("sha256:{}", hex::encode(hash.finalize())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of this content below a folder: `sha256/<hex>`.
    pub(crate) fn below(&self, folder: &Path) -> PathBuf {
        folder.join("sha256").join(self.0.trim_start_matches("sha256:"))
    }

    /// Fails when the content has another digest.
    pub(crate) fn check(&self, what: &str, actual: Digest) -> Result<(), Error> {
        if *self == actual {
            return Ok(());
        }
        Err(Error::Digest { what: what.to_owned(), expected: self.0.clone(), actual: actual.0 })
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Counts and digests what goes through, for reading and for writing.
pub(crate) struct Digesting<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Digesting<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    pub(crate) fn finish(self) -> (T, Digest, u64) {
        (self.inner, Digest::from_hash(self.hash), self.bytes)
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<T: Read> Read for Digesting<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.note(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl<T: Write> Write for Digesting<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.note(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
