//! Importing files: what `docker save` writes, OCI layouts as tar, both also compressed, and bare wasm files.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use tar::{Archive, EntryType};

use crate::build::wasm_documents;
use crate::digest::{Digest, Digesting};
use crate::error::{Error, at};
use crate::model::{Descriptor, Document, Image, Index, Manifest, Platform, media};
use crate::store::{Names, Source, Store};
use crate::unpack;

impl Store {
    /// Takes all images out of an archive: `docker save` format or OCI layout, plain, gzip or zstd; or a wasm file.
    ///
    /// `name` is for what has no name of its own; without it a wasm file is called by its file name (`app.wasm` is
    /// `docker.io/library/app:latest`, that is `app`).
    pub async fn import(&self, path: &Path, name: Option<&str>) -> Result<Vec<Image>, Error> {
        let (store, owned) = (self.clone(), path.to_path_buf());
        let given = name.map(str::to_owned);
        let read = tokio::task::spawn_blocking(move || read(&store, &owned, given.as_deref()));
        let (contents, images) = read.await.map_err(|error| Error::invalid(path.display().to_string(), error))??;
        let contents = Arc::new(contents);
        let mut imported = Vec::new();
        for (manifest, references) in images {
            let what = references.first().cloned().unwrap_or_else(|| path.display().to_string());
            let names = Names { references, repo_digests: Vec::new() };
            imported.push(self.install(&what, &manifest, contents.clone(), names).await?);
        }
        Ok(imported)
    }

    /// Imports every archive and wasm file of a folder (`.tar`, `.tar.gz`, `.tgz`, `.tar.zst`, `.wasm`), in order of their
    /// names, but for those that were imported before and have not changed. One that fails does not keep back the others.
    pub async fn import_dir(&self, folder: &Path) -> Result<Vec<(PathBuf, Result<Vec<Image>, Error>)>, Error> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(at("list", folder))? {
            let path = entry.map_err(at("list", folder))?.path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if [".tar", ".tar.gz", ".tgz", ".tar.zst", ".wasm"].iter().any(|end| name.ends_with(end)) {
                paths.push(path);
            }
        }
        paths.sort();
        let known = self.imported()?;
        let mut results = Vec::new();
        for path in paths {
            let metadata = fs::metadata(&path).map_err(at("look at", &path))?;
            let state = (metadata.len(), metadata.mtime());
            if known.get(&path.display().to_string()) == Some(&state) {
                continue;
            }
            let mut result = self.import(&path, None).await;
            if result.is_ok()
                && let Err(error) = self.note_imported(&path, state)
            {
                result = Err(error);
            }
            results.push((path, result));
        }
        Ok(results)
    }
}

/// The files of an archive, in a scratch folder.
struct Contents {
    _scratch: tempfile::TempDir,
    /// By path in the archive.
    files: BTreeMap<PathBuf, (PathBuf, Digest, u64)>,
    /// By digest, also of documents that we made.
    blobs: BTreeMap<String, PathBuf>,
}

/// Manifests with their names.
type Found = Vec<(Vec<u8>, Vec<String>)>;

