//! `cargo xtask bench`: the release build measured by `tests/bench`, as tables.

use crate::{guests, images, paths, run, setup};
use anyhow::Result;

#[derive(clap::Args)]
pub struct Args {
    /// Only these: idle, writes, writes-etcd, reads, reads-etcd, watches, wasm-pods, oci-pods, scheduling, plugin-calls,
    /// plugin-nodes, plugin-admission, plugin-controllers, plugin-update, plugin-streams
    sections: Vec<String>,
}

pub fn bench(args: &Args) -> Result<()> {
    setup::all()?;
    guests::build()?;
    images::build()?;
    run::say("building the release binary");
    run::cargo(["build", "--release", "--package", "cli"])?;
    run::cargo(["build", "--release", "--package", "bench"])?;
    run::say("measuring");
    let mut bench = std::process::Command::new(paths::target().join("release/bench"));
    crate::test::variables(&mut bench);
    bench.env("CORACLE_BIN", paths::target().join("release/coracle"));
    run::run(bench.args(&args.sections))
}
