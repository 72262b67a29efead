//! `coracle plugin`: for the author of a plugin, without a cluster.

mod asks;
mod bed;
mod bench;
mod build;
mod cases;
mod inspect;
mod new;
mod push;
mod test;
mod trial;
mod workload;

use anyhow::{Context, Result};
use author::Project;
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Begin a plugin: a folder with source, contract, manifest and test cases.
    New(new::Args),
    /// Build the project's component into build/NAME.wasm.
    Build(build::Args),
    /// Ask the component what is recorded in cases/, without a cluster, and compare its answers.
    Test(test::Args),
    /// Measure what a call costs: compile, load, instantiate, call, memory.
    Bench(bench::Args),
    /// Tell what a component exports, imports and must be granted.
    Inspect(inspect::Args),
    /// Push the component to a registry, as an OCI artifact that `spec.image` names.
    Push(push::Args),
}

/// The project that a command is about.
#[derive(clap::Args, Clone, Debug)]
pub struct Folder {
    /// The project's folder
    #[arg(long, short = 'C', value_name = "DIR", default_value = ".")]
    project: PathBuf,
}

impl Folder {
    fn open(&self) -> Result<Project> {
        Ok(Project::open(&self.project)?)
    }
}

/// A component: a file, or what the project was built to.
#[derive(clap::Args, Debug)]
pub struct Component {
    #[command(flatten)]
    folder: Folder,
    /// The component [default: build/NAME.wasm of the project]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Component {
    fn path(&self) -> Result<PathBuf> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let project = self.folder.open()?;
        let path = project.component();
        if !path.is_file() {
            anyhow::bail!("{} is not built yet; run `coracle plugin build`", project.settings.name);
        }
        Ok(path)
    }
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Push(args) => push::run(&args),
    }
}

/// For the server's parts that `test` and `bench` run in this process.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (number, expect) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expect);
        }
    }
}
