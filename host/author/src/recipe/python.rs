//! Python, by `componentize-py`: CPython and the source in one component of 18 MB. Modules are fixed at build time.

use super::read;
use crate::tools::{COMPONENTIZE_PY, Toolbox, run};
use crate::{Error, Project};
use std::path::Path;

pub fn build(project: &Project, toolbox: &Toolbox, scratch: &Path) -> Result<Vec<u8>, Error> {
    let app = project.folder.join("app.py");
    if !app.is_file() {
        return Err(Error::Project { path: project.folder.clone(), cause: "it has no app.py".to_owned() });
    }
    let out = scratch.join("componentized.wasm");
    let mut command = COMPONENTIZE_PY.command(toolbox)?;
    command.current_dir(&project.folder).env("PYTHONHASHSEED", "0").arg("--quiet").arg("--wit-path").arg(project.wit());
    if project.is_workload() {
        command.args(["--world", "wasi:http/proxy", "componentize"]);
    } else {
        // Without WASI: a plugin reaches only what its world names.
        command.args(["--world", project.world(), "componentize", "--stub-wasi"]);
    }
    run(command.args(["app", "--output"]).arg(&out))?;
    read(&out)
}
