//! JavaScript and TypeScript, by `componentize-qjs`: QuickJS and the source in one component of 1.1 to 1.6 MB.

use super::{read, source};
use crate::project::Language;
use crate::tools::{NPM, NPX, run};
use crate::{Error, Project};
use std::path::Path;

pub fn build(project: &Project, scratch: &Path) -> Result<Vec<u8>, Error> {
    let (name, typed) = (&project.settings.name, project.settings.language == Language::Typescript);
    let end = if typed { "ts" } else { "js" };
    let mut main = source(project, &[format!("index.{end}"), format!("{name}.{end}")])?;
    if project.folder.join("package.json").is_file() && !project.folder.join("node_modules").is_dir() {
        run(NPM.command()?.current_dir(&project.folder).args(["install", "--no-audit", "--no-fund"]))?;
    }
    let npx = || -> Result<std::process::Command, Error> {
        let mut npx = NPX.command()?;
        npx.current_dir(&project.folder);
        Ok(npx)
    };
    if typed {
        // Types are the editor's and `tsc`'s own matter: here they are taken off.
        run(npx()?.args(["tsc", "--noCheck", "--target", "es2022", "--module", "es2022", "--outDir"]).arg(scratch).arg(&main))?;
        main = scratch.join(main.with_extension("js").file_name().unwrap_or_default());
    }
    let out = scratch.join("componentized.wasm");
    let mut command = npx()?;
    command.arg("componentize-qjs").arg("--wit").arg(project.wit()).args(["--world", project.world(), "--js"]).arg(main);
    // No event loop and no WASI: calls are synchronous and reach only what the world names.
    run(command.arg("--output").arg(&out).args(["--sync", "--stub-wasi", "--opt-size"]))?;
    read(&out)
}
