//! `coracle plugin test`: the component against recorded cases, by the server's own code, without a cluster.

use super::cases::{self, Case, File, differences};
use super::push::definitions;
use super::trial::{Subject, Trial};
use super::{Folder, runtime};
use anyhow::{Context, Result, bail};
use object::Value;
use serde_json::Map;
use std::path::{Path, PathBuf};

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub tried: Tried,
    /// Only cases whose name contains this
    #[arg(long, short = 'f', value_name = "TEXT")]
    filter: Option<String>,
    /// Write the answers into the case files, as what is expected from now on
    #[arg(long)]
    record: bool,
}

/// What is tried, and by what it would be loaded.
#[derive(clap::Args, Debug)]
pub struct Tried {
    #[command(flatten)]
    folder: Folder,
    /// The component [default: build/NAME.wasm of the project]
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The manifest with the WasmPlugin and the roles and definitions that belong to it, or with the Pod of a workload [default: the
    /// project's]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// A case file, or a folder of them [default: cases/ of the project]
    #[arg(value_name = "CASES")]
    cases: Option<PathBuf>,
}

impl Tried {
    pub fn subject(&self) -> Result<Subject> {
        let component = super::Component { folder: self.folder.clone(), file: self.component.clone() }.path()?;
        let manifest = match &self.manifest {
            Some(manifest) => manifest.clone(),
            None => self.folder.open()?.manifest(),
        };
        Subject::read(&manifest, component, definitions(None, &self.folder)?)
    }

    pub fn cases(&self) -> Result<Vec<File>> {
        match &self.cases {
            Some(place) => cases::load(place),
            None => cases::load(&self.folder.open()?.cases()),
        }
    }
}

pub fn run(args: &Args) -> Result<()> {
    let subject = args.tried.subject()?;
    let files = args.tried.cases()?;
    // Compiled once for all cases; nothing of it stays.
    let cache = tempfile::tempdir().context("cannot make a temporary folder")?;
    let runtime = runtime()?;
    let (mut passed, mut failed) = (0, 0);
    for mut file in files {
        let mut answers = Vec::new();
        let shown = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for case in file.cases()? {
            if args.filter.as_ref().is_some_and(|text| !case.name.contains(text)) {
                answers.push(None);
                continue;
            }
            let answer = runtime.block_on(one(&subject, cache.path(), &case)).with_context(|| format!("{shown}: {}", case.name))?;
            let wrong = verdict(args.record, &case, &answer);
            println!("{} {shown}: {}", if wrong.is_empty() { "ok  " } else { "FAIL" }, case.name);
            for line in wrong.iter().flat_map(|text| text.lines()) {
                println!("       {line}");
            }
            if wrong.is_empty() {
                passed += 1
            } else {
                failed += 1
            }
            answers.push(Some(answer));
        }
        if args.record {
            file.record(&answers)?;
            println!("recorded {}", file.path.display());
        }
    }
    if failed > 0 {
        bail!("{failed} of {} cases failed; `coracle plugin test --record` writes what it answers as expected", failed + passed);
    }
    if passed == 0 {
        bail!("no case is called so");
    }
    println!("{passed} passed");
    Ok(())
}

fn verdict(record: bool, case: &Case, answer: &Map<String, Value>) -> Vec<String> {
    match &case.expect {
        _ if record => Vec::new(),
        Some(expect) => differences(expect, answer),
        None => vec![format!("nothing is expected; it answered {}", Value::Object(answer.clone()))],
    }
}

/// One case, in surroundings of its own.
async fn one(subject: &Subject, cache: &Path, case: &Case) -> Result<Map<String, Value>> {
    let trial = Trial::make(subject, cache, case).await?;
    let mut answer = trial.ask(case).await?;
    trial.end(&mut answer).await?;
    Ok(answer)
}
