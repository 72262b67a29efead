//! From a component file to something that can be instantiated: what it is, what it imports, its compiled code.
//!
//! Compiled code is kept on disk by (engine hash, digest of the component) and mapped from there, so a component is compiled
//! once per node and version of the engine. The directory is the trust boundary: it is ours alone (mode 0700).
#![allow(unsafe_code)] // `Component::deserialize_file` and `malloc_trim`: see there.

mod growth;

use crate::engine::Engine;
use interfaces::schedule::PluginError;
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::component::Component;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{what} is not WebAssembly: it begins with {found}")]
    NotWasm { what: String, found: String },
    #[error(
        "{what} is a core module, not a component: build it for wasm32-wasip2, or turn it into one with \
         `wasm-tools component new --adapt`"
    )]
    CoreModule { what: String },
    #[error("{what} is a WebAssembly component of an encoding that this version does not know (0x{version:04x})")]
    Encoding { what: String, version: u16 },
    #[error("{what} cannot be compiled: {cause}")]
    Compile { what: String, cause: String },
    #[error("{what} is larger than {} MiB", LARGEST >> 20)]
    TooLarge { what: String },
    #[error("{what} is made of {count} instances; at most {} are allowed", growth::INSTANCES)]
    TooMany { what: String, count: String },
    #[error("{what} imports {} which {offer}", .imports.join(", "))]
    NotGranted { what: String, imports: Vec<String>, offer: String },
    #[error("{what} does not fit the interfaces of this version: {cause}")]
    Mismatch { what: String, cause: String },
    #[error("{what} exports none of {}: there is nothing to run", .wanted.join(", "))]
    NoExport { what: String, wanted: Vec<&'static str> },
    #[error("{what} cannot be started: {cause}")]
    Start { what: String, cause: PluginError },
    #[error("{what}: {cause}")]
    Settings { what: String, cause: String },
    #[error("cannot use the code cache {path}: {source}")]
    Cache { path: PathBuf, source: std::io::Error },
}

/// Bytes of a component. CPython with its library is 18 MiB; compiling takes ten times the memory.
const LARGEST: u64 = 128 << 20;

/// Compiles one component at a time: cranelift is parallel inside, and takes tens of MiB.
pub struct Cache {
    engine: Engine,
    directory: PathBuf,
    compiling: Semaphore,
}

