//! A new project, written from the embedded templates: `templates/<language>/common/` has what every world of a language has,
//! `templates/<language>/<world>/` the source, `templates/worlds/<world>/` manifest and cases, which are the same in every
//! language. Most sources are those of `guest-examples/`; in languages other than Rust a template is a whole example.

use crate::contract;
use crate::embedded::{SDK, TEMPLATES, WASI_HTTP, WORLDS};
use crate::error::at;
use crate::project::{self, Language, Settings};
use crate::{Error, Project};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Stands for the plugin's name in templates.
const NAME: &str = "PLUGIN_NAME";

/// Where the Rust SDK is put: it is a part of this version, as the contract is.
const SDK_FOLDER: &str = "vendor/coracle-plugin";

/// Longest name: it is also the image's and the object's.
const LONGEST: usize = 63;

/// Makes the folder `folder` a project of `world` in `language`, called as the folder.
///
/// # Errors
/// `Exists`, `Name`, `NoTemplate`, `File`.
pub fn create(folder: &Path, world: &str, language: Language) -> Result<Project, Error> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    check_name(&name)?;
    let short = language.short();
    let files = files(world, language).ok_or_else(|| Error::NoTemplate {
        world: world.to_owned(),
        language: short,
        known: known().iter().map(|(world, language)| format!("{world} in {}", language.short())).collect::<Vec<_>>().join(", "),
    })?;
    if folder.exists() {
        return Err(Error::Exists { path: folder.to_owned() });
    }
    let (own, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| path == Path::new(project::FILE));
    // An example says itself what it is built for.
    let example = own.first().and_then(|(_, text)| toml::from_str::<Settings>(text).ok());
    let (world, component) = match example {
        Some(example) => (example.world, example.component),
        None => (spec_world(world).to_owned(), component(world)),
    };
    let settings = Settings { name: name.clone(), world, language, component, wit: None };
    let workload = settings.world == "workload";
    let text = toml::to_string(&settings).map_err(|error| Error::Project { path: folder.to_owned(), cause: error.to_string() })?;
    let mut all = vec![(PathBuf::from(project::FILE), text), (PathBuf::from(".gitignore"), "build/\ntarget/\nnode_modules/\n".to_owned())];
    all.extend(files.into_iter().map(|(path, text)| (path, text.replace(NAME, &name))));
    all.extend(wit(workload, language).into_iter().map(|(path, text)| (Path::new("wit").join(path), text.to_owned())));
    if language == Language::Rust && !workload {
        all.extend(SDK.iter().map(|(path, text)| (Path::new(SDK_FOLDER).join(path), (*text).to_owned())));
    }
    write_all(folder, all)?;
    Project::open(folder)
}

/// What the project's `wit/` has: the contract, or what a program is built for. Languages whose bindings are in the project have a
/// world of their own that holds no more than they need.
fn wit(workload: bool, language: Language) -> Vec<(PathBuf, &'static str)> {
    let all = |files: &'static [(&'static str, &'static str)], below: &str| -> Vec<(PathBuf, &'static str)> {
        files.iter().map(|(path, text)| (Path::new(below).join(path), *text)).collect()
    };
    match (workload, language) {
        (true, Language::Javascript | Language::Typescript | Language::Python) => all(WASI_HTTP, ""),
        (true, Language::Rust | Language::C | Language::Go) => Vec::new(),
        (false, Language::C | Language::Go) => [all(WORLDS, ""), all(contract::files(), contract::BELOW)].concat(),
        (false, _) => all(contract::files(), ""),
    }
}

/// All worlds with a template, and in which language.
pub fn known() -> Vec<(String, Language)> {
    let mut found = Vec::new();
    for (path, _) in TEMPLATES {
        let mut parts = path.split('/');
        if let (Some(short), Some(world), Some(_)) = (parts.next(), parts.next(), parts.next())
            && let Some(language) = Language::of(short)
            && world != "common"
            && !path.ends_with(".template")
            && !found.iter().any(|(known, other)| known == world && *other == language)
        {
            found.push((world.to_owned(), language));
        }
    }
    found
}

