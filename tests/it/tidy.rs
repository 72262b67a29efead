//! Rules for the repository's own files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tests::paths::root;

/// A file that needs more is two files.
const MOST_LINES: usize = 800;

/// Longer files that are still there, with their length. This list may only shrink, and so may the numbers.
const LONGER: [(&str, usize); 0] = [];

/// The top level, as a newcomer sees it.
const TOP: [&str; 9] = ["Cargo.toml", "README.md", "docs", "guest-examples", "host", "justfile", "plugins", "tests", "wit"];

/// What tools want there.
const TOOLS: [&str; 7] = ["CHANGELOG.md", "Cargo.lock", "LICENSE", "clippy.toml", "deny.toml", "rust-toolchain.toml", "rustfmt.toml"];

/// Words that promise instead of doing; put together here so that this file keeps its own rule.
const PROMISES: [&str; 5] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("todo", "!("), concat!("unimplemented", "!(")];

#[test]
fn tidy_no_file_is_longer_than_800_lines() {
    let mut wrong = Vec::new();
    for file in sources() {
        let lines = read(&file).lines().count();
        let name = shown(&file);
        match LONGER.iter().find(|(longer, _)| *longer == name) {
            None if lines > MOST_LINES => wrong.push(format!("{name} has {lines} lines: split it")),
            Some((_, most)) if lines > *most => wrong.push(format!("{name} has grown to {lines} lines, from {most}")),
            Some((_, most)) if lines < *most => wrong.push(format!("{name} has shrunk to {lines} lines: say so in LONGER, or take it out")),
            _ => {}
        }
    }
    let gone = LONGER.iter().filter(|(name, _)| !root().join(name).is_file());
    wrong.extend(gone.map(|(name, _)| format!("{name} is gone: take it out of LONGER")));
    none(&wrong);
}

#[test]
fn tidy_modules_are_beside_their_folder() {
    let wrong: Vec<String> = sources().iter().filter(|file| file.ends_with("mod.rs")).map(|file| shown(file)).collect();
    none(&wrong);
}

#[test]
fn tidy_nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for file in sources() {
        for (number, line) in read(&file).lines().enumerate() {
            if let Some(promise) = PROMISES.iter().find(|promise| line.contains(**promise)) {
                wrong.push(format!("{}:{}: {promise}", shown(&file), number + 1));
            }
        }
    }
    none(&wrong);
}

#[test]
fn tidy_every_crate_opens_with_its_purpose() {
    let crates = sources().into_iter().filter(|file| file.ends_with("src/lib.rs") || file.ends_with("src/main.rs"));
    let silent = crates.filter(|file| !read(file).starts_with("//! "));
    none(&silent.map(|file| format!("{} does not open with `//!`", shown(&file))).collect::<Vec<_>>());
}

#[test]
fn tidy_crates_are_named_as_their_folder() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("host")).expect("host is a folder").flatten() {
        let folder = entry.file_name().into_string().expect("names are text");
        let manifest = entry.path().join("Cargo.toml");
        if manifest.is_file() && !read(&manifest).contains(&format!("name = \"{folder}\"")) {
            wrong.push(format!("{} does not name {folder:?}", shown(&manifest)));
        }
    }
    none(&wrong);
}

#[test]
fn tidy_the_top_level_is_what_it_should_be() {
    let found: BTreeSet<String> = fs::read_dir(root())
        .expect("the root is a folder")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("names are text"))
        .collect();
    let missing = TOP.iter().filter(|name| !found.contains(**name)).map(|name| format!("{name} is missing"));
    let known = |name: &String| name.starts_with('.') || name == "target" || TOP.contains(&name.as_str()) || TOOLS.contains(&name.as_str());
    let surplus = found.iter().filter(|name| !known(name)).map(|name| format!("{name} has no place there"));
    none(&missing.chain(surplus).collect::<Vec<_>>());
}

#[test]
fn tidy_the_docs_name_paths_that_exist() {
    let mut wrong = Vec::new();
    let mut named = 0;
    let text = read(&root().join("docs/ARCHITECTURE.md"));
    for row in text.lines().filter(|line| line.starts_with('|')) {
        for word in row.split('`').skip(1).step_by(2) {
            let path = word.split([' ', ':', '#']).next().unwrap_or_default();
            // A path has a folder; anything else in code style is a word of the code.
            if !path.contains('/') || path.contains(['<', '*', '{', '$']) || path.starts_with(['/', '-', '~']) || path.contains("://") {
                continue;
            }
            named += 1;
            let there = [root(), root().join("host")].iter().any(|base| base.join(path).exists());
            if !there {
                wrong.push(format!("docs/ARCHITECTURE.md names `{path}`, which is not there"));
            }
        }
    }
    none(&wrong);
    assert!(named >= 10, "the table of where things are names only {named} paths");
}

#[test]
fn tidy_links_between_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for file in files(|name| name.ends_with(".md")) {
        let text = read(&file);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            let base = file.parent().unwrap_or(Path::new("/"));
            if !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:") && !base.join(path).exists() {
                wrong.push(format!("{} links to {target}", shown(&file)));
            }
        }
    }
    none(&wrong);
}

#[test]
fn tidy_every_example_has_a_manifest_and_a_readme() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("guest-examples")).expect("there are examples").flatten() {
        let Ok(package) = fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
        // What examples share is none itself.
        if !entry.path().join("src/main.rs").is_file() && !package.contains("cdylib") {
            continue;
        }
        seen += 1;
        let missing = ["manifest.yaml", "README.md"].into_iter().filter(|name| !entry.path().join(name).is_file());
        wrong.extend(missing.map(|name| format!("{}: no {name}", shown(&entry.path()))));
    }
    none(&wrong);
    assert!(seen >= 2, "only {seen} examples");
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn sources() -> Vec<PathBuf> {
    let found = files(|name| name.ends_with(".rs"));
    assert!(found.len() > 100, "only {} source files were found", found.len());
    found
}

/// Files of the repository whose name `fits`, without what is built.
fn files(fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().expect("an entry has a type");
            if kind.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
                folders.push(entry.path());
            } else if kind.is_file() && fits(&name) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}
