//! `cargo xtask fuzz`: the targets of `tests/fuzz`, each for some seconds, by cargo-fuzz and the nightly toolchain.

use crate::{paths, run};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

#[derive(clap::Args)]
pub struct Args {
    /// Name of a file in tests/fuzz/targets, without .rs [default: all]
    target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Begin with the same inputs as another run with this number, so that a short run is repeatable
    #[arg(long)]
    seed: Option<u32>,
}

/// Inputs are trees of some hundred bytes; longer ones only make a run slow.
const LONGEST_INPUT: u32 = 4096;
/// One input that takes longer is reported as a hang.
const INPUT_SECONDS: u32 = 10;
/// The limit of an in-memory model and two engines beside libFuzzer's own tables, MiB.
const MEMORY: u32 = 2048;

pub fn fuzz(args: &Args) -> Result<()> {
    let dir = paths::root().join("tests/fuzz");
    let known = targets(&dir)?;
    let chosen = match &args.target {
        None => known,
        Some(name) if known.contains(name) => vec![name.clone()],
        Some(name) => bail!("no fuzz target {name:?}; there are {}", known.join(", ")),
    };
    tools()?;
    for name in chosen {
        run::say(format!("fuzzing {name} for {} s", args.seconds));
        let mut cargo = cargo(&dir);
        cargo.args(["fuzz", "run", "--fuzz-dir", "."]).arg(&name).arg("--");
        cargo.args([
            format!("-max_total_time={}", args.seconds),
            format!("-max_len={LONGEST_INPUT}"),
            // Trees need long inputs from the start.
            "-len_control=0".to_owned(),
            format!("-timeout={INPUT_SECONDS}"),
            format!("-rss_limit_mb={MEMORY}"),
        ]);
        cargo.args(args.seed.map(|seed| format!("-seed={seed}")));
        run::run(cargo.arg("-print_final_stats=1")).with_context(|| {
            format!("the input that fails is in tests/fuzz/artifacts/{name}; `cargo +nightly fuzz run {name} FILE` repeats it")
        })?;
    }
    Ok(())
}

fn targets(dir: &Path) -> Result<Vec<String>> {
    let files = std::fs::read_dir(dir.join("targets")).context("tests/fuzz/targets")?.flatten();
    let mut names: Vec<String> = files.filter_map(|f| Some(f.file_name().to_str()?.strip_suffix(".rs")?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Sanitizers are switched on by flags that only nightly takes.
fn tools() -> Result<()> {
    if run::output(Command::new("cargo").args(["+nightly", "--version"])).is_err() {
        bail!("fuzzing needs a nightly toolchain; run\n    rustup toolchain install nightly --profile minimal");
    }
    if run::output(Command::new("cargo").args(["+nightly", "fuzz", "--version"])).is_err() {
        run::say("installing cargo-fuzz");
        let mut install = Command::new("cargo");
        clean(&mut install);
        run::run(install.args(["install", "cargo-fuzz", "--locked"]).env("CARGO_TARGET_DIR", paths::target().join("cargo-fuzz")))?;
    }
    Ok(())
}

fn cargo(dir: &Path) -> Command {
    let mut command = Command::new("cargo");
    clean(&mut command);
    command.arg("+nightly").current_dir(dir).env("CARGO_TARGET_DIR", paths::target().join("fuzz-build"));
    command
}

/// What the cargo that runs this tells its children binds them to its own toolchain.
fn clean(command: &mut Command) {
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
        command.env_remove(name);
    }
}
