use std::path::{Path, PathBuf};

/// Why an author's step failed. What can be done about it stands in the message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {operation} {path}: {source}")]
    File { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{path} is not a plugin project: {cause}")]
    Project { path: PathBuf, cause: String },
    #[error("{path} is there already; choose another name, or remove it")]
    Exists { path: PathBuf },
    #[error("{name:?} cannot be a plugin's name: {cause}")]
    Name { name: String, cause: String },
    #[error("there is no template of world {world} in {language}; there is one for: {known}")]
    NoTemplate { world: String, language: &'static str, known: String },
    #[error("{program} is missing, {purpose}; install it by `{install}`")]
    MissingTool { program: String, purpose: &'static str, install: String },
    #[error("`{command}` failed ({status}){said}")]
    Tool { command: String, status: String, said: String },
    #[error("{what} is not a component of this contract: {cause}")]
    Component { what: String, cause: String },
    #[error("the contract in {what} cannot be read: {cause}")]
    Contract { what: String, cause: String },
}

/// `map_err` for what was done to a path.
pub(crate) fn at(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { operation, path, source }
}
