//! `coracle plugin build`.

use super::{Folder, inspect, thousands};
use anyhow::{Context, Result};
use author::{contract, recipe};
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Where the component goes [default: build/NAME.wasm of the project]
    #[arg(long, short = 'o', value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the project's wit/ by this version's contract first
    #[arg(long)]
    update_contract: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let project = args.folder.open()?;
    if args.update_contract {
        contract::write(&project.wit())?;
    }
    let out = args.out.clone().unwrap_or_else(|| project.component());
    let size = recipe::build(&project, &out).with_context(|| format!("cannot build {}", project.settings.name))?;
    println!("built {} ({} bytes)", out.display(), thousands(size));
    // What must be granted is told when it is news: now, and not when the cluster refuses it.
    let found = inspect::look(&out)?;
    if !found.grants.is_empty() {
        println!("it needs {}", found.needs());
    }
    if !found.is_workload() && !found.worlds.iter().any(|world| *world == project.settings.world || world == project.world()) {
        println!("warning: it has not all exports of world {}; `coracle plugin inspect` shows what it has", project.world());
    }
    Ok(())
}
