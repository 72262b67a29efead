//! Builds the wasm guests of `plugins/`, `guest-examples/` and `tests/guests/`: workspaces of their own, because they are
//! built for other targets than the host.
//!
//! A guest with `[package.metadata.coracle] plugin = true` is built without WASI for `wasm32-unknown-unknown` and made a
//! component here: the smallest form, importing only what its world names. Every other guest is built for
//! `wasm32-wasip2`, which gives a component directly.
//!
//! Guests in other languages: [`languages`].

use crate::{languages, paths, run, toolchain};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

const WORKSPACES: [&str; 3] = ["plugins", "guest-examples", "tests/guests"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    metadata: Option<serde_json::Value>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Package {
    fn is_plugin(&self) -> bool {
        let coracle = self.metadata.as_ref().and_then(|m| m.get("coracle"));
        coracle.and_then(|c| c.get("plugin")).and_then(serde_json::Value::as_bool).unwrap_or(false)
    }

    /// The files that cargo makes of it, below `<target>/<triple>/release/`.
    fn artifacts(&self) -> Vec<String> {
        let made = self.targets.iter().filter(|t| t.kind.iter().any(|k| k == "bin" || k == "cdylib"));
        made.map(|t| if t.kind.iter().any(|k| k == "cdylib") { t.name.replace('-', "_") } else { t.name.clone() }).collect()
    }
}

#[derive(clap::Args)]
pub struct Args {
    /// Only the guests in this language: rust, c, go, javascript, typescript, python
    #[arg(long, value_delimiter = ',')]
    lang: Vec<String>,
    /// Build nothing: fail when the committed bindings are not of this contract
    #[arg(long)]
    check: bool,
}

pub fn run(args: &Args) -> Result<()> {
    if args.check {
        return languages::check_bindings();
    }
    if args.lang.is_empty() {
        return build().map(drop);
    }
    if args.lang.iter().any(|name| name == "rust") {
        build_those(&WORKSPACES)?;
    }
    let others: Vec<&str> = args.lang.iter().map(String::as_str).filter(|name| *name != "rust").collect();
    languages::build(&others).map(drop)
}

/// Builds all guests and gives the paths of the components.
pub fn build() -> Result<Vec<PathBuf>> {
    let mut made = build_those(&WORKSPACES)?;
    made.extend(languages::build(&languages::names().collect::<Vec<_>>())?);
    Ok(made)
}

/// The guests that `up` shows: shipped plugins and examples.
pub fn build_shown() -> Result<Vec<PathBuf>> {
    build_those(&["plugins", "guest-examples"])
}

fn build_those(workspaces: &[&str]) -> Result<Vec<PathBuf>> {
    let rustc = toolchain::rustc()?;
    let out = paths::guests();
    std::fs::create_dir_all(&out)?;
    // One directory for the guests of all clones that share a compiler: their dependencies are built once.
    let target = paths::target().join("guest-build").join(toolchain::stamp(&rustc)?);
    let mut made = Vec::new();
    for name in workspaces {
        let dir = paths::root().join(name);
        if dir.join("Cargo.toml").is_file() {
            workspace(&dir, &rustc, &target, &out, &mut made).with_context(|| format!("building the guests of {name}"))?;
        }
    }
    Ok(made)
}

fn workspace(dir: &Path, rustc: &Path, target: &Path, out: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    let told = run::output(Command::new("cargo").args(["metadata", "--format-version=1", "--no-deps"]).current_dir(dir))?;
    let metadata: Metadata = serde_json::from_str(&told)?;
    let members: Vec<&Package> = metadata.packages.iter().filter(|p| metadata.workspace_members.contains(&p.id)).collect();
    for (triple, plugins) in [("wasm32-unknown-unknown", true), ("wasm32-wasip2", false)] {
        let chosen: Vec<&&Package> = members.iter().filter(|p| p.is_plugin() == plugins && !p.artifacts().is_empty()).collect();
        if chosen.is_empty() {
            continue;
        }
        let names: Vec<&str> = chosen.iter().map(|p| p.name.as_str()).collect();
        run::say(format!("building guests for {triple}: {}", names.join(", ")));
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--quiet", "--release", "--target", triple]).current_dir(dir);
        cargo.env("RUSTC", rustc).env("CARGO_TARGET_DIR", target);
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTC_WRAPPER");
        run::run(cargo.args(names.iter().flat_map(|n| ["--package", n])))?;
        for package in chosen {
            for artifact in package.artifacts() {
                let module = target.join(triple).join("release").join(format!("{artifact}.wasm"));
                let component = out.join(format!("{}.wasm", artifact.replace('_', "-")));
                place(&module, &component, plugins).with_context(|| format!("guest {}", package.name))?;
                made.push(component);
            }
        }
    }
    Ok(())
}

fn place(module: &Path, component: &Path, encode: bool) -> Result<()> {
    let mut bytes = std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    if encode {
        bytes = wit_component::ComponentEncoder::default().validate(true).module(&bytes)?.encode()?;
    }
    let part = component.with_extension("part");
    std::fs::write(&part, bytes)?;
    std::fs::rename(part, component)?;
    Ok(())
}
