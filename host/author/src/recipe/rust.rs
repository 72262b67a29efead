//! Rust. A plugin is built for `wasm32-unknown-unknown`: the smallest form, which imports only what its world names. A workload is
//! built for `wasm32-wasip2`, which gives a component directly.

use super::read;
use crate::component::{self, Adapter};
use crate::tools::{CARGO, Toolbox, output};
use crate::{Error, Project};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    #[serde(default)]
    manifest_path: PathBuf,
}

pub fn build(project: &Project, toolbox: &Toolbox) -> Result<Vec<u8>, Error> {
    let target = if project.is_workload() { "wasm32-wasip2" } else { "wasm32-unknown-unknown" };
    has_target(target)?;
    let mut cargo = CARGO.command(toolbox)?;
    cargo.current_dir(&project.folder).args(["build", "--release", "--message-format=json-render-diagnostics", "--target", target]);
    // Flags for the host's code would be taken for the guest's.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTC_WRAPPER");
    cargo.stderr(std::process::Stdio::inherit());
    let said = output(&mut cargo)?;
    let manifest = project.folder.join("Cargo.toml");
    let made = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest)
        .flat_map(|message| message.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    let made = made.ok_or_else(|| Error::Project {
        path: project.folder.clone(),
        cause: "its crate makes no .wasm file: a plugin has `crate-type = [\"cdylib\"]` in [lib]".to_owned(),
    })?;
    component::encode(&read(&made)?, Adapter::None, &project.settings.name)
}

/// Cargo's own message about a missing standard library is long, and its advice is not the first line.
fn has_target(target: &str) -> Result<(), Error> {
    let rustc = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let folder = output(Command::new(rustc).args(["--print", "target-libdir", "--target", target])).unwrap_or_default();
    let mut files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    if files.any(|file| file.file_name().to_string_lossy().starts_with("libcore-")) {
        return Ok(());
    }
    Err(Error::MissingTool {
        program: format!("the Rust standard library for {target}"),
        purpose: "which plugins in Rust are built with",
        install: format!("rustup target add {target}"),
    })
}
