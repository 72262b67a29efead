//! Python: CPython and the modules in one component, by `componentize-py`.

use super::{Job, World, tools, wit};
use crate::run;
use anyhow::{Result, bail};
use std::process::Command;

pub fn build(job: &Job) -> Result<()> {
    let contract = job.work.join("wit");
    wit::lay(job.world, &contract)?;
    // A copy: the tool leaves compiled modules beside the sources.
    let app = job.work.join("app");
    run::run(Command::new("cp").arg("-r").arg(&job.source).arg(&app))?;
    let folder = tools::folder("python");
    let mut command = Command::new(folder.join("bin/componentize-py"));
    command.env("PYTHONPATH", &folder).env("PYTHONHASHSEED", "0").current_dir(&app).arg("--quiet").arg("--wit-path").arg(&contract);
    match job.world {
        // Without WASI: a plugin reaches only what its world names.
        World::Plugin(world) => command.args(["--world", world, "componentize", "--stub-wasi"]),
        World::Proxy => command.args(["--world", "wasi:http/proxy", "componentize"]),
        World::Command | World::Part(_) => bail!("Python is built for whole worlds"),
    };
    run::run(command.arg("app").arg("--output").arg(&job.out))
}