impl Cache {
    /// A cache below `root`, in a directory named by the engine's hash.
    ///
    /// # Errors
    /// `Cache` when the directory cannot be made.
    pub fn new(engine: Engine, root: &Path) -> Result<Arc<Self>, Error> {
        let mut hash = StableHasher::default();
        engine.wasmtime().precompile_compatibility_hash().hash(&mut hash);
        let directory = root.join(hex::encode(hash.finish().to_be_bytes()));
        let failed = |source| Error::Cache { path: directory.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
        Ok(Arc::new(Self { engine, directory, compiling: Semaphore::new(1) }))
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The component at `path`. `digest` names its content (`sha256:<hex>`); empty: it is computed. `what` names it in errors.
    ///
    /// # Errors
    /// `Read`, `NotWasm`, `CoreModule`, `Encoding`, `Compile`, `Cache`.
    pub async fn load(self: &Arc<Self>, path: &Path, digest: &str, what: &str) -> Result<Component, Error> {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        if is_hex(hex)
            && let Some(component) = self
                .blocking({
                    let hex = hex.to_owned();
                    move |cache| Ok(cache.open(&hex))
                })
                .await?
        {
            return Ok(component);
        }
        // Closed never: the semaphore lives as long as the cache.
        let _one = self.compiling.acquire().await;
        let (path, hex, what) = (path.to_owned(), hex.to_owned(), what.to_owned());
        self.blocking(move |cache| {
            let failed = |source| Error::Read { path: path.clone(), source };
            if std::fs::metadata(&path).map_err(failed)?.len() > LARGEST {
                return Err(Error::TooLarge { what });
            }
            let bytes = std::fs::read(&path).map_err(failed)?;
            let hex = if is_hex(&hex) { hex } else { hex::encode(Sha256::digest(&bytes)) };
            // Another one may have compiled it while this one waited.
            match cache.open(&hex) {
                Some(component) => Ok(component),
                None => cache.compile(&bytes, &hex, &what),
            }
        })
        .await
    }

    /// The component in a file, and its digest, which is computed: the file may change.
    ///
    /// # Errors
    /// As [`Cache::load`].
    pub async fn load_file(self: &Arc<Self>, path: &Path, what: &str) -> Result<(Component, String), Error> {
        let bytes = tokio::fs::read(path).await.map_err(|source| Error::Read { path: path.to_owned(), source })?;
        self.load_bytes(bytes, what).await
    }

    /// The component in `bytes`, and its digest.
    ///
    /// # Errors
    /// As [`Cache::load`], but for `Read`.
    pub async fn load_bytes(self: &Arc<Self>, bytes: Vec<u8>, what: &str) -> Result<(Component, String), Error> {
        let what = what.to_owned();
        let known = self
            .blocking(move |cache| {
                let hex = hex::encode(Sha256::digest(&bytes));
                Ok((cache.open(&hex), hex, bytes))
            })
            .await?;
        let (component, hex, bytes) = known;
        let digest = format!("sha256:{hex}");
        if let Some(component) = component {
            return Ok((component, digest));
        }
        // Closed never: the semaphore lives as long as the cache.
        let _one = self.compiling.acquire().await;
        let compile = move |cache: &Self| match cache.open(&hex) {
            Some(component) => Ok(component),
            None => cache.compile(&bytes, &hex, &what),
        };
        Ok((self.blocking(compile).await?, digest))
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let cache = self.clone();
        tokio::task::spawn_blocking(move || work(&cache))
            .await
            .unwrap_or_else(|join| Err(Error::Compile { what: "the component".to_owned(), cause: join.to_string() }))
    }

    fn file(&self, hex: &str) -> PathBuf {
        self.directory.join(format!("{hex}.cwasm"))
    }

    fn open(&self, hex: &str) -> Option<Component> {
        let path = self.file(hex);
        if !path.exists() {
            return None;
        }
        // SAFETY: the file is what `Component::serialize` gave to this program: `write` is the only writer, it renames complete
        // and synced files into a directory that only we may write to, and the directory is named by the engine's hash.
        match unsafe { Component::deserialize_file(self.engine.wasmtime(), &path) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code cannot be used; compiling again");
                None
            }
        }
    }

    fn compile(&self, bytes: &[u8], hex: &str, what: &str) -> Result<Component, Error> {
        check_kind(bytes, what)?;
        // The compiler says what is wrong with what cannot be read.
        let count = growth::instances(bytes).unwrap_or_default();
        if count > growth::INSTANCES {
            let count = if count == u64::MAX { "countless".to_owned() } else { count.to_string() };
            return Err(Error::TooMany { what: what.to_owned(), count });
        }
        let failed = |error: wasmtime::Error| Error::Compile { what: what.to_owned(), cause: format!("{error:#}") };
        let code = self.engine.wasmtime().precompile_component(bytes).map_err(failed)?;
        self.write(hex, &code).map_err(|source| Error::Cache { path: self.file(hex), source })?;
        drop(code);
        give_memory_back();
        // Mapped from the file, so that the code is page cache rather than our memory.
        self.open(hex).ok_or_else(|| Error::Cache { path: self.file(hex), source: std::io::ErrorKind::InvalidData.into() })
    }

    fn write(&self, hex: &str, code: &[u8]) -> std::io::Result<()> {
        // Unique: the agent and the wasm host share the directory.
        let temporary = self.directory.join(format!("{hex}.{}.tmp", std::process::id()));
        let mut file = std::fs::File::create(&temporary)?;
        let written = file.write_all(code).and_then(|()| file.sync_all());
        written.and_then(|()| std::fs::rename(&temporary, self.file(hex))).inspect_err(|_| drop(std::fs::remove_file(&temporary)))
    }
}

/// Compiling takes tens of MiB in many small pieces, which the allocator would keep for ever.
#[cfg(target_env = "gnu")]
fn give_memory_back() {
    // SAFETY: `malloc_trim` has no preconditions; it locks each arena while it works on it.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn give_memory_back() {}

fn is_hex(digest: &str) -> bool {
    digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Refuses what is not a component, by its first eight bytes (component-model `design/mvp/Binary.md`).
pub fn check_kind(bytes: &[u8], what: &str) -> Result<(), Error> {
    let what = what.to_owned();
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(Error::CoreModule { what }),
        [0, b'a', b's', b'm', low, high, ..] => Err(Error::Encoding { what, version: u16::from_le_bytes([*low, *high]) }),
        [] => Err(Error::NotWasm { what, found: "nothing, the file is empty".to_owned() }),
        _ => {
            let head = bytes.get(..4).unwrap_or(bytes);
            Err(Error::NotWasm { what, found: format!("0x{}", hex::encode(head)) })
        }
    }
}

/// Names of what `component` imports, as in WIT: `wasi:sockets/tcp@0.2.3`.
pub fn imports(component: &Component, engine: &Engine) -> Vec<String> {
    component.component_type().imports(engine.wasmtime()).map(|(name, _)| name.to_owned()).collect()
}

/// Names of what `component` exports, as in WIT.
pub fn exported(component: &Component, engine: &Engine) -> Vec<String> {
    component.component_type().exports(engine.wasmtime()).map(|(name, _)| name.to_owned()).collect()
}

/// Whether `component` exports interface `name` (without version), in any version.
pub fn exports(component: &Component, engine: &Engine, name: &str) -> bool {
    component.component_type().exports(engine.wasmtime()).any(|(export, _)| base(export) == name)
}

/// `wasi:sockets/tcp@0.2.3` → `wasi:sockets/tcp`.
pub fn base(name: &str) -> &str {
    name.split_once('@').map_or(name, |(base, _)| base)
}

/// The same in every build, unlike `DefaultHasher`.
#[derive(Default)]
struct StableHasher(Sha256);

impl Hasher for StableHasher {
    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Option<&str>) {
        let error = check_kind(bytes, "image web:1").err().map(|e| e.to_string());
        match expect {
            None => assert_eq!(error, None),
            Some(part) => assert!(error.as_deref().is_some_and(|e| e.contains(part)), "{error:?}"),
        }
    }

    #[test]
    fn kinds_of_files() {
        check(b"\0asm\x0d\0\x01\0rest", None);
        check(b"\0asm\x01\0\0\0rest", Some("image web:1 is a core module, not a component: build it for wasm32-wasip2"));
        check(b"\0asm\x0e\0\x01\0", Some("encoding that this version does not know (0x000e)"));
        check(b"#!/bin/sh\n", Some("is not WebAssembly: it begins with 0x23212f62"));
        check(b"", Some("the file is empty"));
        check(b"\0a", Some("0x0061"));
    }

    #[test]
    fn names_without_version() {
        assert_eq!(base("wasi:sockets/tcp@0.2.3"), "wasi:sockets/tcp");
        assert_eq!(base("coracle:plugin/log"), "coracle:plugin/log");
    }
}
