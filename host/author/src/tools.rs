//! The programs that make components of sources. They are the author's own; what is missing is told with where to get it.

use crate::Error;
use std::ffi::OsStr;
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

pub const CARGO: Tool = Tool {
    names: &["cargo"],
    variable: "CARGO",
    purpose: "which builds Rust",
    install: "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh",
};
pub const CLANG: Tool = Tool {
    names: &["clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18"],
    variable: "CORACLE_CLANG",
    purpose: "which compiles C for wasm32-wasi",
    install: "apt install clang lld libclang-rt-dev-wasm32 wasi-libc",
};
/// Clang and a libc for WebAssembly in one.
pub const ZIG: Tool = Tool {
    names: &["zig"],
    variable: "CORACLE_ZIG",
    purpose: "which compiles C for wasm32-wasi",
    install: "pip install ziglang` (its folder has the program), or a clang with wasi-libc by `apt install clang lld libclang-rt-dev-wasm32 wasi-libc",
};
pub const WIT_BINDGEN: Tool = Tool {
    names: &["wit-bindgen"],
    variable: "CORACLE_WIT_BINDGEN",
    purpose: "which makes the bindings of C and Go",
    install: "cargo install wit-bindgen-cli",
};
pub const NPX: Tool =
    Tool { names: &["npx"], variable: "CORACLE_NPX", purpose: "which runs componentize-qjs and tsc", install: "apt install nodejs npm" };
pub const NPM: Tool = Tool {
    names: &["npm"],
    variable: "CORACLE_NPM",
    purpose: "which installs componentize-qjs and tsc",
    install: "apt install nodejs npm",
};
pub const COMPONENTIZE_PY: Tool = Tool {
    names: &["componentize-py"],
    variable: "CORACLE_COMPONENTIZE_PY",
    purpose: "which makes components of Python",
    install: "pip install componentize-py",
};
pub const GO: Tool = Tool { names: &["go"], variable: "CORACLE_GO", purpose: "which builds Go", install: "see https://go.dev/doc/install" };

impl Tool {
    /// A command of it.
    ///
    /// # Errors
    /// `MissingTool`: neither its variable nor `PATH` has it.
    pub fn command(self) -> Result<Command, Error> {
        let named = std::env::var_os(self.variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let found = named.or_else(|| self.names.iter().find_map(|name| on_path(name)));
        found.map(Command::new).ok_or_else(|| Error::MissingTool {
            program: self.names.first().copied().unwrap_or_default().to_owned(),
            purpose: self.purpose,
            install: self.install.to_owned(),
        })
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
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
        let tool = Tool {
            names: &["no-such-program"],
            variable: "CORACLE_NO_SUCH",
            purpose: "which does nothing",
            install: "apt install nothing",
        };
        let error = tool.command().unwrap_err().to_string();
        assert_eq!(error, "no-such-program is missing, which does nothing; install it by `apt install nothing`");
        let error = run(Command::new("false").arg("x")).unwrap_err().to_string();
        assert!(error.starts_with("`false x` failed (exit status: 1)"), "{error}");
    }
}
