//! C: Zig's clang with its libc for WebAssembly.

use super::{Job, World, bindings, component, tools};
use crate::run;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

pub fn build(job: &Job) -> Result<()> {
    let module = job.work.join("core.wasm");
    let mut sources = sources(&job.source)?;
    let mut command = cc(job);
    if let World::Part(world) = job.world {
        let generated = job.source.with_file_name("gen");
        let name = world.replace('-', "_");
        sources.push(generated.join(format!("{name}.c")));
        for (file, bytes) in bindings::generate(bindings::c, world)?.into_iter().filter(|(file, _)| file.ends_with(".o")) {
            std::fs::write(job.work.join(&file), bytes)?;
            sources.push(job.work.join(file));
        }
        command.arg("-I").arg(generated).arg("-mexec-model=reactor");
    }
    run::run(command.args(sources).arg("-o").arg(&module))?;
    component::encode(&std::fs::read(module)?, job.world, &job.out)
}

fn cc(job: &Job) -> Command {
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "ziglang",
        "cc",
        "-target",
        "wasm32-wasi",
        "-std=c17",
        "-Oz",
        "-s",
        "-Wl,-z,stack-size=65536",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]);
    // What generated code does not use.
    command.args(["-Wno-unused-parameter", "-Wno-unused-function"]);
    command.env("PYTHONPATH", tools::folder("c")).env("ZIG_LOCAL_CACHE_DIR", job.work.join("cache"));
    command.env("ZIG_GLOBAL_CACHE_DIR", tools::folder("c-cache"));
    command
}

fn sources(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "c"));
    found.sort();
    Ok(found)
}
