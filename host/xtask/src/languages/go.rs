//! Go: its own compiler for `wasip1`; a plugin is a library, a workload a program.

use super::{Job, World, component, tools, wit};
use crate::run;
use anyhow::Result;
use std::process::Command;

/// The module that generated bindings are written for.
const RUNTIME: &str = "go.bytecodealliance.org/pkg";

pub fn build(job: &Job) -> Result<()> {
    // Elsewhere than in the sources, because the module file is changed: the runtime module comes with the generator.
    let folder = job.work.join("module");
    run::run(Command::new("cp").arg("-r").arg(&job.source).arg(&folder))?;
    let module = job.work.join("core.wasm");
    let mut build = vec!["build", "-trimpath", "-ldflags=-checklinkname=0 -s -w", "-o"];
    if let World::Part(_) = job.world {
        let runtime = wit::package("host", "wit-bindgen-go")?.join("src/pkg");
        run::run(go().current_dir(&folder).args(["mod", "edit", "-replace"]).arg(format!("{RUNTIME}={}", runtime.display())))?;
        build.insert(1, "-buildmode=c-shared");
    }
    run::run(go().current_dir(&folder).args(build).arg(&module).arg("."))?;
    let mut bytes = std::fs::read(module)?;
    component::embed(&mut bytes, job.world)?;
    component::encode(&bytes, job.world, &job.out)
}

/// Go without a network: whatever a guest needs is in its module, or comes with the generator.
fn go() -> Command {
    let root = tools::folder("go").join("go");
    let mut command = Command::new(root.join("bin/go"));
    command.env("GOROOT", &root).env("GOPROXY", "off").env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env("GOWORK", "off");
    command.env("GOCACHE", tools::folder("go-cache")).env("GOOS", "wasip1").env("GOARCH", "wasm");
    command
}
