//! JavaScript and TypeScript. Plugins by `componentize-qjs`: QuickJS and the source in one component of 1.1 to 1.6 MB, without WASI.
//! HTTP servers by `componentize-js`: StarlingMonkey, which has `fetch` events, in 12 MB.

use super::{read, source};
use crate::error::at;
use crate::project::Language;
use crate::tools::{COMPONENTIZE_JS, COMPONENTIZE_QJS, NODE, NPM, TSC, Toolbox, output, run};
use crate::{Error, Project};
use std::path::{Path, PathBuf};

/// Writes the types of a world: node's own, with the generator that comes with `jco`.
const TYPES: &str = include_str!("types.mjs");

/// The generator's package.
const GENERATOR: &str = "@bytecodealliance/jco-transpile";

pub fn build(project: &Project, toolbox: &Toolbox, scratch: &Path) -> Result<Vec<u8>, Error> {
    let (name, typed) = (&project.settings.name, project.settings.language == Language::Typescript);
    let tool = if project.is_workload() { COMPONENTIZE_JS } else { COMPONENTIZE_QJS };
    let end = if typed { "ts" } else { "js" };
    let mut main = source(project, &[format!("index.{end}"), format!("{name}.{end}")])?;
    let toolbox = toolbox.and(project.folder.join("node_modules/.bin"));
    let there = |wanted: crate::tools::Tool| wanted.find(&toolbox).is_some();
    if (!there(tool) || (typed && !there(TSC))) && project.folder.join("package.json").is_file() {
        run(NPM.command(&toolbox)?.current_dir(&project.folder).args(["install", "--no-audit", "--no-fund"]))?;
    }
    if typed {
        main = strip(project, &toolbox, scratch, &main)?;
    }
    let out = scratch.join("componentized.wasm");
    let mut command = tool.command(&toolbox)?;
    command.current_dir(&project.folder);
    if project.is_workload() {
        command.arg(main).arg("--wit").arg(project.wit()).args(["--world-name", "proxy", "--out"]).arg(&out);
        // A server has no use of either; a request outwards needs the second, and then a grant.
        command.args(["--disable", "random", "--disable", "http"]);
    } else {
        command.arg("--wit").arg(project.wit()).args(["--world", project.world(), "--js"]).arg(main);
        // No event loop and no WASI: calls are synchronous and reach only what the world names.
        command.arg("--output").arg(&out).args(["--sync", "--stub-wasi", "--opt-size"]);
    }
    output(&mut command)?;
    read(&out)
}

/// Takes the types off, and gives the script. They are checked against the contract where the generator of its types is installed.
fn strip(project: &Project, toolbox: &Toolbox, scratch: &Path, main: &Path) -> Result<PathBuf, Error> {
    let (types, out) = (scratch.join("types"), scratch.join("out"));
    let modules = toolbox.places().into_iter().filter_map(|place| Some(place.parent()?.to_owned()));
    let modules = modules.into_iter().find(|modules| modules.join(GENERATOR).is_dir());
    let checked = project.is_workload() || modules.is_some();
    if let Some(modules) = modules.filter(|_| !project.is_workload()) {
        let script = scratch.join("types.mjs");
        std::fs::write(&script, TYPES).map_err(at("write", &script))?;
        let mut node = NODE.command(toolbox)?;
        run(node.arg(script).arg(modules).arg(project.wit()).arg(project.world()).arg(&types))?;
    }
    let own = project.folder.join("tsconfig.json");
    let mut settings = serde_json::json!({
        "compilerOptions": {
            "outDir": out, "rootDir": project.folder, "target": "es2022", "module": "es2022", "moduleResolution": "bundler",
            "noCheck": !checked, "noEmit": false,
        },
        "include": [project.folder.join("*.ts"), types.join("**/*.d.ts")],
    });
    if let Some(settings) = settings.as_object_mut().filter(|_| own.is_file()) {
        settings.insert("extends".to_owned(), serde_json::json!(own));
    }
    let file = scratch.join("tsconfig.json");
    std::fs::write(&file, settings.to_string()).map_err(at("write", &file))?;
    run(TSC.command(toolbox)?.arg("--project").arg(&file))?;
    Ok(out.join(main.with_extension("js").file_name().unwrap_or_default()))
}
