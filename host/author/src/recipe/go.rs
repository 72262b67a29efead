//! Go: `GOOS=wasip1` as a library, with bindings of `wit-bindgen go`, made a component with the preview1 adapter.

use super::read;
use crate::component::{self, Adapter};
use crate::contract::Contract;
use crate::tools::{GO, WIT_BINDGEN, run};
use crate::{Error, Project};
use std::path::Path;

pub fn build(project: &Project, scratch: &Path) -> Result<Vec<u8>, Error> {
    let name = &project.settings.name;
    if let Ok(mut bindings) = WIT_BINDGEN.command() {
        run(bindings.current_dir(&project.folder).arg("go").arg(project.wit()).args(["--world", project.world(), "--out-dir", "."]))?;
    } else if !project.folder.join("wit_exports").is_dir() {
        run(&mut WIT_BINDGEN.command()?)?;
    }
    let module = scratch.join("core.wasm");
    let mut go = GO.command()?;
    go.current_dir(&project.folder).env("GOOS", "wasip1").env("GOARCH", "wasm");
    run(go.args(["build", "-buildmode=c-shared", "-ldflags=-checklinkname=0 -s -w", "-o"]).arg(&module).arg("."))?;
    let mut bytes = read(&module)?;
    component::embed(&mut bytes, &Contract::folder(&project.wit())?, project.world(), name)?;
    component::encode(&bytes, Adapter::Reactor, name)
}
