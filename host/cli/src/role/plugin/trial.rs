//! What is tried, and where: a plugin in an API server of its own, or a workload as a container.

use super::bed::{self, Bed};
use super::cases::Case;
use super::{asks, workload};
use anyhow::{Context, Result};
use object::{Object, Value};
use serde_json::Map;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub enum Subject {
    Plugin(bed::Subject),
    Workload(workload::Subject),
}

impl Subject {
    /// `definitions` are what the component brings along in its image.
    ///
    /// # Errors
    /// The manifest cannot be read, or has neither a WasmPlugin nor a Pod.
    pub fn read(manifest: &Path, component: PathBuf, definitions: Vec<Value>) -> Result<Self> {
        let what = || format!("manifest {}", manifest.display());
        let objects: Vec<Object> = documents(manifest)?.into_iter().chain(definitions).filter_map(Object::from_value).collect();
        if objects.iter().any(|object| object.str_at(&["kind"]) == "WasmPlugin") {
            return bed::Subject::of(objects, component).map(Self::Plugin).with_context(what);
        }
        workload::Subject::of(&objects, component).map(Self::Workload).with_context(what)
    }

    pub fn component(&self) -> &Path {
        match self {
            Self::Plugin(subject) => &subject.component,
            Self::Workload(subject) => &subject.component,
        }
    }
}

/// The documents of a YAML file; empty ones are left out.
///
/// # Errors
/// It cannot be read, or is no YAML.
pub fn documents(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut values = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let value: Value = serde::Deserialize::deserialize(document).with_context(|| format!("manifest {}", file.display()))?;
        if !value.is_null() {
            values.push(value);
        }
    }
    Ok(values)
}

/// One case's surroundings.
pub enum Trial<'a> {
    Plugin(Box<Bed>),
    Workload(Box<workload::Trial<'a>>),
}

impl<'a> Trial<'a> {
    /// # Errors
    /// The case makes no sense, or what is tried does not load; in words for the author.
    pub async fn make(subject: &'a Subject, cache: &Path, case: &Case) -> Result<Self> {
        Ok(match subject {
            Subject::Plugin(subject) => {
                let bed = Bed::make(subject, cache, case.given.get("config"), &asks::present(case)?).await?;
                Self::Plugin(Box::new(bed))
            }
            Subject::Workload(subject) => Self::Workload(Box::new(workload::Trial::make(subject, cache, case).await?)),
        })
    }

    /// May be repeated.
    ///
    /// # Errors
    /// The case makes no sense. That what is tried failed is an answer, under `error`.
    pub async fn ask(&self, case: &Case) -> Result<Map<String, Value>> {
        match self {
            Self::Plugin(bed) => asks::ask(bed, case).await,
            Self::Workload(trial) => trial.ask(case).await,
        }
    }

    /// What is known only at the end is added to the answer.
    ///
    /// # Errors
    /// It cannot be ended.
    pub async fn end(&self, answer: &mut Map<String, Value>) -> Result<()> {
        match self {
            Self::Plugin(_) => Ok(()),
            Self::Workload(trial) => trial.end(answer).await,
        }
    }

    pub fn prepared_in(&self) -> Duration {
        match self {
            Self::Plugin(bed) => bed.prepared_in,
            Self::Workload(trial) => trial.prepared_in,
        }
    }

    /// Of what is kept between calls.
    pub async fn memory_bytes(&self) -> u64 {
        match self {
            Self::Plugin(bed) => bed.prepared.loaded.resident.memory_bytes(),
            Self::Workload(trial) => trial.memory_bytes().await,
        }
    }
}
