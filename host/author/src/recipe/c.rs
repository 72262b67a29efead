//! C: a core module with the bindings of `wit-bindgen c` in `gen/`, made a component with the preview1 adapter. The compiler is
//! clang where there is a wasi-libc, else Zig's, which brings one.

use super::read;
use crate::component::{self, Adapter};
use crate::contract::Contract;
use crate::error::at;
use crate::tools::{CLANG, Toolbox, WIT_BINDGEN, ZIG, run};
use crate::{Error, Project};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian and Fedora put wasi-libc, and the WASI SDK its own.
const SYSROOTS: [&str; 4] = ["/usr/share/wasi-sysroot", "/opt/wasi-sdk/share/wasi-sysroot", "/usr/wasm32-wasi", "/usr"];

pub fn build(project: &Project, toolbox: &Toolbox, scratch: &Path) -> Result<Vec<u8>, Error> {
    let (name, world) = (&project.settings.name, project.world());
    let plugin = !project.is_workload();
    let module = scratch.join("core.wasm");
    let mut sources = sources(&project.folder)?;
    let mut command = compiler(toolbox)?;
    if plugin {
        let (generated, snake) = (project.folder.join("gen"), world.replace('-', "_"));
        if !generated.join(format!("{snake}.c")).is_file() {
            run(WIT_BINDGEN.command(toolbox)?.arg("c").arg(project.wit()).args(["--world", world, "--out-dir"]).arg(&generated))?;
        }
        sources.push(generated.join(format!("{snake}.c")));
        // The bindings ask for an object that carries the world; here it is put into the module afterwards.
        let linked = scratch.join("linked.c");
        let text = format!("void __component_type_object_force_link_{snake}(void) {{}}\n");
        std::fs::write(&linked, text).map_err(at("write", &linked))?;
        sources.push(linked);
        command.arg("-mexec-model=reactor").arg("-I").arg(generated);
    }
    run(command.args(sources).arg("-o").arg(&module))?;
    let mut bytes = read(&module)?;
    if !plugin {
        return component::encode(&bytes, Adapter::Command, name);
    }
    component::embed(&mut bytes, &Contract::folder(&project.wit())?, world, name)?;
    component::encode(&bytes, Adapter::Reactor, name)
}

fn compiler(toolbox: &Toolbox) -> Result<Command, Error> {
    let clang = CLANG.command(toolbox).ok().filter(|_| !toolbox.brings(ZIG));
    let mut command = match (clang, sysroot()) {
        (Some(mut clang), Some(sysroot)) => {
            clang.arg("--target=wasm32-wasi").arg(format!("--sysroot={}", sysroot.display())).arg("-Wl,--strip-debug");
            clang
        }
        _ => {
            let mut zig = ZIG.command(toolbox)?;
            zig.args(["cc", "-target", "wasm32-wasi", "-s"]);
            zig
        }
    };
    // What generated code does not use is no mistake.
    command.args(["-std=c17", "-Oz", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-function"]);
    // A call's stack; the rest of the memory is the heap's.
    command.arg("-Wl,-z,stack-size=65536");
    Ok(command)
}

fn sysroot() -> Option<PathBuf> {
    let named = std::env::var_os("WASI_SYSROOT").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| SYSROOTS.iter().map(PathBuf::from).find(|path| path.join("include/wasm32-wasi").is_dir()))
}

/// All of the project's own `.c` files, sorted.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(at("read", folder))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "c"));
    found.sort();
    if found.is_empty() {
        return Err(Error::Project { path: folder.to_owned(), cause: "it has no .c file".to_owned() });
    }
    Ok(found)
}
