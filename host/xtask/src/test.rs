//! `cargo xtask test`: set-up, guests, images, the server binary, then every test of the workspace.

use crate::{guests, images, paths, run, setup};
use anyhow::Result;
use std::process::Command;

#[derive(clap::Args)]
pub struct Args {
    /// Only the integration tests whose name contains this
    #[arg(long)]
    it: Option<String>,
}

pub fn test(args: &Args) -> Result<()> {
    setup::all()?;
    guests::build()?;
    images::build()?;
    run::say("building the server");
    run::cargo(["build", "--package", "cli"])?;
    match &args.it {
        Some(filter) => {
            run::say(format!("integration tests: {filter}"));
            run::run(cargo().args(["test", "--package", "tests", "--test", "it", "--", filter]))
        }
        None => {
            run::say("tests of the plugins' logic, on this machine");
            let mut plugins = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            plugins.arg("test").current_dir(paths::root().join("plugins")).env("CARGO_TARGET_DIR", paths::target().join("guest-tests"));
            run::run(&mut plugins)?;
            run::say("all tests");
            run::run(cargo().args(["test", "--no-fail-fast"]))
        }
    }
}

/// `docs/kinds.md` is made by a test of the registry, which knows the rows; this only says whether it may write.
pub fn kinds(check: bool) -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--quiet", "--package", "registry", "--test", "kinds_page"]);
    if !check {
        command.env("CORACLE_BLESS", "1");
    }
    run::run(&mut command)
}

/// Cargo with what the tests look for in the environment.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root());
    variables(&mut command);
    command
}

/// Where the harness finds the binary, clients, guests and images.
pub fn variables(command: &mut Command) {
    command.env("CORACLE_BIN", paths::target().join("debug/coracle")).env("CORACLE_TOOLS", paths::tools());
    command.env("CORACLE_GUESTS", paths::guests()).env("CORACLE_IMAGES", paths::images());
}
