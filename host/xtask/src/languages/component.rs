//! A component of a core module, by the recipes that `coracle plugin build` has.

use super::{World, wit};
use anyhow::{Context, Result};
use author::component::{self, Adapter};
use author::contract::Contract;
use std::path::Path;

/// Puts the description of its world into a module whose compiler did not. A command needs none.
pub fn embed(module: &mut Vec<u8>, world: World) -> Result<()> {
    let (folder, name) = match world {
        World::Plugin(name) => (wit::contract(), name),
        World::Part(name) => (wit::parts(), name),
        World::Command | World::Proxy => return Ok(()),
    };
    Ok(component::embed(module, &Contract::folder(&folder)?, name, name)?)
}

/// Makes the component. What the module asks of WASI preview 1 becomes imports of WASI 0.2.
pub fn encode(module: &[u8], world: World, out: &Path) -> Result<()> {
    let adapter = if world == World::Command { Adapter::Command } else { Adapter::Reactor };
    let component = component::encode(module, adapter, "the module")?;
    std::fs::write(out, component).with_context(|| format!("cannot write {}", out.display()))
}
