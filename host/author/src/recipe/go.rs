//! Go, by its own compiler for `wasip1`: a library, of which the preview1 adapter makes a component. A plugin has the bindings of
//! `wit-bindgen go`. A workload is an ordinary program; a file beside it makes its `main` the export of `wasi:cli/run`.

use super::read;
use crate::component::{self, Adapter};
use crate::contract::Contract;
use crate::error::at;
use crate::tools::{GO, Toolbox, WIT_BINDGEN, output, run};
use crate::{Error, Project};
use std::path::{Path, PathBuf};

const PROGRAM_GO: &str = include_str!("program.go.txt");
const PROGRAM_WIT: &str = include_str!("program.wit");

pub fn build(project: &Project, toolbox: &Toolbox, scratch: &Path) -> Result<Vec<u8>, Error> {
    let (name, world) = (&project.settings.name, project.world());
    let plugin = !project.is_workload();
    if plugin && !project.folder.join("wit_exports.go").is_file() {
        let mut bindings = WIT_BINDGEN.command(toolbox)?;
        run(bindings.current_dir(&project.folder).arg("go").arg(project.wit()).args(["--world", world, "--out-dir", "."]))?;
    }
    let module = scratch.join("core.wasm");
    let go = || -> Result<std::process::Command, Error> {
        let mut go = GO.command(toolbox)?;
        go.current_dir(&project.folder).env("GOOS", "wasip1").env("GOARCH", "wasm");
        Ok(go)
    };
    let mut build = go()?;
    build.args(["build", "-buildmode=c-shared"]);
    if plugin {
        // The first build writes down what the bindings' module is; in a workspace Go knows already.
        if !project.folder.join("go.sum").is_file() && matches!(output(go()?.args(["env", "GOWORK"]))?.as_str(), "" | "off") {
            build.arg("-mod=mod");
        }
    } else {
        build.arg("-overlay").arg(overlay(project, scratch)?);
    }
    run(build.args(["-trimpath", "-ldflags=-checklinkname=0 -s -w", "-o"]).arg(&module).arg("."))?;
    let mut bytes = read(&module)?;
    if plugin {
        component::embed(&mut bytes, &Contract::folder(&project.wit())?, world, name)?;
    } else {
        component::embed(&mut bytes, &Contract::text("program.wit", PROGRAM_WIT)?, "program", name)?;
    }
    component::encode(&bytes, Adapter::Reactor, name)
}

/// Says that the program has another file, which makes it a component; its folder is left as it is.
fn overlay(project: &Project, scratch: &Path) -> Result<PathBuf, Error> {
    let (source, file) = (scratch.join("program.go"), scratch.join("overlay.json"));
    std::fs::write(&source, PROGRAM_GO).map_err(at("write", &source))?;
    let text = serde_json::json!({ "Replace": { project.folder.join("coracle_program.go").display().to_string(): source } });
    std::fs::write(&file, text.to_string()).map_err(at("write", &file))?;
    Ok(file)
}
