//! `cargo xtask schema`: turns the facts of two sources into the tables that `registry` embeds.
//!
//! `k8s-openapi`, a pinned crate read as source text and never compiled, knows JSON names, JSON types, what is required and
//! the descriptions. `data/types.txt` knows what only Go's declarations tell: protobuf numbers, pointers, `omitempty`, what is
//! embedded, and the comment markers (`+listType`, `+listMapKey`, `+patchStrategy`, `+patchMergeKey`, `+structType`,
//! `+mapType`, `+default`). `cargo xtask facts` writes that file from checkouts of the repositories that declare the types.
//!
//! The tables are decoded by `host/registry/src/graph.rs`; their form is told there.

mod encode;
mod facts;
mod go;
mod message;
mod openapi;

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release of Kubernetes whose types are taken: a module of `k8s-openapi`.
const RELEASE: &str = "v1_37";
const FACTS: &str = "host/xtask/data/types.txt";

/// Definitions that `k8s-openapi` lacks and the API server has a use for; with them comes what they refer to.
const ADDED: [&str; 8] = [
    "io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList",
    "io.k8s.api.apidiscovery.v2beta1.APIGroupDiscoveryList",
    "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata",
    "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadataList",
    "io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics",
    "io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetricsList",
    "io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics",
    "io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetricsList",
];

/// One definition, as both sources tell it.
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
        /// What protobuf has, in order of its numbers.
        slots: Vec<Slot>,
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
}

/// One field of a protobuf message.
#[derive(Debug)]
pub(crate) struct Slot {
    pub tag: u32,
    pub target: Target,
}

#[derive(Debug)]
pub(crate) enum Target {
    Field {
        name: String,
        pointer: bool,
        omit_empty: bool,
        omit_zero: bool,
        wrapped: bool,
    },
    /// A struct that Go embeds: JSON has its fields in the outer object.
    Embedded(Vec<Slot>),
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
    Any(Opaque),
}

/// The protobuf form of a value that is any JSON; the table holds the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Opaque {
    None,
    Raw,
    Empty,
    SchemaOrArray,
    SchemaOrBool,
    SchemaOrStrings,
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
    Duration,
}

/// Writes the tables, or with `check` fails when they differ from what the sources say.
pub fn generate(check: bool) -> Result<()> {
    let root = crate::paths::root();
    let facts = std::fs::read_to_string(root.join(FACTS)).with_context(|| format!("read {FACTS}"))?;
    let facts = facts::read_with_later(&facts).with_context(|| format!("read {FACTS}"))?;
    let mut definitions = definitions(&openapi_source(&root)?, &facts)?;
    let mut whole = definitions.keys().cloned().collect::<Vec<_>>();
    message::add(&mut definitions, &facts, ADDED.iter().map(|name| (*name).to_owned()))?;
    let tables = encode::tables(&definitions)?;
    // For the test that goes through every published version: types that no server serves any more included.
    whole.extend(facts.keys().cloned());
    message::add(&mut definitions, &facts, whole)?;
    let all = encode::compressed(&encode::tables(&definitions)?.graph)?;
    let files = [
        ("host/registry/data/schema.bin", tables.graph),
        ("host/registry/data/descriptions.bin", tables.descriptions),
        ("host/registry/tests/data/every-version.bin", all),
    ];
    for (file, bytes) in files {
        let path = root.join(file);
        if check {
            let present = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            if present != bytes {
                bail!("{} is not what the sources say; run `cargo xtask schema`", path.display());
            }
        } else {
            std::fs::write(&path, &bytes).with_context(|| format!("write {}", path.display()))?;
            println!("{}: {} bytes", path.display(), bytes.len());
        }
    }
    Ok(())
}

/// Writes the facts from checkouts of `k8s.io` repositories.
pub fn facts(folders: &[PathBuf]) -> Result<()> {
    let path = crate::paths::root().join(FACTS);
    let text = facts::write(&go::read(folders)?)?;
    std::fs::write(&path, &text).with_context(|| format!("write {}", path.display()))?;
    println!("{}: {} bytes", path.display(), text.len());
    Ok(())
}

/// Where cargo keeps the source of the pinned crate. It is an optional dependency of this crate: locked, fetched, not
/// compiled.
fn openapi_source(root: &Path) -> Result<PathBuf> {
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
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest = packages.filter(|p| p["name"] == "k8s-openapi").find_map(|p| p["manifest_path"].as_str());
    let folder = manifest.and_then(|m| Path::new(m).parent());
    folder.map(|f| f.join("src").join(RELEASE)).context("`cargo metadata` does not know k8s-openapi")
}

/// All definitions of `k8s-openapi` by name, joined with the facts.
fn definitions(source: &Path, facts: &facts::Facts) -> Result<BTreeMap<String, Definition>> {
    let types = openapi::read(source)?;
    let names: BTreeMap<&str, &str> = types.iter().map(|(path, ty)| (path.as_str(), ty.name.as_str())).collect();
    let mut all = BTreeMap::new();
    for ty in types.values() {
        let definition = openapi::definition(ty, &names, facts).with_context(|| format!("definition {}", ty.name))?;
        all.insert(ty.name.clone(), definition);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tables_are_what_the_sources_say() {
        super::generate(true).unwrap();
    }
}
