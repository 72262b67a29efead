//! The plugin contract of this version: `wit/`, embedded.

use crate::Error;
use crate::embedded::WIT;
use crate::error::at;
use std::path::{Path, PathBuf};
use wit_parser::{Resolve, UnresolvedPackageGroup, World, WorldId, WorldItem, WorldKey};

/// The package that all worlds are in.
pub const PACKAGE: &str = "coracle:plugin";

/// Files by their path below `wit/`, sorted.
pub fn files() -> &'static [(&'static str, &'static str)] {
    WIT
}

/// The contract's place in a folder whose own WIT has a world of its own.
pub const BELOW: &str = "deps/coracle-plugin";

/// Writes the contract into `folder`, a project's `wit/`. What a plugin's author changed there is overwritten: the contract is
/// not theirs.
///
/// # Errors
/// `File`.
pub fn write(folder: &Path) -> Result<(), Error> {
    let below = folder.join(BELOW);
    let folder = if below.is_dir() { &below } else { folder };
    crate::template::write_all(folder, files().iter().map(|(name, text)| (PathBuf::from(name), (*text).to_owned())))
}

/// The contract, resolved.
pub struct Contract {
    pub resolve: Resolve,
    pub package: wit_parser::PackageId,
}

/// One world's names: interfaces without version (`coracle:plugin/filter`), sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub world: String,
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

impl Contract {
    /// The embedded one.
    ///
    /// # Errors
    /// `Contract`; a test shows that it does not happen.
    pub fn embedded() -> Result<Self, Error> {
        Self::of(files().iter().map(|(name, text)| (PathBuf::from(name), (*text).to_owned())).collect())
    }

    /// Of a folder such as a project's `wit/`.
    ///
    /// # Errors
    /// `Contract`.
    pub fn folder(folder: &Path) -> Result<Self, Error> {
        let mut resolve = Resolve::default();
        let failed = |cause: &dyn std::fmt::Display| Error::Contract { what: folder.display().to_string(), cause: cause.to_string() };
        std::fs::read_dir(folder).map_err(at("read", folder))?;
        let (package, _) = resolve.push_dir(folder).map_err(|error| failed(&format!("{error:#}")))?;
        Ok(Self { resolve, package })
    }

    /// Of one text, called `name` in errors.
    ///
    /// # Errors
    /// `Contract`.
    pub fn text(name: &str, text: &str) -> Result<Self, Error> {
        Self::of(vec![(PathBuf::from(name), text.to_owned())])
    }

    fn of(files: Vec<(PathBuf, String)>) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Contract { what: "wit/".to_owned(), cause: error.to_string() };
        let mut resolve = Resolve::default();
        // Dependencies first; `deps/NAME/*.wit` is a package each.
        let (deps, own): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| name.starts_with("deps"));
        let mut groups: std::collections::BTreeMap<PathBuf, wit_parser::SourceMap> = std::collections::BTreeMap::new();
        for (name, text) in deps {
            let group = name.parent().unwrap_or(Path::new("")).to_owned();
            groups.entry(group).or_default().push_str(&name.to_string_lossy(), text);
        }
        let mut parsed: Vec<UnresolvedPackageGroup> = Vec::new();
        for (_, map) in groups {
            parsed.push(map.parse().map_err(|(_, error)| failed(&error))?);
        }
        let mut map = wit_parser::SourceMap::new();
        for (name, text) in own {
            map.push_str(&name.to_string_lossy(), text);
        }
        let main = map.parse().map_err(|(_, error)| failed(&error))?;
        let package = resolve.push_groups(main, parsed).map_err(|error| failed(&error))?;
        Ok(Self { resolve, package })
    }

    /// All worlds, in the order of the contract.
    pub fn worlds(&self) -> Vec<Names> {
        let Some(package) = self.resolve.packages.get(self.package) else { return Vec::new() };
        package.worlds.values().filter_map(|id| self.names(*id)).collect()
    }

    fn names(&self, id: WorldId) -> Option<Names> {
        let world: &World = self.resolve.worlds.get(id)?;
        let of = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
            let mut names: Vec<String> = items.map(|(key, _)| base(&self.resolve.name_world_key(key)).to_owned()).collect();
            names.sort();
            names
        };
        Some(Names { world: world.name.clone(), imports: of(&mut world.imports.iter()), exports: of(&mut world.exports.iter()) })
    }

    /// `coracle:plugin@1.1.0`.
    pub fn version(&self) -> String {
        self.resolve.packages.get(self.package).map(|package| package.name.to_string()).unwrap_or_default()
    }
}

/// `coracle:plugin/log@1.0.0` → `coracle:plugin/log`.
pub fn base(name: &str) -> &str {
    name.split_once('@').map_or(name, |(base, _)| base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_contract_is_whole() {
        let contract = Contract::embedded().unwrap();
        assert!(contract.version().starts_with("coracle:plugin@"), "{}", contract.version());
        let filter = contract.worlds().into_iter().find(|names| names.world == "scheduler-filter").unwrap();
        assert!(filter.exports.contains(&"coracle:plugin/filter".to_owned()), "{filter:?}");
        assert!(filter.imports.contains(&"coracle:plugin/log".to_owned()), "{filter:?}");
    }

    #[test]
    fn a_written_contract_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        assert_eq!(Contract::folder(folder.path()).unwrap().worlds(), Contract::embedded().unwrap().worlds());
    }
}
