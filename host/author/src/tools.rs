//! The programs that make components of sources. They are the author's own; what is missing is told with where to get it.

use crate::Error;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that recipes run.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Tried in this order on `PATH`.
    pub names: &'static [&'static str],
    /// Names the program to take instead.
    pub variable: &'static str,
    pub purpose: &'static str,
    pub install: &'static str,
}

pub const CARGO: Tool = tool(&["cargo"], "CARGO", "which builds Rust", "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh");
pub const CLANG: Tool = tool(
    &["clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18"],
    "CORACLE_CLANG",
    "which compiles C for wasm32-wasi",
    "apt install clang lld libclang-rt-dev-wasm32 wasi-libc",
);
/// Clang and a libc for WebAssembly in one.
pub const ZIG: Tool = tool(
    &["zig"],
    "CORACLE_ZIG",
    "which compiles C for wasm32-wasi",
    "pip install ziglang` (its folder has the program), or a clang with wasi-libc by `apt install clang lld libclang-rt-dev-wasm32 wasi-libc",
);
pub const WIT_BINDGEN: Tool =
    tool(&["wit-bindgen"], "CORACLE_WIT_BINDGEN", "which makes the bindings of C and Go", "cargo install wit-bindgen-cli");
pub const COMPONENTIZE_QJS: Tool =
    tool(&["componentize-qjs"], "CORACLE_COMPONENTIZE_QJS", "which makes plugins of JavaScript", "npm install componentize-qjs");
pub const COMPONENTIZE_JS: Tool = tool(
    &["componentize-js"],
    "CORACLE_COMPONENTIZE_JS",
    "which makes HTTP servers of JavaScript",
    "npm install @bytecodealliance/componentize-js",
);
pub const TSC: Tool = tool(&["tsc"], "CORACLE_TSC", "which checks and strips types", "npm install typescript");
pub const NODE: Tool = tool(&["node"], "CORACLE_NODE", "which runs the tools of JavaScript", "apt install nodejs npm");
pub const NPM: Tool = tool(&["npm"], "CORACLE_NPM", "which installs the tools of JavaScript", "apt install nodejs npm");
pub const COMPONENTIZE_PY: Tool =
    tool(&["componentize-py"], "CORACLE_COMPONENTIZE_PY", "which makes components of Python", "pip install componentize-py");
pub const GO: Tool = tool(&["go"], "CORACLE_GO", "which builds Go", "see https://go.dev/doc/install");

const fn tool(names: &'static [&'static str], variable: &'static str, purpose: &'static str, install: &'static str) -> Tool {
    Tool { names, variable, purpose, install }
}

/// Where programs are looked for before `PATH`, and what their environment tells them. Empty: the author's own surroundings.
#[derive(Clone, Debug, Default)]
pub struct Toolbox {
    pub folders: Vec<PathBuf>,
    pub variables: Vec<(&'static str, OsString)>,
}

impl Toolbox {
    /// The same with another folder, which comes last.
    #[must_use]
    pub fn and(&self, folder: PathBuf) -> Self {
        let mut more = self.clone();
        more.folders.push(folder);
        more
    }

    /// Whether it brings the tool itself.
    pub fn brings(&self, tool: Tool) -> bool {
        self.folders.iter().any(|folder| tool.names.iter().any(|name| folder.join(name).is_file()))
    }

    /// Its folders, then those of `PATH`.
    pub fn places(&self) -> Vec<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        self.folders.iter().cloned().chain(std::env::split_paths(&path)).collect()
    }
}

impl Tool {
    /// A command of it.
    ///
    /// # Errors
    /// `MissingTool`: neither its variable, nor the toolbox, nor `PATH` has it.
    pub fn command(self, toolbox: &Toolbox) -> Result<Command, Error> {
        let found = self.find(toolbox).ok_or_else(|| Error::MissingTool {
            program: self.names.first().copied().unwrap_or_default().to_owned(),
            purpose: self.purpose,
            install: self.install.to_owned(),
        })?;
        let mut command = Command::new(found);
        command.envs(toolbox.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Where it is.
    pub fn find(self, toolbox: &Toolbox) -> Option<PathBuf> {
        if let Some(named) = std::env::var_os(self.variable).filter(|value| !value.is_empty()) {
            return Some(PathBuf::from(named));
        }
        let places = toolbox.places();
        let on = |name: &&str| places.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        self.names.iter().find_map(on)
    }
}

/// Runs it, with its own output on the terminal.
///
/// # Errors
/// `Tool`: it cannot be started, or says that it failed.
pub fn run(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|error| failed(command, &error.to_string(), ""))?;
    if status.success() { Ok(()) } else { Err(failed(command, &status.to_string(), "")) }
}

/// Runs it, and gives what it wrote to stdout, trimmed.
///
/// # Errors
/// `Tool`, with what it wrote to stderr.
pub fn output(command: &mut Command) -> Result<String, Error> {
    let output = command.output().map_err(|error| failed(command, &error.to_string(), ""))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(failed(command, &output.status.to_string(), String::from_utf8_lossy(&output.stderr).trim()))
}

fn failed(command: &Command, status: &str, said: &str) -> Error {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Error::Tool { command: words.join(" "), status: status.to_owned(), said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_told_with_its_package() {
        let tool = tool(&["no-such-program"], "CORACLE_NO_SUCH", "which does nothing", "apt install nothing");
        let error = tool.command(&Toolbox::default()).unwrap_err().to_string();
        assert_eq!(error, "no-such-program is missing, which does nothing; install it by `apt install nothing`");
        let error = run(Command::new("false").arg("x")).unwrap_err().to_string();
        assert!(error.starts_with("`false x` failed (exit status: 1)"), "{error}");
    }
}
