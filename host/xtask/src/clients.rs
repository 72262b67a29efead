//! Client libraries of other languages, for the tests that drive the server through them.

use crate::paths;
use crate::run::{self, say};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// The client of Kubernetes 1.37.
const PYTHON: &str = "kubernetes==37.0.2";
/// The last line that runs on the distribution's Node.js.
const JAVASCRIPT: &str = "@kubernetes/client-node@1.4.0";

/// Installs what is not there yet, into the folders that `tests` finds by [`paths::modules`].
pub fn all() -> Result<()> {
    install("python", PYTHON, PYTHON, |dir| {
        if run::output(Command::new("python3").args(["-m", "pip", "--version"])).is_err() {
            crate::setup::apt(&["python3-pip"])?;
        }
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
            "--no-warn-conflicts",
            "--target",
        ];
        run::run(Command::new("python3").args(pip).arg(dir).arg(PYTHON))
    })?;
    install("node", JAVASCRIPT, JAVASCRIPT, |dir| {
        let missing: Vec<&str> = [("node", "nodejs"), ("npm", "npm")].iter().filter(|(p, _)| !run::has(p)).map(|(_, p)| *p).collect();
        crate::setup::apt(&missing)?;
        let npm = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
        run::run(Command::new("npm").args(npm).arg(dir).arg(JAVASCRIPT))
    })
}

/// Installs into [`paths::modules`] what `version` tells. A marker names it: another version is installed anew, and a broken attempt again.
pub fn install(language: &str, version: &str, shown: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let dir = paths::modules(language);
    let marker = dir.join(".installed");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == version) {
        return Ok(());
    }
    say(format!("fetching {shown}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    make(&dir)?;
    std::fs::write(marker, version)?;
    Ok(())
}
