//! Components that were built before, by what they were made of.

use crate::paths;
use anyhow::{Context, Result};
use author::Project;
use author::contract::Contract;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Where the component is, if these sources were built by this recipe before: `<cache>/guests/NAME-HASH.wasm`.
pub fn place(recipe: &[&str], project: &Project, shared: &[PathBuf]) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    for word in recipe {
        add(&mut hash, "recipe", word.as_bytes());
    }
    for place in std::iter::once(project.folder.as_path()).chain(shared.iter().map(PathBuf::as_path)) {
        for (file, bytes) in files(place)? {
            add(&mut hash, &file, &bytes);
        }
    }
    add(&mut hash, "contract", &stamp(project)?);
    let hash = hex::encode(hash.finalize());
    Ok(folder().join(format!("{}-{}.wasm", project.settings.name, hash.get(..20).unwrap_or(&hash))))
}

/// Differs for contracts that a guest can tell apart: a change in another world is none.
fn stamp(project: &Project) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if !project.is_workload() {
        author::component::embed(&mut bytes, &Contract::folder(&project.wit())?, project.world(), &project.settings.name)?;
    } else if project.settings.wit.is_some() {
        bytes.extend(files(&project.wit())?.into_iter().flat_map(|(_, text)| text));
    }
    Ok(bytes)
}

/// Keeps a new component, and of the older ones of the guest the last few: branches are switched to and fro.
pub fn keep(component: &Path, place: &Path) -> Result<()> {
    std::fs::create_dir_all(folder())?;
    let part = place.with_extension(format!("part{}", std::process::id()));
    std::fs::copy(component, &part).with_context(|| format!("cannot keep {}", component.display()))?;
    std::fs::rename(part, place)?;
    let Some((name, _)) = place.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('-')) else { return Ok(()) };
    let mut others: Vec<_> =
        std::fs::read_dir(folder())?.flatten().filter(|file| is_of(&file.file_name().to_string_lossy(), name)).collect();
    others.sort_by_key(|file| std::cmp::Reverse(file.metadata().and_then(|metadata| metadata.modified()).ok()));
    for old in others.into_iter().skip(4) {
        std::fs::remove_file(old.path())?;
    }
    Ok(())
}

fn is_of(file: &str, name: &str) -> bool {
    file.strip_suffix(".wasm").and_then(|file| file.rsplit_once('-')).is_some_and(|(of, _)| of == name)
}

fn folder() -> PathBuf {
    paths::cache().join("guest-components")
}

/// Every part with its length: two lists of files never look alike.
fn add(hash: &mut Sha256, name: &str, bytes: &[u8]) {
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// Names, relative to `place`, and contents, sorted. Documents and manifests do not make a component.
fn files(place: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut folders = vec![place.to_path_buf()];
    while let Some(at) = folders.pop() {
        if at.is_dir() && ["build", "node_modules", "cases"].iter().any(|name| at.ends_with(name)) {
            continue;
        }
        if at.is_dir() {
            folders.extend(std::fs::read_dir(&at)?.flatten().map(|entry| entry.path()));
        } else if !at.extension().is_some_and(|end| end == "md" || end == "yaml" || end == "pyc") {
            let bytes = std::fs::read(&at).with_context(|| format!("cannot read {}", at.display()))?;
            let name = at.strip_prefix(place.parent().unwrap_or(place)).unwrap_or(&at);
            found.push((name.to_string_lossy().into_owned(), bytes));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_components_of_the_same_guest_are_known() {
        for (file, name, expect) in [
            ("c-filter-0123.wasm", "c-filter", true),
            ("c-filter-0123.part7", "c-filter", false),
            ("javascript-filter-0123.wasm", "filter", false),
            ("c-filter.wasm", "c-filter", false),
        ] {
            assert_eq!(is_of(file, name), expect, "{file} of {name}");
        }
    }

    #[test]
    fn names_and_contents_cannot_be_mixed_up() {
        let hash = |parts: &[(&str, &str)]| {
            let mut hash = Sha256::new();
            parts.iter().for_each(|(name, text)| add(&mut hash, name, text.as_bytes()));
            hash.finalize()
        };
        assert_ne!(hash(&[("a", "bc")]), hash(&[("ab", "c")]));
        assert_ne!(hash(&[("a", "")]), hash(&[("a", ""), ("", "")]));
    }
}
