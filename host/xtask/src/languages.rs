//! Guests in languages other than Rust: `guest-examples/<language>/<role>/` becomes `<language>-<role>.wasm`.
//!
//! - A result is kept in the cache directory by a hash of everything it was made of (sources, contract, recipe with its pinned
//!   tools), so that an unchanged guest costs nothing, and its tools are not even installed.
//! - Tools come from package registries into the cache directory, at exact versions: see [`tools`].
//! - A language whose tools cannot be had is skipped: its guests have a file `<name>.skipped` with the reason in the place of a
//!   component, which their tests print. A guest that does not build is an error.

mod bindings;
mod c;
mod component;
mod go;
mod javascript;
mod kept;
mod python;
mod tools;
mod wit;

use crate::paths;
use crate::run::say;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// What a guest is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum World {
    /// A world of the plugin contract.
    Plugin(&'static str),
    /// A world of `guest-examples/wit`: parts of the contract.
    Part(&'static str),
    /// `wasi:cli/command`.
    Command,
    /// `wasi:http/proxy`.
    Proxy,
}

/// A language: one row of [`LANGUAGES`].
struct Language {
    /// As its folder is called.
    name: &'static str,
    /// Folder and world of its guests.
    guests: &'static [(&'static str, World)],
    /// Files beside the guests' folders that take part in building them.
    shared: &'static [&'static str],
    /// Every pinned tool, and a number that grows when the way of building changes.
    recipe: &'static [&'static str],
    /// Installs what is missing.
    install: fn() -> Result<()>,
    build: fn(&Job) -> Result<()>,
}

const FILTER: (&str, World) = ("filter", World::Plugin("scheduler-filter"));
const ADMISSION: (&str, World) = ("admission", World::Plugin("admission-validate"));
/// The same for languages whose bindings are committed.
const PARTS: [(&str, World); 2] = [("filter", World::Part("filter")), ("admission", World::Part("admission"))];

static LANGUAGES: &[Language] = &[
    Language {
        name: "c",
        guests: &[PARTS[0], PARTS[1], ("workload", World::Command)],
        shared: &["gen"],
        recipe: &["2", tools::ZIG],
        install: tools::zig,
        build: c::build,
    },
    Language { name: "go", guests: &PARTS, shared: &[], recipe: &["1", tools::GO], install: tools::go, build: go::build },
    Language {
        name: "javascript",
        guests: &[FILTER, ADMISSION, ("workload", World::Proxy)],
        shared: &["package.json", "package-lock.json"],
        recipe: &["1"],
        install: tools::javascript,
        build: javascript::build,
    },
    Language {
        name: "typescript",
        guests: &[FILTER, ADMISSION, ("workload", World::Proxy)],
        shared: &["tsconfig.json", "types.mjs", "../javascript/package.json", "../javascript/package-lock.json"],
        recipe: &["1"],
        install: tools::javascript,
        build: javascript::build,
    },
    Language {
        name: "python",
        guests: &[FILTER, ADMISSION, ("workload", World::Proxy)],
        shared: &[],
        recipe: &["1", tools::COMPONENTIZE_PY],
        install: tools::python,
        build: python::build,
    },
];

/// One guest to build.
struct Job {
    world: World,
    /// Its folder.
    source: PathBuf,
    /// An empty folder to work in.
    work: PathBuf,
    /// Where the component goes.
    out: PathBuf,
}

impl Job {
    fn has(&self, file: &str) -> bool {
        self.source.join(file).is_file()
    }
}

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
    for (role, world) in language.guests {
        let source = folder.join(role);
        let name = format!("{}-{role}", language.name);
        let component = out.join(format!("{name}.wasm"));
        let skipped = out.join(format!("{name}.skipped"));
        let shared: Vec<PathBuf> = language.shared.iter().map(|file| folder.join(file)).collect();
        let kept = kept::place(&name, language.recipe, *world, &source, &shared)?;
        if !kept.is_file() {
            if !installed && let Err(error) = install(language) {
                return skip(language, &out, &format!("{error:#}"));
            }
            installed = true;
            build_one(&name, *world, source, &kept)?;
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

fn build_one(name: &str, world: World, source: PathBuf, kept: &Path) -> Result<()> {
    let language = LANGUAGES.iter().find(|language| name.split('-').next() == Some(language.name)).context("a guest of no language")?;
    let work = paths::target().join("guest-languages").join(name);
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    let job = Job { world, source, out: work.join("component.wasm"), work };
    let start = Instant::now();
    (language.build)(&job).with_context(|| format!("guest {name}"))?;
    let size = std::fs::metadata(&job.out).with_context(|| format!("guest {name}: its tools made no component"))?.len();
    let seconds = start.elapsed().as_secs_f64();
    say(format!("built {name}: {} KiB in {seconds:.1} s", size / 1024));
    kept::keep(&job.out, kept)
}

/// No component, but the reason, for every guest of the language.
fn skip(language: &Language, out: &Path, reason: &str) -> Result<Vec<PathBuf>> {
    say(format!("skipped the guests in {}: {reason}", language.name));
    for (role, _) in language.guests {
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
