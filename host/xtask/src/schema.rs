//! `cargo xtask schema`: turns the facts of two pinned crates into the table that `registry` embeds.
//!
//! `k8s-openapi` knows JSON names, JSON types, what is required and the descriptions; `k8s-pb` knows protobuf tags and the
//! comment markers (`+listType`, `+listMapKey`, `+patchStrategy`, `+patchMergeKey`, `+structType`, `+mapType`, `+default`).
//! Both are read as source text, so neither is compiled here.
//!
//! The table is decoded by `host/registry/src/graph.rs`; its form is told there.

mod encode;
mod openapi;
mod protobuf;

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release of Kubernetes whose types are taken: a module of `k8s-openapi`.
const RELEASE: &str = "v1_37";

/// One definition, as both crates tell it.
#[derive(Debug)]
pub(crate) struct Definition {
    pub name: String,
    pub description: String,
    pub shape: DefinitionShape,
}

#[derive(Debug)]
pub(crate) enum DefinitionShape {
    Struct {
        fields: Vec<FieldFacts>,
        atomic: bool,
    },
    /// A named type that is no struct in JSON.
    Leaf(Json),
}

#[derive(Debug)]
pub(crate) struct FieldFacts {
    pub name: String,
    pub description: String,
    pub json: Json,
    pub required: bool,
    /// JSON text.
    pub default: Option<String>,
    pub atomic: bool,
    pub retain_keys: bool,
    pub tag: u32,
}

/// The JSON form of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Json {
    /// A definition by name.
    Named(String),
    Map {
        value: Box<Json>,
        atomic: bool,
    },
    List {
        item: Box<Json>,
        kind: ListKind,
        merge: Option<Option<String>>,
    },
    Scalar(Scalar),
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ListKind {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// In the order of `object::schema::Scalar`; the table holds the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scalar {
    String,
    Boolean,
    Int32,
    Int64,
    Float64,
    Bytes,
    IntOrString,
    Quantity,
    Time,
    MicroTime,
}

/// Writes the tables, or with `check` fails when they differ from what the pinned crates say.
pub fn generate(check: bool) -> Result<()> {
    let root = crate::paths::root();
    let sources = sources(&root)?;
    let definitions = definitions(&sources)?;
    let tables = encode::tables(&definitions)?;
    for (file, bytes) in [("schema.bin", tables.graph), ("descriptions.bin", tables.descriptions)] {
        let path = root.join("host/registry/data").join(file);
        if check {
            let present = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            if present != bytes {
                bail!("{} is not what the pinned crates say; run `cargo xtask schema`", path.display());
            }
        } else {
            std::fs::write(&path, &bytes).with_context(|| format!("write {}", path.display()))?;
            println!("{}: {} bytes, {} definitions", path.display(), bytes.len(), definitions.len());
        }
    }
    Ok(())
}

struct Sources {
    openapi: PathBuf,
    protobuf: PathBuf,
}

/// Where cargo keeps the sources of the pinned crates. They are optional dependencies of this crate: locked, fetched,
/// not compiled.
fn sources(root: &Path) -> Result<Sources> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = root.join("host/xtask/Cargo.toml");
    let told = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--all-features", "--manifest-path"])
        .arg(&manifest)
        .output()
        .context("run `cargo metadata`")?;
    if !told.status.success() {
        bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&told.stderr).trim());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&told.stdout).context("decode `cargo metadata`")?;
    let source = |name: &str| -> Result<PathBuf> {
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let manifest = packages.filter(|p| p["name"] == name).find_map(|p| p["manifest_path"].as_str());
        let folder = manifest.and_then(|m| Path::new(m).parent());
        folder.map(|f| f.join("src")).with_context(|| format!("`cargo metadata` does not know {name}"))
    };
    Ok(Sources { openapi: source("k8s-openapi")?.join(RELEASE), protobuf: source("k8s-pb")? })
}

/// All definitions by name, both sources joined by module path.
fn definitions(sources: &Sources) -> Result<BTreeMap<String, Definition>> {
    let messages = protobuf::read(&sources.protobuf)?;
    let types = openapi::read(&sources.openapi)?;
    let names: BTreeMap<&str, &str> = types.iter().map(|(path, ty)| (path.as_str(), ty.name.as_str())).collect();
    let mut all = BTreeMap::new();
    for (path, ty) in &types {
        let definition =
            openapi::definition(ty, &names, |field| protobuf::field(&messages, path, field), protobuf::message(&messages, path))
                .with_context(|| format!("definition {}", ty.name))?;
        all.insert(ty.name.clone(), definition);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_embedded_tables_are_what_the_pinned_crates_say() {
        super::generate(true).unwrap();
    }
}