fn read(store: &Store, path: &Path, name: Option<&str>) -> Result<(Contents, Found), Error> {
    let what = path.display().to_string();
    let mut contents = Contents { _scratch: store.scratch()?, files: BTreeMap::new(), blobs: BTreeMap::new() };
    let mut file = File::open(path).map_err(at("open", path))?;
    let mut start = [0; 4];
    let wasm = file.read_exact(&mut start).is_ok() && start == *b"\0asm";
    let file = File::open(path).map_err(at("open", path))?;
    if wasm {
        let name = match name.or_else(|| path.file_stem().and_then(OsStr::to_str)) {
            Some(name) => crate::reference(name)?.whole(),
            None => return Err(Error::invalid(what, "has no name to call the image by")),
        };
        let manifest = contents.add_wasm(file, path)?;
        return Ok((contents, vec![(manifest, vec![name])]));
    }
    contents.extract(file).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => at("unpack", path)(error),
        _ => Error::invalid(&what, format!("not an image archive: {error}")),
    })?;
    let given = name.map(|name| crate::reference(name).map(|name| name.whole())).transpose()?;
    let mut found = contents.oci_layout(&what)?;
    let docker = contents.docker_archive(&what, found.is_empty())?;
    if found.is_empty() {
        found = docker;
    } else {
        // Docker writes both; only its own manifest has all names.
        for (manifest, names) in &mut found {
            for (other, more) in &docker {
                if config_of(manifest) == config_of(other) {
                    names.extend(more.iter().cloned());
                }
            }
            names.sort();
            names.dedup();
        }
    }
    if found.is_empty() {
        return Err(Error::invalid(what, "neither index.json nor manifest.json is in it, so it is no image archive"));
    }
    if let (Some(given), [(_, names)]) = (given, found.as_mut_slice()) {
        *names = vec![given];
    }
    Ok((contents, found))
}

fn config_of(manifest: &[u8]) -> Option<String> {
    serde_json::from_slice::<Manifest>(manifest).ok().map(|manifest| manifest.config.digest)
}

/// One row of Docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

impl Contents {
    fn add_wasm(&mut self, file: File, path: &Path) -> Result<Vec<u8>, Error> {
        let to = self._scratch.path().join("component");
        let mut reader = Digesting::new(file);
        let mut writer = File::create(&to).map_err(at("make", &to))?;
        io::copy(&mut reader, &mut writer).map_err(at("copy", path))?;
        let (_, digest, size) = reader.finish();
        let documents = wasm_documents(&digest, size, None);
        self.blobs.insert(digest.to_string(), to);
        self.add_document(&documents.config)?;
        Ok(documents.manifest)
    }

    fn add_document(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let digest = Digest::of(bytes);
        let path = self._scratch.path().join(format!("document-{}", self.blobs.len()));
        fs::write(&path, bytes).map_err(at("write", &path))?;
        self.blobs.insert(digest.to_string(), path);
        Ok(())
    }

