//! Go, by its own compiler for `wasip1`: a plugin is a library with the bindings of `wit-bindgen go`, a workload a program; both
//! are made components with the preview1 adapter.

use super::read;
use crate::component::{self, Adapter};
use crate::contract::Contract;
use crate::tools::{GO, WIT_BINDGEN, run};
use crate::{Error, Project};
use std::path::Path;

pub fn build(project: &Project, scratch: &Path) -> Result<Vec<u8>, Error> {
    let (name, world) = (&project.settings.name, project.world());
    let plugin = world != "workload";
    if plugin && !project.folder.join("wit_exports.go").is_file() {
        let mut bindings = WIT_BINDGEN.command()?;
        run(bindings.current_dir(&project.folder).arg("go").arg(project.wit()).args(["--world", world, "--out-dir", "."]))?;
    }
    let module = scratch.join("core.wasm");
    let mut go = GO.command()?;
    go.current_dir(&project.folder).env("GOOS", "wasip1").env("GOARCH", "wasm").arg("build");
    if plugin {
        go.arg("-buildmode=c-shared");
    }
    run(go.args(["-trimpath", "-ldflags=-checklinkname=0 -s -w", "-o"]).arg(&module).arg("."))?;
    let mut bytes = read(&module)?;
    if !plugin {
        return component::encode(&bytes, Adapter::Command, name);
    }
    component::embed(&mut bytes, &Contract::folder(&project.wit())?, world, name)?;
    component::encode(&bytes, Adapter::Reactor, name)
}
