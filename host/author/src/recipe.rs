//! From source to component, one recipe per language. Each was measured in size and speed; what they share is the end: a file
//! `<name>.wasm` that is a component.

mod c;
mod go;
mod javascript;
mod python;
mod rust;

use crate::error::at;
use crate::project::{Language, Project};
use crate::tools::Toolbox;
use crate::{Error, component};
use std::path::{Path, PathBuf};

/// Builds the project's component into `out`, whole or not at all, and gives its size in bytes.
///
/// # Errors
/// `MissingTool`, `Tool`, `File`; `Component` when what was built is none.
pub fn build(project: &Project, out: &Path) -> Result<u64, Error> {
    build_with(project, &Toolbox::default(), &project.folder.join("build"), out)
}

/// The same with tools that are not the author's own, and with `scratch` as the folder for what is made on the way.
///
/// # Errors
/// As [`build`].
pub fn build_with(project: &Project, toolbox: &Toolbox, scratch: &Path, out: &Path) -> Result<u64, Error> {
    std::fs::create_dir_all(scratch).map_err(at("make", scratch))?;
    let bytes = match project.settings.language {
        Language::Rust => rust::build(project, toolbox)?,
        Language::C => c::build(project, toolbox, scratch)?,
        Language::Javascript | Language::Typescript => javascript::build(project, toolbox, scratch)?,
        Language::Python => python::build(project, toolbox, scratch)?,
        Language::Go => go::build(project, toolbox, scratch)?,
    };
    component::describe(&bytes, &project.settings.name)?;
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).map_err(at("make", folder))?;
    }
    let part = out.with_extension("part");
    std::fs::write(&part, &bytes).map_err(at("write", &part))?;
    std::fs::rename(&part, out).map_err(at("put in place", out))?;
    Ok(bytes.len() as u64)
}

/// The source file of the project: the first of `names` that is there.
fn source(project: &Project, names: &[String]) -> Result<PathBuf, Error> {
    let found = names.iter().map(|name| project.folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| Error::Project { path: project.folder.clone(), cause: format!("it has none of {}", names.join(", ")) })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(at("read", path))
}
