//! `coracle plugin bench`: what a call costs, by the cases that `test` has.

use super::test::Tried;
use super::trial::Trial;
use super::{runtime, thousands};
use anyhow::{Context, Result, bail};
use serde_json::Map;
use std::time::{Duration, Instant};

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    tried: Tried,
    /// Calls per case
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1000)]
    calls: usize,
    /// Only cases whose name contains this
    #[arg(long, short = 'f', value_name = "TEXT")]
    filter: Option<String>,
}

pub fn run(args: &Args) -> Result<()> {
    let subject = args.tried.subject()?;
    if args.calls == 0 {
        bail!("--calls must be at least 1");
    }
    let size = std::fs::metadata(subject.component()).with_context(|| format!("cannot read {}", subject.component().display()))?.len();
    let cache = tempfile::tempdir().context("cannot make a temporary folder")?;
    let runtime = runtime()?;
    println!("component {} bytes", thousands(size));
    println!("{:<40} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}", "case", "load", "first", "p50", "p99", "calls/s", "KiB");
    let mut compiled = false;
    for file in args.tried.cases()? {
        for case in file.cases()? {
            if args.filter.as_ref().is_some_and(|text| !case.name.contains(text)) {
                continue;
            }
            if !compiled {
                // By itself, so that it does not count as the first case's load.
                let begin = Instant::now();
                let trial = runtime.block_on(Trial::make(&subject, cache.path(), &case))?;
                let took = begin.elapsed();
                runtime.block_on(trial.end(&mut Map::new()))?;
                println!("{:<40} {:>10}", "(compile, check and load for the first time)", shown(took));
                compiled = true;
            }
            let trial = runtime.block_on(Trial::make(&subject, cache.path(), &case))?;
            let loaded = trial.prepared_in();
            let mut times = Vec::with_capacity(args.calls);
            let begin = Instant::now();
            let first = runtime.block_on(timed(&trial, &case))?;
            for _ in 1..args.calls {
                times.push(runtime.block_on(timed(&trial, &case))?);
            }
            let all = begin.elapsed();
            times.sort_unstable();
            let at = |share: usize| times.get((times.len().saturating_sub(1)) * share / 100).copied().unwrap_or(first);
            let name: String = case.name.chars().take(40).collect();
            let rate = (args.calls as f64 / all.as_secs_f64()) as u64;
            let memory = runtime.block_on(trial.memory_bytes()) / 1024;
            runtime.block_on(trial.end(&mut Map::new()))?;
            println!(
                "{name:<40} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
                shown(loaded),
                shown(first),
                shown(at(50)),
                shown(at(99)),
                thousands(rate),
                thousands(memory)
            );
        }
    }
    println!("load: from compiled code on disk to ready; first: with a new instance; KiB: the instances' memory afterwards");
    Ok(())
}

async fn timed(trial: &Trial<'_>, case: &super::cases::Case) -> Result<Duration> {
    let begin = Instant::now();
    let answer = trial.ask(case).await?;
    let time = begin.elapsed();
    match answer.get("error").and_then(|error| error.as_str()) {
        Some(error) => bail!("{}: {error}", case.name),
        None => Ok(time),
    }
}

fn shown(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        m if m < 1000.0 => format!("{m:.1} µs"),
        m if m < 1e6 => format!("{:.1} ms", m / 1e3),
        m => format!("{:.2} s", m / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_suits_them() {
        for (nanos, expect) in [(1_500, "1.5 µs"), (2_340_000, "2.3 ms"), (1_230_000_000, "1.23 s")] {
            assert_eq!(shown(Duration::from_nanos(nanos)), expect);
        }
    }
}
