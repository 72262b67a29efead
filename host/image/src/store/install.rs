//! From a manifest and a source of blobs to an image on disk: used by pulls and imports alike.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rustix::fs::FlockOperation;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Store;
use super::index::{Record, sync_folder};
use crate::digest::{Digest, Digesting};
use crate::error::{Error, at};
use crate::model::{ConfigFile, Descriptor, Image, Manifest};
use crate::unpack;

/// Layers fetched at the same time: containerd's and kubelet's registry etiquette (`max_concurrent_downloads`).
const PARALLEL: usize = 3;

/// Where blobs come from.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// A small blob, checked against its digest.
    async fn bytes(&self, blob: &Descriptor, scratch: &Path) -> Result<Vec<u8>, Error>;

    /// A blob as a file, checked against its digest: a new one below `scratch`, or one that may be moved away.
    async fn file(&self, blob: &Descriptor, scratch: &Path) -> Result<PathBuf, Error>;
}

/// What an image is called, in full form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) references: Vec<String>,
    pub(crate) repo_digests: Vec<String>,
}

/// One layer to be made.
#[derive(Clone)]
struct Layer {
    blob: Descriptor,
    diff_id: Digest,
    chain: Digest,
}

impl Store {
    /// Makes sure that all content of the manifest is here, then names the image. On the way nothing is visible.
    pub(crate) async fn install(&self, what: &str, manifest: &[u8], source: Arc<dyn Source>, names: Names) -> Result<Image, Error> {
        let store = self.clone();
        let lock = tokio::task::spawn_blocking(move || store.use_content(FlockOperation::LockShared));
        let _in_use = lock.await.map_err(|error| Error::invalid(what, error))??;
        let digest = Digest::of(manifest);
        let crate::model::Document::Manifest(parsed) = crate::model::Document::parse(what, manifest)? else {
            return Err(Error::invalid(what, "an index where an image manifest was expected"));
        };
        let config_digest = Digest::parse(&parsed.config.digest)?;
        let config = source.bytes(&parsed.config, self.scratch()?.path()).await?;
        let mut record = Record {
            config: config_digest.to_string(),
            size: parsed.config.size + parsed.layers.iter().map(|layer| layer.size).sum::<u64>(),
            ..Record::default()
        };
        if let Some(component) = parsed.wasm_layer() {
            self.make_blob(component, &*source).await?;
            record.wasm = Some(component.digest.clone());
            if let Some(definitions) = parsed.definitions_layer() {
                self.make_blob(definitions, &*source).await?;
                record.definitions = Some(definitions.digest.clone());
            }
        } else {
            let layers = plan(what, &parsed, &config)?;
            record.layers = layers.iter().map(|layer| layer.chain.to_string()).collect();
            self.make_layers(what, layers, source).await?;
        }
        let (store, documents) = (self.clone(), [(config_digest, config), (digest, manifest.to_vec())]);
        let recorded = tokio::task::spawn_blocking(move || store.record(&documents, record, names));
        recorded.await.map_err(|error| Error::invalid(what, error))??.ok_or_else(|| Error::NotFound { reference: what.to_owned() })
    }

    /// All content is here; the documents (configuration and manifest) and the index make it an image.
    fn record(&self, documents: &[(Digest, Vec<u8>); 2], mut record: Record, names: Names) -> Result<Option<Image>, Error> {
        for (digest, bytes) in documents {
            self.put(digest, bytes)?;
        }
        let [_, (digest, _)] = documents;
        for part in ["blobs/sha256", "layers/sha256"] {
            sync_folder(&self.inner.folder.join(part))?;
        }
        self.change(|index| {
            if let Some(known) = index.images.get(digest.as_str()) {
                record.references = known.references.clone();
                record.repo_digests = known.repo_digests.clone();
            }
            for repo_digest in names.repo_digests {
                if !record.repo_digests.contains(&repo_digest) {
                    record.repo_digests.push(repo_digest);
                }
            }
            index.images.insert(digest.to_string(), record);
            for reference in &names.references {
                index.name(digest.as_str(), reference);
            }
            Ok(())
        })?;
        self.get(digest.as_str())
    }

