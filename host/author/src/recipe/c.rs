//! C, by clang and wasi-libc: a core module with bindings of `wit-bindgen c`, made a component with the preview1 adapter.

use super::{read, source};
use crate::component::{self, Adapter};
use crate::tools::{CLANG, WIT_BINDGEN, run};
use crate::{Error, Project};
use std::path::{Path, PathBuf};

/// Where Debian and Fedora put wasi-libc, and the SDK its own.
const SYSROOTS: [&str; 4] = ["/usr/share/wasi-sysroot", "/opt/wasi-sdk/share/wasi-sysroot", "/usr/wasm32-wasi", "/usr"];

pub fn build(project: &Project, scratch: &Path) -> Result<Vec<u8>, Error> {
    let name = &project.settings.name;
    let main = source(project, &[format!("{name}.c"), "plugin.c".to_owned()])?;
    let generated = project.folder.join("gen");
    let snake = project.world().replace('-', "_");
    let mut bindings = WIT_BINDGEN.command();
    // Committed bindings do without the generator.
    match &mut bindings {
        Ok(command) => run(command.arg("c").arg(project.wit()).args(["--world", project.world(), "--out-dir"]).arg(&generated))?,
        Err(_) if generated.join(format!("{snake}.c")).is_file() => {}
        Err(_) => return Err(bindings.err().unwrap_or_else(|| Error::Project { path: generated, cause: "no bindings".to_owned() })),
    }
    let module = scratch.join("core.wasm");
    let mut clang = CLANG.command()?;
    clang.args(["--target=wasm32-wasi", "-Oz", "-mexec-model=reactor", "-Wl,--strip-debug", "-Wall"]);
    if let Some(sysroot) = sysroot() {
        clang.arg(format!("--sysroot={}", sysroot.display()));
    }
    clang.arg("-I").arg(&generated).arg(main).arg(generated.join(format!("{snake}.c")));
    clang.arg(generated.join(format!("{snake}_component_type.o"))).arg("-o").arg(&module);
    run(&mut clang)?;
    component::encode(&read(&module)?, Adapter::Reactor, name)
}

fn sysroot() -> Option<PathBuf> {
    let named = std::env::var_os("WASI_SYSROOT").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| SYSROOTS.iter().map(PathBuf::from).find(|path| path.join("include/wasm32-wasi").is_dir()))
}
