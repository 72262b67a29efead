//! `cargo xtask`: everything that a fresh machine needs to build, try, test and measure Coracle.

mod bench;
mod guests;
mod images;
mod lint;
mod paths;
mod run;
mod setup;
mod test;
mod toolchain;
mod up;

use clap::{Parser, Subcommand};

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
    Guests,
    /// Make the images of the examples and tests from distribution packages.
    Images,
    /// Build the release binary and print the benchmark tables.
    Bench(bench::Args),
    /// Install what is missing and nothing else.
    Setup,
    /// Build with cargo's timing report.
    Timings,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Up(args) => up::up(&args),
        Command::Down(args) => up::down(&args),
        Command::Test(args) => test::test(&args),
        Command::Lint => lint::lint(),
        Command::Check => run::cargo(["check", "--workspace", "--all-targets"]),
        Command::Guests => guests::build().map(drop),
        Command::Images => images::build().map(drop),
        Command::Bench(args) => bench::bench(&args),
        Command::Setup => setup::all(),
        Command::Timings => run::cargo(["build", "--release", "--package", "cli", "--timings"]),
    }
}
