//! `coracle plugin inspect`: what a component is, from its file alone; nothing is compiled or run.

use super::{Component, read, thousands};
use anyhow::Result;
use author::component;
use author::contract::{Contract, base};
use std::collections::BTreeSet;
use std::path::Path;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    component: Component,
    /// text or json
    #[arg(long, short = 'o', value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
    output: String,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub file: String,
    pub bytes: u64,
    pub digest: String,
    /// Worlds of this version's contract whose exports it has; the fullest first.
    pub worlds: Vec<String>,
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    /// For `spec.grants.interfaces`.
    pub grants: Vec<String>,
    /// Imports that no plugin can have.
    pub refused: Vec<String>,
    /// Of the contract in the component, e.g. `1.1.0`.
    pub versions: Vec<String>,
    /// This program's contract.
    pub contract: String,
}

pub fn run(args: &Args) -> Result<()> {
    let found = look(&args.component.path()?)?;
    if args.output == "json" {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    let row = |name: &str, values: &[String]| {
        for (place, value) in values.iter().enumerate() {
            println!("{:<10}{value}", if place == 0 { name } else { "" });
        }
    };
    println!("{:<10}{} ({} bytes)", "component", found.file, thousands(found.bytes));
    println!("{:<10}{}", "digest", found.digest);
    if found.worlds.is_empty() {
        println!("{:<10}none: its exports are not those of a world of {}", "world", found.contract);
    }
    row("world", &found.worlds);
    row("exports", &found.exports);
    row("imports", &found.imports);
    println!(
        "{:<10}{} (this program has {})",
        "contract",
        if found.versions.is_empty() { "-".to_owned() } else { found.versions.join(", ") },
        found.contract
    );
    if found.grants.is_empty() {
        println!("{:<10}none", "grants");
    } else {
        println!("{:<10}spec.grants.interfaces: [{}]", "grants", found.grants.join(", "));
    }
    row("refused", &found.refused);
    if !found.refused.is_empty() {
        println!("A plugin cannot be granted what stands under `refused`: build without it.");
    }
    Ok(())
}

/// What is in the file.
pub fn look(path: &Path) -> Result<Found> {
    let bytes = read(path)?;
    let described = component::describe(&bytes, &path.display().to_string())?;
    let contract = Contract::embedded()?;
    let worlds = contract.worlds();
    let fit = described.worlds(&worlds);
    let (grants, refused) = grants(&described.imports);
    let versions: BTreeSet<&str> = described
        .imports
        .iter()
        .chain(&described.exports)
        .filter(|name| name.starts_with("coracle:plugin/"))
        .filter_map(|name| name.split_once('@').map(|(_, version)| version))
        .collect();
    Ok(Found {
        file: path.display().to_string(),
        bytes: bytes.len() as u64,
        digest: image::digest_of(&bytes),
        worlds: fit.iter().map(|names| names.world.clone()).collect(),
        versions: versions.into_iter().map(str::to_owned).collect(),
        exports: described.exports,
        imports: described.imports,
        grants,
        refused,
        contract: contract.version(),
    })
}

/// What `spec.grants` must name for these imports, and which of them cannot be granted.
fn grants(imports: &[String]) -> (Vec<String>, Vec<String>) {
    let mut grants = BTreeSet::new();
    let mut refused = Vec::new();
    for import in imports.iter().filter(|import| !base(import).starts_with("coracle:plugin/")) {
        match wasm::capabilities::ALL.iter().find(|capability| capability.covers(import)) {
            Some(capability) if wasm::capabilities::GRANTABLE.contains(&capability.name) => {
                grants.insert(capability.name.to_owned());
            }
            _ => refused.push(import.clone()),
        }
    }
    (grants.into_iter().collect(), refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_become_grants() {
        let check = |imports: &[&str], expect: (&[&str], &[&str])| {
            let imports: Vec<String> = imports.iter().map(|import| (*import).to_owned()).collect();
            let (granted, refused) = grants(&imports);
            assert_eq!(
                (granted, refused),
                (expect.0.iter().map(|g| (*g).to_owned()).collect(), expect.1.iter().map(|r| (*r).to_owned()).collect())
            );
        };
        check(&["coracle:plugin/log@1.0.0"], (&[], &[]));
        check(&["wasi:cli/environment@0.2.0", "wasi:cli/exit@0.2.0"], (&["wasi:cli"], &[]));
        check(&["acme:db/sql@1.0.0"], (&[], &["acme:db/sql@1.0.0"]));
    }
}
