//! Guests in languages other than Rust: the project `guest-examples/<language>/<role>/` becomes `<language>-<role>.wasm`, by the
//! recipes that `coracle plugin build` has.
//!
//! - A result is kept in the cache directory by a hash of everything it was made of (sources, contract, recipe with its pinned
//!   tools), so that an unchanged guest costs nothing, and its tools are not even installed.
//! - Tools come from package registries into the cache directory, at exact versions: see [`tools`].
//! - A language whose tools cannot be had is skipped: its guests have a file `<name>.skipped` with the reason in the place of a
//!   component, which their tests print. A guest that does not build is an error.

mod bindings;
mod kept;
mod tools;

use crate::paths;
use crate::run::say;
use anyhow::{Context, Result, bail};
use author::{Project, recipe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// A language: one row of [`LANGUAGES`].
struct Language {
    /// As its folder is called.
    name: &'static str,
    /// Files beside the guests' folders that say which tools build them.
    shared: &'static [&'static str],
    /// Every pinned tool, and a number that grows when the way of building changes.
    recipe: &'static [&'static str],
    /// Installs what is missing.
    install: fn() -> Result<()>,
}

/// What there is in every language.
const ROLES: [&str; 3] = ["filter", "admission", "workload"];

static LANGUAGES: &[Language] = &[
    Language { name: "c", shared: &[], recipe: &["3", tools::ZIG], install: tools::zig },
    Language { name: "go", shared: &[], recipe: &["2", tools::GO], install: tools::go },
    Language { name: "javascript", shared: &["package.json", "package-lock.json"], recipe: &["2"], install: tools::javascript },
    Language {
        name: "typescript",
        shared: &["../javascript/package.json", "../javascript/package-lock.json"],
        recipe: &["2"],
        install: tools::javascript,
    },
    Language { name: "python", shared: &[], recipe: &["2", tools::COMPONENTIZE_PY], install: tools::python },
];

/// Names that `--lang` takes.
pub fn names() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|language| language.name)
}

/// Builds the guests of these languages, two languages at a time, and gives the paths of the components.
pub fn build(wanted: &[&str]) -> Result<Vec<PathBuf>> {
    if let Some(unknown) = wanted.iter().find(|name| !names().any(|known| known == **name)) {
        bail!("there is no language {unknown}; there are rust, {}", names().collect::<Vec<_>>().join(", "));
    }
    bindings::write()?;
    let queue: Mutex<Vec<&Language>> = Mutex::new(LANGUAGES.iter().filter(|language| wanted.contains(&language.name)).rev().collect());
    let next = || queue.lock().ok().and_then(|mut languages| languages.pop());
    let made = Mutex::new(Vec::new());
    let worker = || -> Result<()> {
        while let Some(language) = next() {
            let components = build_language(language).with_context(|| format!("building the guests in {}", language.name))?;
            if let Ok(mut made) = made.lock() {
                made.extend(components);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(worker);
        let first = worker();
        let second = other.join().unwrap_or_else(|_| bail!("a worker that builds guests panicked"));
        first.and(second)
    })?;
    Ok(made.into_inner().unwrap_or_default())
}

/// Fails when the committed bindings are not what the contract says.
pub fn check_bindings() -> Result<()> {
    bindings::check()
}

fn build_language(language: &Language) -> Result<Vec<PathBuf>> {
    let out = paths::guests();
    std::fs::create_dir_all(&out)?;
    let folder = paths::root().join("guest-examples").join(language.name);
    let mut installed = false;
    let mut made = Vec::new();
    for role in ROLES {
        let project = Project::open(&folder.join(role))?;
        let name = &project.settings.name;
        let component = out.join(format!("{name}.wasm"));
        let skipped = out.join(format!("{name}.skipped"));
        let shared: Vec<PathBuf> = language.shared.iter().map(|file| folder.join(file)).collect();
        let kept = kept::place(language.recipe, &project, &shared)?;
        if !kept.is_file() {
            if !installed && let Err(error) = install(language) {
                return skip(language, &out, &format!("{error:#}"));
            }
            installed = true;
            build_one(&project, &kept)?;
        }
        copy(&kept, &component)?;
        let _ = std::fs::remove_file(skipped);
        made.push(component);
    }
    Ok(made)
}

/// One at a time: two languages may share their tools, and package managers take turns anyway.
fn install(language: &Language) -> Result<()> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    (language.install)()
}

fn build_one(project: &Project, kept: &Path) -> Result<()> {
    let name = &project.settings.name;
    let work = paths::target().join("guest-languages").join(name);
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    let start = Instant::now();
    let toolbox = tools::toolbox(project.settings.language, project, &work)?;
    let out = work.join("component.wasm");
    let size = recipe::build_with(project, &toolbox, &work, &out).with_context(|| format!("guest {name}"))?;
    say(format!("built {name}: {} KiB in {:.1} s", size / 1024, start.elapsed().as_secs_f64()));
    kept::keep(&out, kept)
}

/// No component, but the reason, for every guest of the language.
fn skip(language: &Language, out: &Path, reason: &str) -> Result<Vec<PathBuf>> {
    say(format!("skipped the guests in {}: {reason}", language.name));
    for role in ROLES {
        let name = format!("{}-{role}", language.name);
        let _ = std::fs::remove_file(out.join(format!("{name}.wasm")));
        std::fs::write(out.join(format!("{name}.skipped")), reason)?;
    }
    Ok(Vec::new())
}

/// A copy that is there whole or not at all, and only when it differs: the time of the file tells the tests' image archives
/// whether they are up to date.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let part = to.with_extension("part");
    std::fs::write(&part, bytes)?;
    std::fs::rename(part, to).with_context(|| format!("cannot place {}", to.display()))
}
