//! JavaScript and TypeScript. Plugins: QuickJS by `componentize-qjs`, with WASI taken out. HTTP workloads: StarlingMonkey by
//! `componentize-js`, which has `fetch` events.

use super::{Job, World, tools, wit};
use crate::run;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of WASI that StarlingMonkey exports its handler for.
const STARLING_WASI: &str = "0.2.10";

pub fn build(job: &Job) -> Result<()> {
    let contract = job.work.join("wit");
    wit::lay(job.world, &contract)?;
    let script = if job.has("index.ts") { compile(job, &contract)? } else { job.source.join("index.js") };
    match job.world {
        World::Plugin(world) => quick(job, &script, &contract, world),
        World::Proxy => starling(job, &script, &contract),
        World::Command | World::Part(_) => bail!("JavaScript is built for whole worlds with exports of their own"),
    }
}

/// No event loop and no WASI: calls are synchronous and reach only what the world names.
fn quick(job: &Job, script: &Path, contract: &Path, world: &str) -> Result<()> {
    let mut command = tools::node_program("componentize-qjs");
    command.arg("--wit").arg(contract).args(["--world", world, "--js"]).arg(script).arg("--output").arg(&job.out);
    run::output(command.args(["--sync", "--stub-wasi", "--opt-size"])).map(drop)
}

fn starling(job: &Job, script: &Path, contract: &Path) -> Result<()> {
    for folder in [contract.to_path_buf(), contract.join("deps")] {
        for file in std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
            let text = std::fs::read_to_string(&file)?;
            std::fs::write(file, versioned(&text))?;
        }
    }
    let mut command = tools::node_program("componentize-js");
    command.arg(script).arg("--wit").arg(contract).args(["--world-name", "proxy", "--out"]).arg(&job.out);
    run::output(command.args(["--disable", "random", "--disable", "http"])).map(drop)
}

/// The text of a WASI package as if it were of StarlingMonkey's version: names, and gates of what is newer.
fn versioned(text: &str) -> String {
    let version = text.lines().find_map(|line| line.strip_prefix("package wasi:")?.split_once('@')?.1.strip_suffix(';'));
    version.map_or_else(|| text.to_owned(), |version| text.replace(version, STARLING_WASI))
}

/// Checks the types against the contract, and gives the script.
fn compile(job: &Job, contract: &Path) -> Result<PathBuf> {
    let folder = job.source.parent().unwrap_or(&job.source);
    let types = job.work.join("types");
    if let World::Plugin(world) = job.world {
        let mut command = Command::new("node");
        command.arg(folder.join("types.mjs")).arg(tools::folder("javascript").join("node_modules")).arg(contract).arg(world);
        run::run(command.arg(&types))?;
    }
    std::fs::create_dir_all(&types)?;
    // A project of its own: the example's settings, its sources, and the types of its world.
    let project = serde_json::json!({
        "extends": folder.join("tsconfig.json"),
        "compilerOptions": { "outDir": job.work.join("out"), "rootDir": job.source },
        "include": [job.source.join("*.ts"), types.join("**/*.d.ts")],
    });
    let file = job.work.join("tsconfig.json");
    std::fs::write(&file, project.to_string())?;
    run::run(tools::node_program("tsc").arg("--project").arg(&file))?;
    Ok(job.work.join("out/index.js"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(versioned(text), expect);
    }

    #[test]
    fn packages_get_the_version_that_the_engine_knows() {
        check(
            "package wasi:http@0.2.12;\nuse wasi:io/streams@0.2.12.{input-stream};",
            "package wasi:http@0.2.10;\nuse wasi:io/streams@0.2.10.{input-stream};",
        );
        check(
            "package wasi:io@0.2.12;\n@since(version = 0.2.12)\n@since(version = 0.2.0)",
            "package wasi:io@0.2.10;\n@since(version = 0.2.10)\n@since(version = 0.2.0)",
        );
        check("package a:b@1.0.0;", "package a:b@1.0.0;");
    }
}
