//! `cargo xtask wit-docs`: the reference of the plugin contract, from its own words.

use crate::{paths, run};
use anyhow::{Context, Result, bail};
use author::contract::Contract;

pub fn generate(check: bool) -> Result<()> {
    let page = author::reference::page(&Contract::folder(&paths::root().join("wit"))?)?;
    let path = paths::root().join("docs/plugin-reference.md");
    if check {
        if std::fs::read_to_string(&path).unwrap_or_default() != page {
            bail!("{} is not what wit/ says: run `cargo xtask wit-docs`", path.display());
        }
        return Ok(());
    }
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    run::say(format!("wrote {}", path.display()));
    Ok(())
}
