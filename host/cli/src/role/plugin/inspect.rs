//! `coracle plugin inspect`: what a component is, from its file alone; nothing is compiled or run.

use super::{Component, read, thousands};
use anyhow::Result;
use author::component;
use author::contract::{Contract, base};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use wasm::capabilities::{ALL, GRANTABLE, PLATFORM, WORKLOAD, WORKLOAD_GRANTABLE};

/// What pods run: an export, and the world of WASI's that it makes.
const WORKLOADS: [(&str, &str); 2] = [("wasi:http/incoming-handler", "wasi:http/proxy"), ("wasi:cli/run", "wasi:cli/command")];

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
    /// Worlds of this version's contract whose exports it has, the fullest first; or WASI's, of what pods run.
    pub worlds: Vec<String>,
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    /// For `spec.grants.interfaces`; of a workload, for the annotation `coracle.dev/grants`.
    pub grants: Vec<String>,
    /// Imports that no plugin can have.
    pub refused: Vec<String>,
    /// Of the contract in the component, e.g. `1.1.0`.
    pub versions: Vec<String>,
    /// This program's contract.
    pub contract: String,
}

impl Found {
    /// Whether a pod runs it, and no WasmPlugin loads it.
    pub fn is_workload(&self) -> bool {
        WORKLOADS.iter().any(|(_, world)| self.worlds.iter().any(|found| found == world))
    }

    /// Where its grants are to be written.
    pub fn needs(&self) -> String {
        let names = self.grants.join(", ");
        if self.is_workload() {
            format!("the annotation coracle.dev/grants: {names}")
        } else {
            format!("spec.grants.interfaces: [{names}]")
        }
    }
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
    let grants = if found.grants.is_empty() { "none".to_owned() } else { found.needs() };
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
    let mut fit: Vec<String> = described.worlds(&worlds).iter().map(|names| names.world.clone()).collect();
    let mut offer = (PLATFORM, GRANTABLE);
    if fit.is_empty() {
        let exports = |name: &str| described.exports.iter().any(|export| base(export) == name);
        fit.extend(WORKLOADS.iter().filter(|(export, _)| exports(export)).map(|(_, world)| (*world).to_owned()));
        if !fit.is_empty() {
            offer = (WORKLOAD, WORKLOAD_GRANTABLE);
        }
    }
    let (grants, refused) = grants(&described.imports, offer);
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
        worlds: fit,
        versions: versions.into_iter().map(str::to_owned).collect(),
        exports: described.exports,
        imports: described.imports,
        grants,
        refused,
        contract: contract.version(),
    })
}

/// What must be granted for these imports, and which of them cannot be; by what is always there, and what can be granted.
fn grants(imports: &[String], (always, grantable): (&[&str], &[&str])) -> (Vec<String>, Vec<String>) {
    let mut grants = BTreeSet::new();
    let mut refused = Vec::new();
    for import in imports.iter().filter(|import| !base(import).starts_with("coracle:plugin/")) {
        match ALL.iter().find(|capability| capability.covers(import)).map(|capability| capability.name) {
            Some(name) if always.contains(&name) => {}
            Some(name) if grantable.contains(&name) => drop(grants.insert(name.to_owned())),
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
            let (granted, refused) = grants(&imports, (PLATFORM, GRANTABLE));
            assert_eq!(
                (granted, refused),
                (expect.0.iter().map(|g| (*g).to_owned()).collect(), expect.1.iter().map(|r| (*r).to_owned()).collect())
            );
        };
        check(&["coracle:plugin/log@1.0.0"], (&[], &[]));
        check(&["wasi:cli/environment@0.2.0", "wasi:cli/exit@0.2.0"], (&["wasi:cli"], &[]));
        check(&["wasi:clocks/monotonic-clock@0.2.3", "wasi:http/types@0.2.3"], (&["wasi:http"], &[]));
        check(&["acme:db/sql@1.0.0"], (&[], &["acme:db/sql@1.0.0"]));
        // What pods run has more by itself, and can be granted less.
        let imports = ["wasi:cli/environment@0.2.6", "wasi:keyvalue/store@0.2.0-draft", "coracle:plugin/log@1.1.0"].map(str::to_owned);
        assert_eq!(grants(&imports, (WORKLOAD, WORKLOAD_GRANTABLE)), (vec!["wasi:keyvalue".to_owned()], Vec::new()));
    }
}