    /// Takes regular files and links between them; the archive's own paths are only names here.
    fn extract(&mut self, file: File) -> io::Result<()> {
        let mut archive = Archive::new(unpack::decompress(file)?);
        let mut links: Vec<(PathBuf, PathBuf)> = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = tidy(&entry.path()?);
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                    let to = self._scratch.path().join(format!("file-{}", self.files.len()));
                    let mut writer = Digesting::new(File::create_new(&to)?);
                    io::copy(&mut entry, &mut writer)?;
                    let (_, digest, size) = writer.finish();
                    self.blobs.insert(digest.to_string(), to.clone());
                    self.files.insert(name, (to, digest, size));
                }
                // Older `docker save` writes a layer once and links to it.
                EntryType::Symlink | EntryType::Link => {
                    let target = entry.link_name()?.unwrap_or_default().into_owned();
                    let symbolic = entry.header().entry_type() == EntryType::Symlink;
                    let folder = name.parent().filter(|_| symbolic).unwrap_or(Path::new("")).to_path_buf();
                    links.push((name, tidy(&folder.join(target))));
                }
                _ => {}
            }
        }
        for (name, target) in links {
            if let Some(file) = self.files.get(&target).cloned() {
                self.files.insert(name, file);
            }
        }
        Ok(())
    }

    fn document(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some((path, _, _)) = self.files.get(Path::new(name)) else { return Ok(None) };
        fs::read(path).map(Some).map_err(at("read", path))
    }

    fn blob(&self, what: &str, digest: &str) -> Result<Vec<u8>, Error> {
        let path = self.blobs.get(digest).ok_or_else(|| Error::invalid(what, format!("blob {digest} is missing")))?;
        fs::read(path).map_err(at("read", path))
    }

    fn oci_layout(&self, what: &str) -> Result<Found, Error> {
        let Some(index) = self.document("index.json")? else { return Ok(Vec::new()) };
        let index: Index = serde_json::from_slice(&index).map_err(|error| Error::invalid(format!("{what}: index.json"), error))?;
        let mut found: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
        for descriptor in &index.manifests {
            let mut bytes = self.blob(what, &descriptor.digest)?;
            // A name may stand for an index of variants; those that are not for us may be missing.
            for _ in 0..4 {
                let Document::Index(inner) = Document::parse(what, &bytes)? else { break };
                bytes = self.blob(what, &inner.choose(what, Platform::Native)?.digest)?;
            }
            let names = found.entry(bytes).or_default();
            names.extend(layout_name(descriptor)?);
        }
        Ok(found.into_iter().collect())
    }

    /// `make`: the archive has no other manifests, so they are made here, in OCI form.
    fn docker_archive(&mut self, what: &str, make: bool) -> Result<Found, Error> {
        let Some(saved) = self.document("manifest.json")? else { return Ok(Vec::new()) };
        let saved: Vec<Saved> = serde_json::from_slice(&saved).map_err(|error| Error::invalid(format!("{what}: manifest.json"), error))?;
        let mut found = Vec::new();
        for image in saved {
            let descriptor = |name: &str, media_type: &str| {
                let (_, digest, size) =
                    self.files.get(&tidy(Path::new(name))).ok_or_else(|| Error::invalid(what, format!("{name} is missing")))?;
                Ok(Descriptor {
                    media_type: media_type.to_owned(),
                    digest: digest.to_string(),
                    size: *size,
                    annotations: None,
                    platform: None,
                })
            };
            let layers = if make { image.layers } else { Vec::new() };
            let manifest = Manifest {
                schema_version: 2,
                media_type: Some(media::OCI_MANIFEST.to_owned()),
                config: descriptor(&image.config, media::OCI_CONFIG)?,
                layers: layers.iter().map(|layer| descriptor(layer, media::OCI_LAYER)).collect::<Result<_, Error>>()?,
            };
            let names = image.repo_tags.unwrap_or_default();
            let names = names.iter().map(|name| Ok(crate::reference(name)?.whole())).collect::<Result<_, Error>>()?;
            found.push((serde_json::to_vec(&manifest).map_err(|error| Error::invalid(what, error))?, names));
        }
        Ok(found)
    }
}

/// The name that a layout's index gives: containerd's annotation has it in full, the specification's own often only the tag.
fn layout_name(descriptor: &Descriptor) -> Result<Option<String>, Error> {
    let annotation = |name: &str| descriptor.annotations.as_ref().and_then(|annotations| annotations.get(name));
    let name = annotation("io.containerd.image.name").or_else(|| {
        let name = annotation("org.opencontainers.image.ref.name");
        name.filter(|name| name.contains(['/', ':']))
    });
    name.map(|name| Ok(crate::reference(name)?.whole())).transpose()
}

/// A path without `.` and with `..` resolved, as a key.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => tidy.push(name),
            Component::ParentDir => drop(tidy.pop()),
            _ => {}
        }
    }
    tidy
}

#[async_trait]
impl Source for Contents {
    async fn bytes(&self, blob: &Descriptor, _scratch: &Path) -> Result<Vec<u8>, Error> {
        self.blob("archive", &blob.digest)
    }

    async fn file(&self, blob: &Descriptor, scratch: &Path) -> Result<PathBuf, Error> {
        let from = self.blobs.get(&blob.digest);
        let from = from.ok_or_else(|| Error::invalid("archive", format!("blob {} is missing", blob.digest)))?;
        // The same blob may be wanted twice.
        let to = scratch.join("blob");
        fs::hard_link(from, &to).map_err(at("link", from))?;
        Ok(to)
    }
}