    /// A small file of known content.
    fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        let path = self.blob(digest);
        if path.exists() {
            return Ok(());
        }
        let scratch = self.scratch()?;
        let new = scratch.path().join("blob");
        let mut file = File::create(&new).map_err(at("make", &new))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at("write", &new))?;
        fs::rename(&new, &path).map_err(at("put in place", &path))
    }

    async fn make_blob(&self, blob: &Descriptor, source: &dyn Source) -> Result<(), Error> {
        let path = self.blob(&Digest::parse(&blob.digest)?);
        let maker = self.maker(&blob.digest);
        let _alone = maker.lock().await;
        if path.exists() {
            return Ok(());
        }
        let scratch = self.scratch()?;
        let file = source.file(blob, scratch.path()).await?;
        let placed = tokio::task::spawn_blocking(move || {
            File::open(&file).and_then(|file| file.sync_all()).map_err(at("sync", &file))?;
            fs::rename(&file, &path).map_err(at("put in place", &path))
        });
        placed.await.map_err(|error| Error::invalid(&blob.digest, error))?
    }

    /// Fetches in parallel, unpacks from the lowest up. Two that make the same layers at once wait for each other layer by
    /// layer, always upwards, so neither can hold what the other needs below.
    async fn make_layers(&self, what: &str, layers: Vec<Layer>, source: Arc<dyn Source>) -> Result<(), Error> {
        let gate = Arc::new(Semaphore::new(PARALLEL));
        // Dropping the set ends the fetches when this future is dropped or fails.
        let mut tasks = JoinSet::new();
        let mut ready = Vec::new();
        for layer in &layers {
            let (store, source, gate, layer) = (self.clone(), source.clone(), gate.clone(), layer.clone());
            let (done, fetched) = tokio::sync::oneshot::channel();
            tasks.spawn(async move {
                let _ = done.send(store.fetch_layer(&layer, &*source, &gate).await);
            });
            ready.push(fetched);
        }
        let mut below: Vec<PathBuf> = Vec::new();
        for (layer, fetched) in layers.into_iter().zip(ready) {
            let fetched = fetched.await.map_err(|error| Error::invalid(what, error))??;
            let path = self.layer(&layer.chain);
            if let Some(fetched) = fetched {
                let (store, lowers) = (self.clone(), below.clone());
                let unpacked = tokio::task::spawn_blocking(move || store.unpack_layer(&layer, fetched, &lowers));
                unpacked.await.map_err(|error| Error::invalid(what, error))??;
            }
            below.push(path);
        }
        Ok(())
    }

    /// `None`: the layer is already here.
    async fn fetch_layer(&self, layer: &Layer, source: &dyn Source, gate: &Semaphore) -> Result<Option<Fetched>, Error> {
        let alone = self.maker(layer.chain.as_str()).lock_owned().await;
        if self.layer(&layer.chain).exists() {
            return Ok(None);
        }
        // A closed gate would be our own doing; then there is simply no limit.
        let _turn = gate.acquire().await.ok();
        let scratch = self.scratch()?;
        let file = source.file(&layer.blob, scratch.path()).await?;
        Ok(Some(Fetched { file, scratch, _alone: alone }))
    }

    fn unpack_layer(&self, layer: &Layer, fetched: Fetched, lowers: &[PathBuf]) -> Result<(), Error> {
        let what = format!("layer {}", layer.blob.digest);
        let root = fetched.scratch.path().join("layer");
        fs::create_dir(&root).map_err(at("make", &root))?;
        let archive = File::open(&fetched.file).map_err(at("open", &fetched.file))?;
        let unpacked = (|| {
            let mut archive = Digesting::new(unpack::decompress(archive)?);
            unpack::unpack(&mut archive, lowers, &root)?;
            // What stands behind the end mark belongs to the digest, too.
            io::copy(&mut archive, &mut io::sink())?;
            Ok(archive.finish().1)
        })();
        let actual = unpacked.map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => at("unpack", &root)(error),
            _ => Error::invalid(&what, error),
        })?;
        layer.diff_id.check(&what, actual)?;
        fs::remove_file(&fetched.file).map_err(at("delete", &fetched.file))?;
        // One call for all files of the layer, before it gets its name.
        let folder = File::open(&root).map_err(at("open", &root))?;
        rustix::fs::syncfs(&folder).map_err(io::Error::from).map_err(at("sync", &root))?;
        let path = self.layer(&layer.chain);
        match fs::rename(&root, &path) {
            // Another process was faster.
            Err(_) if path.is_dir() => Ok(()),
            other => other.map_err(at("put in place", &path)),
        }
    }
}

/// A layer's archive on disk, and the right to unpack it.
struct Fetched {
    file: PathBuf,
    scratch: tempfile::TempDir,
    _alone: tokio::sync::OwnedMutexGuard<()>,
}

/// Pairs layers with the digests that the configuration promises for their contents.
fn plan(what: &str, manifest: &Manifest, config: &[u8]) -> Result<Vec<Layer>, Error> {
    let diff_ids = ConfigFile::parse(what, config)?.diff_ids()?;
    if diff_ids.len() != manifest.layers.len() {
        let reason = format!("the manifest has {} layers, its configuration {}", manifest.layers.len(), diff_ids.len());
        return Err(Error::invalid(what, reason));
    }
    let mut layers: Vec<Layer> = Vec::with_capacity(diff_ids.len());
    for (blob, diff_id) in manifest.layers.iter().zip(diff_ids) {
        Digest::parse(&blob.digest)?;
        let chain = match layers.last() {
            None => diff_id.clone(),
            Some(below) => Digest::of(format!("{} {diff_id}", below.chain).as_bytes()),
        };
        layers.push(Layer { blob: blob.clone(), diff_id, chain });
    }
    Ok(layers)
}
