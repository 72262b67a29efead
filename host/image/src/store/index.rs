//! The small file that says which images there are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::error::{Error, at};

/// Raise with every change that an older program would misread.
const FORMAT: u64 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Index {
    format: u64,
    /// By digest of the manifest.
    pub(super) images: BTreeMap<String, Record>,
    /// By path: length and time of change of archives that were imported from a folder.
    #[serde(default)]
    pub(super) imported: BTreeMap<String, (u64, i64)>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) references: Vec<String>,
    #[serde(default)]
    pub(super) repo_digests: Vec<String>,
    /// Digest of the configuration.
    pub(super) config: String,
    /// Digest of the component, for an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wasm: Option<String>,
    /// Digest of the definitions that an artifact brings along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) definitions: Option<String>,
    /// Chain ids, the lowest layer first.
    #[serde(default)]
    pub(super) layers: Vec<String>,
    pub(super) size: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self { format: FORMAT, images: BTreeMap::new(), imported: BTreeMap::new() }
    }
}

impl Index {
    pub(super) fn check(&self, folder: &Path) -> Result<(), Error> {
        if self.format == FORMAT {
            return Ok(());
        }
        Err(Error::Format { path: folder.to_path_buf(), found: self.format, expected: FORMAT })
    }

    pub(super) fn find(&self, name: &str) -> Result<Option<(&String, &Record)>, Error> {
        if name.starts_with("sha256:") {
            let by_digest = self.images.get_key_value(name);
            return Ok(by_digest.or_else(|| self.images.iter().find(|(_, record)| record.config == name)));
        }
        let reference = crate::reference(name)?;
        Ok(match reference.digest() {
            // The digest decides, whatever tag is written before it.
            Some(digest) => {
                let full = format!("{}/{}@{digest}", reference.registry(), reference.repository());
                self.images.iter().find(|(_, record)| record.repo_digests.contains(&full)).or_else(|| self.images.get_key_value(digest))
            }
            None => {
                let full = reference.whole();
                self.images.iter().find(|(_, record)| record.references.contains(&full))
            }
        })
    }

    /// A tag names one image: it is taken from the one that had it.
    pub(super) fn name(&mut self, digest: &str, reference: &str) {
        for record in self.images.values_mut() {
            record.references.retain(|other| other != reference);
        }
        if let Some(record) = self.images.get_mut(digest) {
            record.references.push(reference.to_owned());
            record.references.sort();
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<bool, Error> {
        let Some(digest) = self.find(name)?.map(|(digest, _)| digest.clone()) else { return Ok(false) };
        let Some(record) = self.images.get_mut(&digest) else { return Ok(false) };
        if name.starts_with("sha256:") {
            self.images.remove(&digest);
            return Ok(true);
        }
        let reference = crate::reference(name)?;
        match reference.digest() {
            Some(named) => {
                let full = format!("{}/{}@{named}", reference.registry(), reference.repository());
                record.repo_digests.retain(|other| *other != full);
                if record.references.is_empty() && record.repo_digests.is_empty() {
                    self.images.remove(&digest);
                }
            }
            None => {
                record.references.retain(|other| *other != reference.whole());
                if record.references.is_empty() {
                    self.images.remove(&digest);
                }
            }
        }
        Ok(true)
    }
}

pub(super) fn read(folder: &Path) -> Result<Index, Error> {
    let path = folder.join("index.json");
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::default()),
        other => other.map_err(at("read", &path))?,
    };
    // The format is told before the rest is understood.
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    let damaged = |error: serde_json::Error| Error::invalid(path.display().to_string(), error);
    let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if format != FORMAT {
        return Err(Error::Format { path: folder.to_path_buf(), found: format, expected: FORMAT });
    }
    serde_json::from_slice(&bytes).map_err(damaged)
}

/// Changes the index while no other process does, and puts the new one in place whole and durable.
pub(super) fn locked<T>(folder: &Path, change: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
    let lock = folder.join("index.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&lock).map_err(at("open", &lock))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(io::Error::from).map_err(at("lock", &lock))?;
    let mut index = read(folder)?;
    let before = serde_json::to_vec(&index).map_err(|error| Error::invalid("index.json", error))?;
    let result = change(&mut index)?;
    let after = serde_json::to_vec(&index).map_err(|error| Error::invalid("index.json", error))?;
    if before != after {
        write(folder, &after)?;
    }
    Ok(result)
}

fn write(folder: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (new, path) = (folder.join("index.json.new"), folder.join("index.json"));
    let mut file = File::create(&new).map_err(at("make", &new))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at("write", &new))?;
    fs::rename(&new, &path).map_err(at("put in place", &path))?;
    sync_folder(folder)
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(at("sync", folder))
}