/// What `spec.world` says for a template: a template may be of a part of a world.
fn spec_world(template: &str) -> &str {
    match template {
        "scheduler-filter" | "scheduler-score" => "scheduler",
        "workload-http" | "workload-command" => "workload",
        other => other,
    }
}

/// The world of the contract to build for, where it is a part of that one. Those of workloads are WASI's.
fn component(template: &str) -> Option<String> {
    match template {
        "scheduler-filter" | "scheduler-score" => Some(template.to_owned()),
        // Its machines have neither zones of their own nor routes.
        "cloud-provider" => Some("cloud-provider-basic".to_owned()),
        _ => None,
    }
}

fn files(world: &str, language: Language) -> Option<Vec<(PathBuf, String)>> {
    let (common, own) = (format!("{}/common/", language.short()), format!("{}/{world}/", language.short()));
    let beside = format!("worlds/{world}/");
    if !TEMPLATES.iter().any(|(path, _)| path.starts_with(&own)) {
        return None;
    }
    let mut files = BTreeMap::new();
    // A file of the world's own is in place of one that all share.
    for folder in [&common, &beside, &own] {
        let inside = TEMPLATES.iter().filter_map(|(path, text)| Some((path.strip_prefix(folder.as_str())?, *text)));
        // Named so that nothing takes a template for a package of ours.
        files.extend(inside.map(|(path, text)| (PathBuf::from(path.strip_suffix(".template").unwrap_or(path)), text.to_owned())));
    }
    Some(files.into_iter().collect())
}

/// Kubernetes' rule for an object's name; the first sign is a letter, for languages that use it as a word.
fn check_name(name: &str) -> Result<(), Error> {
    let wrong = |cause: &str| Err(Error::Name { name: name.to_owned(), cause: cause.to_owned() });
    if name.is_empty() || name.len() > LONGEST {
        return wrong("it has 1 to 63 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return wrong("it is made of a-z, 0-9 and -");
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        return wrong("it begins with a letter and does not end with -");
    }
    Ok(())
}

/// Writes files below `folder`, making folders on the way.
pub(crate) fn write_all(folder: &Path, files: impl IntoIterator<Item = (PathBuf, String)>) -> Result<(), Error> {
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).map_err(at("make", above))?;
        }
        std::fs::write(&path, text).map_err(at("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_objects() {
        for (name, good) in [("a", true), ("my-filter2", true), ("", false), ("A", false), ("2a", false), ("a-", false), ("a_b", false)] {
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
        assert!(check_name(&"a".repeat(64)).is_err());
    }

    #[test]
    fn every_template_makes_a_project() {
        let root = tempfile::tempdir().unwrap();
        let known = known();
        assert!(!known.is_empty());
        for (world, language) in known {
            let folder = root.path().join(format!("{world}-{}", language.short()));
            let project = create(&folder, &world, language).unwrap();
            assert!(project.manifest().is_file(), "{world}: no manifest");
            assert!(std::fs::read_dir(project.cases()).unwrap().count() > 0, "{world}: no cases");
            let manifest = std::fs::read_to_string(project.manifest()).unwrap();
            assert!(!manifest.contains(NAME) && manifest.contains(&project.settings.name), "{manifest}");
            assert!(folder.join("README.md").is_file(), "{world}: no README");
            if !project.is_workload() {
                let contract = contract::Contract::folder(&project.wit()).unwrap();
                assert!(contract.worlds().iter().any(|names| names.world == project.world()), "{world}: {}", project.world());
            }
            let again = create(&folder, &world, language).unwrap_err().to_string();
            assert!(again.contains("is there already"), "{again}");
        }
        let none = create(&root.path().join("x"), "no-such-world", Language::Rust).unwrap_err().to_string();
        assert!(none.contains("there is no template of world no-such-world in rust; there is one for: "), "{none}");
    }
}
