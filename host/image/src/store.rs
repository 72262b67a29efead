//! Images on disk. Layout below the store's folder:
//! `index.json` names and contents of images; `blobs/sha256/<hex>` manifests, configurations and wasm components;
//! `layers/sha256/<hex>` unpacked layers by chain id; `signatures/sha256/<hex>` of images by digest; `tmp/` what is on its way; two lock files.
//!
//! A layer's folder is named by its chain id (OCI image-spec config.md), which names the layers below it, too, because folders
//! that an archive leaves out take their attributes from there.

mod index;
mod install;
mod temporary;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rustix::fs::FlockOperation;

use self::index::{Index, Record};
pub(crate) use self::install::{Names, Source};
use self::temporary::Temporary;
use crate::digest::Digest;
use crate::error::{Error, at};
use crate::model::{ConfigFile, Image, Kind};

/// A content store; clones share it. Usable from several processes at once.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    temporary: Temporary,
    /// One task at a time makes a content; the others find it made.
    making: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Store {
    /// Opens or makes a store, and removes what killed processes left under way.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        for part in ["blobs/sha256", "layers/sha256", "tmp"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).map_err(at("make", &part))?;
        }
        // Layers hold set-user-id programs: not for others to run.
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&folder, owner_only).map_err(at("set the mode of", &folder))?;
        index::locked(&folder, |index| index.check(&folder))?;
        let temporary = Temporary::new(&folder)?;
        Ok(Self { inner: Arc::new(Inner { folder, temporary, making: Mutex::default() }) })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// By a name as users write it, by its digest, or by the digest of its configuration (Docker's image id). `None`: not here.
    pub fn get(&self, name: &str) -> Result<Option<Image>, Error> {
        let index = index::read(&self.inner.folder)?;
        let found = index.find(name)?;
        found.map(|(digest, record)| self.image(digest, record)).transpose()
    }

    /// All images, ordered by digest.
    pub fn list(&self) -> Result<Vec<Image>, Error> {
        let index = index::read(&self.inner.folder)?;
        index.images.iter().map(|(digest, record)| self.image(digest, record)).collect()
    }

    /// Takes away a name, and with its last name the image; a digest takes it with all names. False: there was none.
    /// Content stays until [`Store::prune`].
    pub fn remove(&self, name: &str) -> Result<bool, Error> {
        self.change(|index| index.remove(name))
    }

    /// Gives an image one more name.
    pub fn tag(&self, name: &str, new: &str) -> Result<(), Error> {
        let new = crate::reference(new)?.whole();
        self.change(|index| {
            let digest = index.find(name)?.map(|(digest, _)| digest.clone());
            let digest = digest.ok_or_else(|| Error::NotFound { reference: name.to_owned() })?;
            index.name(&digest, &new);
            Ok(())
        })
    }

    /// Deletes content that no image uses, and gives the count of files and layers deleted. Does nothing while any process
    /// pulls or imports.
    pub fn prune(&self) -> Result<usize, Error> {
        let Some(_alone) = self.use_content(FlockOperation::NonBlockingLockExclusive)? else { return Ok(0) };
        let index = index::read(&self.inner.folder)?;
        let mut used: HashSet<PathBuf> = HashSet::new();
        for (digest, record) in &index.images {
            let blobs = [Some(digest.clone()), Some(record.config.clone()), record.wasm.clone(), record.definitions.clone()];
            for blob in blobs.into_iter().flatten() {
                used.insert(self.blob(&Digest::parse(&blob)?));
            }
            for layer in &record.layers {
                used.insert(self.layer(&Digest::parse(layer)?));
            }
        }
        let mut deleted = 0;
        for part in ["blobs/sha256", "layers/sha256"] {
            let part = self.inner.folder.join(part);
            for entry in fs::read_dir(&part).map_err(at("list", &part))? {
                let path = entry.map_err(at("list", &part))?.path();
                if !used.contains(&path) {
                    self.inner.temporary.discard(&path)?;
                    deleted += 1;
                }
            }
        }
        Ok(deleted)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Index) -> Result<T, Error>) -> Result<T, Error> {
        index::locked(&self.inner.folder, change)
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        digest.below(&self.inner.folder.join("blobs"))
    }

    fn layer(&self, chain: &Digest) -> PathBuf {
        chain.below(&self.inner.folder.join("layers"))
    }

    fn image(&self, digest: &str, record: &Record) -> Result<Image, Error> {
        let path = self.blob(&Digest::parse(&record.config)?);
        let config = fs::read(&path).map_err(at("read", &path))?;
        // An artifact's configuration may be anything.
        let config = match ConfigFile::parse(digest, &config) {
            Ok(config) => config.into_config(),
            Err(_) if record.wasm.is_some() => crate::Config::default(),
            Err(error) => return Err(error),
        };
        let kind = match &record.wasm {
            Some(component) => Kind::Wasm { component: self.blob(&Digest::parse(component)?) },
            None => {
                let layers = record.layers.iter().map(|chain| Ok(self.layer(&Digest::parse(chain)?)));
                Kind::Oci { layers: layers.collect::<Result<_, Error>>()? }
            }
        };
        Ok(Image {
            digest: digest.to_owned(),
            references: record.references.clone(),
            repo_digests: record.repo_digests.clone(),
            config,
            kind,
            size: record.size,
            definitions: record.definitions.as_ref().map(|digest| Ok::<_, Error>(self.blob(&Digest::parse(digest)?))).transpose()?,
        })
    }

    /// Shared by who makes content, exclusive for who deletes it. `None`: someone else has it otherwise.
    fn use_content(&self, how: FlockOperation) -> Result<Option<File>, Error> {
        let path = self.inner.folder.join("content.lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at("open", &path))?;
        match rustix::fs::flock(&file, how) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(at("lock", &path)(io::Error::from(error))),
        }
    }

    fn maker(&self, content: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut making = self.inner.making.lock();
        making.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = making.get(content).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        making.insert(content.to_owned(), Arc::downgrade(&lock));
        lock
    }

    /// What was imported from a folder, by path: length and time of change, so that it is not read again at each start.
    pub(crate) fn imported(&self) -> Result<BTreeMap<String, (u64, i64)>, Error> {
        Ok(index::read(&self.inner.folder)?.imported)
    }

    pub(crate) fn note_imported(&self, path: &Path, state: (u64, i64)) -> Result<(), Error> {
        let path = path.display().to_string();
        self.change(|index| {
            index.imported.insert(path, state);
            Ok(())
        })
    }

    /// A folder of its own under `tmp/`, removed when dropped.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, Error> {
        self.inner.temporary.scratch()
    }
}
