//! Where the things are that the harness needs. Environment variables win over the places that `cargo xtask` fills.

use std::path::{Path, PathBuf};

/// `$CORACLE_BIN`, or `coracle` beside the test binary's folder.
pub fn coracle() -> PathBuf {
    existing(from_env("CORACLE_BIN").unwrap_or_else(|| profile().join("coracle")), "cargo build -p cli")
}

/// A client of `$CORACLE_TOOLS`: `kubectl`, `helm`, `docker-registry`.
pub fn tool(name: &str) -> PathBuf {
    existing(from_env("CORACLE_TOOLS").unwrap_or_else(|| cache().join("tools/bin")).join(name), "cargo xtask setup")
}

/// Client libraries of a language beside `$CORACLE_TOOLS`: `python`, `node`.
pub fn modules(language: &str) -> PathBuf {
    let tools = from_env("CORACLE_TOOLS").unwrap_or_else(|| cache().join("tools/bin"));
    let dir = tools.parent().map_or_else(|| tools.join(language), |above| above.join(language));
    existing(dir.join(".installed"), "cargo xtask setup");
    dir
}

/// A built guest of `$CORACLE_GUESTS`, by the name of its crate.
pub fn guest(name: &str) -> PathBuf {
    existing(guests().join(format!("{name}.wasm")), "cargo xtask guests")
}

pub fn guests() -> PathBuf {
    let target = || profile().parent().map_or_else(|| root().join("target"), Path::to_path_buf);
    from_env("CORACLE_GUESTS").unwrap_or_else(|| target().join("guests"))
}

/// An image archive of `$CORACLE_IMAGES`.
pub fn image(file: &str) -> PathBuf {
    existing(from_env("CORACLE_IMAGES").unwrap_or_else(|| cache().join("images")).join(file), "cargo xtask setup")
}

/// The Rust compiler that has the standard library of guests: that of `cargo xtask setup`, or the user's own.
pub fn guest_rustc() -> PathBuf {
    let made = cache().join("guest-toolchain/bin/rustc");
    if made.is_file() { made } else { from_env("RUSTC").unwrap_or_else(|| "rustc".into()) }
}

/// The workspace's root.
pub fn root() -> PathBuf {
    // As cargo says now: another clone that shares the target directory may have built this.
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).filter(|here| here.ends_with("tests"));
    let here = told.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    here.parent().unwrap_or(&here).to_path_buf()
}

/// A folder below cargo's own for what tests make.
pub fn scratch(name: &str) -> PathBuf {
    let dir = profile().parent().map_or_else(std::env::temp_dir, |target| target.join("tmp")).join(name);
    std::fs::create_dir_all(&dir).expect("the target folder can be written");
    dir
}

/// `<target>/debug`: the test binary is in `deps` below it.
fn profile() -> PathBuf {
    let binary = std::env::current_exe().expect("the test binary has a path");
    let deps = binary.parent().expect("the test binary is in a folder");
    deps.parent().expect("the test binary is in target/PROFILE/deps").to_path_buf()
}

/// What `cargo xtask setup` keeps between runs.
pub fn cache() -> PathBuf {
    if let Some(dir) = from_env("CORACLE_CACHE") {
        return dir;
    }
    let home = || from_env("HOME").map(|home| home.join(".cache"));
    from_env("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("coracle")
}

fn from_env(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn existing(path: PathBuf, cure: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing: run `{cure}`, or `cargo xtask test`, which does all of it", path.display());
    path
}
