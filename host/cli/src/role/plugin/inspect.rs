//! `coracle plugin inspect`: what a component is, from its file alone; nothing is compiled or run.

use super::{Component, read, thousands};
use anyhow::Result;
use author::component;
use author::contract::{Contract, base};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use wasm::capabilities::{ALL, GRANTABLE, PLATFORM};

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
        let _ = writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    // In one piece, and whether anybody reads it to the end does not matter.
    let _ = std::io::stdout().write_all(text(&found).as_bytes());
    Ok(())
}

fn text(found: &Found) -> String {
    let mut rows = vec![("component", format!("{} ({} bytes)", found.file, thousands(found.bytes))), ("digest", found.digest.clone())];
    let mut list = |name: &'static str, values: &[String]| {
        rows.extend(values.iter().enumerate().map(|(place, value)| (if place == 0 { name } else { "" }, value.clone())));
    };
    if found.worlds.is_empty() {
        list("world", &[format!("none: its exports are not those of a world of {}", found.contract)]);
    }
    list("world", &found.worlds);
    list("exports", &found.exports);
    list("imports", &found.imports);
    let versions = if found.versions.is_empty() { "-".to_owned() } else { found.versions.join(", ") };
    list("contract", &[format!("{versions} (this program has {})", found.contract)]);
    let grants = if found.grants.is_empty() { "none".to_owned() } else { format!("spec.grants.interfaces: [{}]", found.grants.join(", ")) };
    list("grants", &[grants]);
    list("refused", &found.refused);
    let mut text: String = rows.iter().map(|(name, value)| format!("{name:<10}{value}\n")).collect();
    if !found.refused.is_empty() {
        text.push_str("A plugin cannot be granted what stands under `refused`: build without it.\n");
    }
    text
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
        match ALL.iter().find(|capability| capability.covers(import)).map(|capability| capability.name) {
            Some(name) if PLATFORM.contains(&name) => {}
            Some(name) if GRANTABLE.contains(&name) => drop(grants.insert(name.to_owned())),
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
        check(&["wasi:clocks/monotonic-clock@0.2.3", "wasi:http/types@0.2.3"], (&["wasi:http"], &[]));
        check(&["acme:db/sql@1.0.0"], (&[], &["acme:db/sql@1.0.0"]));
    }
}
