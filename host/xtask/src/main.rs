//! `cargo xtask`: everything that a fresh machine needs to build, try, test and measure Coracle.

mod bench;
mod clients;
mod fuzz;
mod guests;
mod images;
mod languages;
mod lint;
mod paths;
mod run;
mod schema;
mod setup;
mod test;
mod toolchain;
mod up;
mod wit_docs;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, try, test and measure Coracle")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing, build, start one node, deploy the example application and wait until it answers.
    Up(up::Args),
    /// Stop the node that `up` started. Its pods end with it; the data directory stays.
    Down(up::DownArgs),
    /// Install what is missing, build the guests and run every test.
    Test(test::Args),
    /// Formatting, clippy, dependency rules and the tidy test.
    Lint,
    /// Type-check the workspace with all its tests.
    Check,
    /// Build the wasm guests: plugins, examples and test guests.
    Guests(guests::Args),
    /// Make the images of the examples and tests from distribution packages.
    Images,
    /// Build the release binary and print the benchmark tables.
    Bench(bench::Args),
    /// Fuzz a target of `tests/fuzz` against its model; without a name, all of them.
    Fuzz(fuzz::Args),
    /// Write what Go's declarations tell of the API's types, from checkouts of `k8s.io` repositories: api, apimachinery,
    /// apiextensions-apiserver, kube-aggregator and metrics.
    Facts {
        /// Folders, each named as its repository
        #[arg(required = true)]
        folders: Vec<std::path::PathBuf>,
    },
    /// Write the schema tables of the registry from the pinned sources.
    Schema {
        /// Only compare: fail when the tables are not what the sources say
        #[arg(long)]
        check: bool,
    },
    /// Write `docs/kinds.md` from the rows of the registry.
    Kinds {
        /// Only compare
        #[arg(long)]
        check: bool,
    },
    /// Write `docs/plugin-reference.md` from `wit/`.
    WitDocs {
        /// Only compare
        #[arg(long)]
        check: bool,
    },
    /// Install what is missing and nothing else.
    Setup,
    /// Build with cargo's timing report.
    Timings,
}

fn main() -> ExitCode {
    match run_command(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(args) => up::up(&args),
        Command::Down(args) => up::down(&args),
        Command::Test(args) => test::test(&args),
        Command::Lint => lint::lint(),
        Command::Check => run::cargo(["check", "--workspace", "--all-targets"]),
        Command::Guests(args) => guests::run(&args),
        Command::Images => images::build().map(drop),
        Command::Bench(args) => bench::bench(&args),
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::Facts { folders } => schema::facts(&folders),
        Command::Schema { check } => schema::generate(check),
        Command::Kinds { check } => test::kinds(check),
        Command::WitDocs { check } => wit_docs::generate(check),
        Command::Setup => setup::all(),
        Command::Timings => run::cargo(["build", "--release", "--package", "cli", "--timings"]),
    }
}
