//! The contract as files, as the tools of the languages want it: the plugins' own, and WASI's as the crate `wasip2` carries it.

use super::World;
use crate::{paths, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Names, relative to a folder, and texts; none where no tool asks for them.
pub fn sources(world: World) -> Result<Vec<(String, String)>> {
    match world {
        World::Plugin(_) => plugin(),
        World::Command | World::Part(_) => Ok(Vec::new()),
        World::Proxy => wasi(),
    }
}

/// Differs for contracts that a guest can tell apart: a change in another world is none.
pub fn stamp(world: World) -> Result<Vec<u8>> {
    if matches!(world, World::Plugin(_) | World::Part(_)) {
        let mut bytes = Vec::new();
        super::component::embed(&mut bytes, world)?;
        return Ok(bytes);
    }
    Ok(sources(world)?.into_iter().flat_map(|(name, text)| [name, text]).collect::<String>().into_bytes())
}

/// Writes them into a folder.
pub fn lay(world: World, folder: &Path) -> Result<()> {
    for (name, text) in sources(world)? {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap_or(folder))?;
        std::fs::write(file, text)?;
    }
    Ok(())
}

/// `wit/`.
pub fn contract() -> PathBuf {
    paths::root().join("wit")
}

/// Worlds that are parts of the contract.
pub fn parts() -> PathBuf {
    paths::root().join("guest-examples/wit")
}

fn plugin() -> Result<Vec<(String, String)>> {
    let mut found = texts(&contract(), "")?;
    let deps = contract().join("deps");
    if deps.is_dir() {
        for entry in std::fs::read_dir(deps)?.flatten() {
            let name = format!("deps/{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true => found.extend(texts(&entry.path(), &format!("{name}/"))?),
                false => found.push((name, std::fs::read_to_string(entry.path())?)),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `wasi:http` with what it depends on.
fn wasi() -> Result<Vec<(String, String)>> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    let folder = match FOUND.get() {
        Some(folder) => folder,
        None => FOUND.get_or_init({
            let found = package("guest-examples", "wasip2")?;
            || found
        }),
    };
    let mut found = texts(&folder.join("wit/deps"), "deps/")?;
    for (name, _) in &mut found {
        if name == "deps/http.wit" {
            "http.wit".clone_into(name);
        }
    }
    Ok(found)
}

/// Where the sources of a locked dependency of a workspace are.
pub fn package(workspace: &str, name: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform=wasm32-wasip2"])
        .current_dir(paths::root().join(workspace));
    let told: serde_json::Value = serde_json::from_str(&run::output(&mut cargo)?)?;
    let packages = told.get("packages").and_then(|packages| packages.as_array()).context("cargo metadata told no packages")?;
    let is_it = |package: &&serde_json::Value| package.get("name").is_some_and(|it| it == name);
    let found = packages.iter().find(is_it).and_then(|package| package.get("manifest_path")?.as_str());
    let manifest = found.with_context(|| format!("{name} is no dependency in {workspace}"))?;
    Ok(Path::new(manifest).parent().context("a manifest is in a folder")?.to_path_buf())
}

fn texts(folder: &Path, prefix: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?.flatten() {
        if entry.path().extension().is_some_and(|end| end == "wit") {
            found.push((format!("{prefix}{}", entry.file_name().to_string_lossy()), std::fs::read_to_string(entry.path())?));
        }
    }
    found.sort();
    Ok(found)
}
