//! A plugin's project: a folder with `plugin.toml`, sources, `wit/` and `cases/`.

use crate::Error;
use crate::error::at;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file that makes a folder a project.
pub const FILE: &str = "plugin.toml";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Rust,
    C,
    #[serde(alias = "js")]
    Javascript,
    #[serde(alias = "ts")]
    Typescript,
    Python,
    Go,
}

impl Language {
    pub const ALL: [Self; 6] = [Self::Rust, Self::C, Self::Javascript, Self::Typescript, Self::Python, Self::Go];

    /// As `--lang` and the folders of templates call it.
    pub fn short(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Javascript => "js",
            Self::Typescript => "ts",
            Self::Python => "python",
            Self::Go => "go",
        }
    }

    /// By that name, or in full.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "javascript" => Some(Self::Javascript),
            "typescript" => Some(Self::Typescript),
            _ => Self::ALL.into_iter().find(|language| language.short() == name),
        }
    }
}

/// `plugin.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The component is `<name>.wasm`, and so are the WasmPlugin and the image called.
    pub name: String,
    /// A world of the contract, as `spec.world` has it.
    pub world: String,
    pub language: Language,
    /// The world in `wit/` that the component is built for, where it is not `world`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Where its WIT is [default: `wit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wit: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Project {
    pub folder: PathBuf,
    pub settings: Settings,
}

impl Project {
    /// The project in `folder`.
    ///
    /// # Errors
    /// `Project`: there is no `plugin.toml`, or it is wrong.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let file = folder.join(FILE);
        if !file.is_file() {
            let cause = format!("it has no {FILE}; run this in a project's folder, or begin one by `coracle plugin new NAME`");
            return Err(Error::Project { path: folder.to_owned(), cause });
        }
        let text = std::fs::read_to_string(&file).map_err(at("read", &file))?;
        let settings: Settings = toml::from_str(&text)
            .map_err(|error| Error::Project { path: folder.to_owned(), cause: format!("{FILE}: {}", error.message()) })?;
        let folder = std::fs::canonicalize(folder).map_err(at("find", folder))?;
        Ok(Self { folder, settings })
    }

    /// Where `coracle plugin build` puts the component.
    pub fn component(&self) -> PathBuf {
        self.folder.join("build").join(format!("{}.wasm", self.settings.name))
    }

    /// The world to build for.
    pub fn world(&self) -> &str {
        self.settings.component.as_deref().unwrap_or(&self.settings.world)
    }

    /// Whether it is a program for pods, and no plugin.
    pub fn is_workload(&self) -> bool {
        self.settings.world == "workload"
    }

    pub fn wit(&self) -> PathBuf {
        self.folder.join(self.settings.wit.as_deref().unwrap_or(Path::new("wit")))
    }

    /// Where the WasmPlugin stands that loads it, or the objects that run it.
    pub fn manifest(&self) -> PathBuf {
        self.folder.join(if self.is_workload() { "manifest.yaml" } else { "wasmplugin.yaml" })
    }

    /// Where recorded cases are.
    pub fn cases(&self) -> PathBuf {
        self.folder.join("cases")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<(&str, Language), &str>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        match (Project::open(folder.path()), expect) {
            (Ok(project), Ok((world, language))) => assert_eq!((project.world(), project.settings.language), (world, language)),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, expect) => panic!("{text}: {got:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn settings_are_read() {
        check("name = \"a\"\nworld = \"admission\"\nlanguage = \"rust\"", Ok(("admission", Language::Rust)));
        check(
            "name = \"a\"\nworld = \"scheduler\"\nlanguage = \"ts\"\ncomponent = \"scheduler-filter\"",
            Ok(("scheduler-filter", Language::Typescript)),
        );
        check("name = \"a\"", Err("missing field `world`"));
        check("name = \"a\"\nworld = \"x\"\nlanguage = \"cobol\"", Err("unknown variant `cobol`"));
        check("name = \"a\"\nworld = \"x\"\nlanguage = \"c\"\nlang = \"c\"", Err("unknown field `lang`"));
        assert_eq!(
            ["ts", "typescript", "js", "javascript", "cobol"].map(Language::of).map(|found| found.map(Language::short)),
            [Some("ts"), Some("ts"), Some("js"), Some("js"), None]
        );
        let nowhere = Project::open(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(nowhere.contains("coracle plugin new"), "{nowhere}");
    }
}
