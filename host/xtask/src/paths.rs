//! Where things are: the workspace, and a cache outside it that every clone shares.

use std::path::{Path, PathBuf};

/// The workspace's root: of the clone that cargo runs in now, which may have been built by another that shares its target
/// directory.
pub fn root() -> PathBuf {
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).filter(|here| here.ends_with("host/xtask"));
    let here = told.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    here.parent().and_then(Path::parent).unwrap_or(&here).to_path_buf()
}

/// `$CORACLE_CACHE`, or `coracle` in the user's cache directory: tools, the guest toolchain and test images.
pub fn cache() -> PathBuf {
    if let Some(dir) = std::env::var_os("CORACLE_CACHE") {
        return dir.into();
    }
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("coracle")
}

/// Programs that tests drive: kubectl, helm, a registry.
pub fn tools() -> PathBuf {
    cache().join("tools/bin")
}

/// Client libraries of a language that tests drive: `python`, `node`.
pub fn modules(language: &str) -> PathBuf {
    cache().join("tools").join(language)
}

/// Where built guests are put: `<workspace target>/guests/NAME.wasm`.
pub fn guests() -> PathBuf {
    target().join("guests")
}

/// Images made from distribution packages: `NAME.tar`.
pub fn images() -> PathBuf {
    cache().join("images")
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
