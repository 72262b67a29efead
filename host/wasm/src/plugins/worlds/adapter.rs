//! World `adapter`: a loaded plugin as the node agent sees it.

use super::{Loaded, Made, Product};
use crate::ctx::State;
use crate::load::Error;
use crate::plugins::bindings::exports::coracle::plugin::adapt as wit;
use crate::plugins::pool::{Exports, Failure, Live, Pool, Returned};
use async_trait::async_trait;
use futures::future::BoxFuture;
use interfaces::adapt::{Adapter, AdapterRow, Answer, Kind, Line, Origin, Sample, Source};
use interfaces::schedule::{FailurePolicy, PluginError};
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Instance;

/// What a component must export.
pub const EXPORTS: &[&str] = &["coracle:plugin/adapt"];

/// As `wit/adapter.wit` says.
const LONGEST_CARRY: usize = 64 << 10;
const LINES: usize = 4096;
const BYTES: usize = 1 << 20;
const SAMPLES: usize = 1024;
/// Of the names and labels of all samples: 256 for each. What the node keeps of a single one, it checks itself.
const SAMPLE_BYTES: usize = 256 << 10;

pub fn load(made: Made) -> BoxFuture<'static, Result<Loaded, Error>> {
    Box::pin(async move {
        made.require(EXPORTS)?;
        let exports = Adapt(wit::GuestIndices::new(&made.pre).map_err(|cause| made.mismatch(cause))?);
        let settings = made.settings.clone();
        let pool = made.pool(exports, settings.limits).await?;
        let row = AdapterRow { adapter: Arc::new(Plugin { pool: pool.clone() }), failure_policy: settings.failure_policy };
        Ok(Loaded { product: Product::Adapter(row), resident: pool })
    })
}

struct Adapt(wit::GuestIndices);

impl Exports for Adapt {
    type Guest = wit::Guest;

    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<wit::Guest> {
        self.0.load(store, instance)
    }
}

struct Plugin {
    pool: Arc<Pool<Adapt>>,
}

impl Plugin {
    /// `process`, or without lines `flush`.
    async fn call(&self, origin: &Origin, carry: &[u8], lines: Option<&[Line]>) -> Result<Answer, PluginError> {
        let origin = told(origin);
        let lines: Option<Vec<wit::Line>> = lines.map(|lines| lines.iter().map(line).collect());
        let answer = self
            .pool
            .call(|mut live| {
                Box::pin(async move {
                    let Live { store, guest, .. } = &mut *live;
                    let called = match &lines {
                        Some(lines) => guest.call_process(&mut *store, &origin, carry, lines).await,
                        None => guest.call_flush(&mut *store, &origin, carry).await,
                    };
                    let answer = match called {
                        Ok(answer) => answer.map_err(Failure::Guest),
                        Err(trap) => Err(Failure::Host(trap)),
                    };
                    (live, answer) as Returned<wit::Guest, wit::Answer>
                })
            })
            .await?;
        check(answer).map_err(|cause| self.pool.refuse(cause))
    }
}

#[async_trait]
impl Adapter for Plugin {
    fn name(&self) -> &str {
        self.pool.name()
    }

    async fn process(&self, origin: &Origin, carry: &[u8], lines: &[Line]) -> Result<Answer, PluginError> {
        self.call(origin, carry, Some(lines)).await
    }

    async fn flush(&self, origin: &Origin, carry: &[u8]) -> Result<Answer, PluginError> {
        self.call(origin, carry, None).await
    }
}

fn told(origin: &Origin) -> wit::Origin {
    wit::Origin {
        namespace: origin.namespace.clone(),
        pod: origin.pod.clone(),
        uid: origin.uid.clone(),
        container: origin.container.clone(),
        attempt: origin.attempt,
        source: match origin.source {
            Source::Stdout => wit::Source::Stdout,
            Source::Stderr => wit::Source::Stderr,
            Source::File => wit::Source::File,
        },
        path: origin.path.clone(),
        arguments: origin.arguments.clone(),
    }
}

fn line(line: &Line) -> wit::Line {
    wit::Line { time: line.time, text: line.text.clone(), continues: line.continues }
}

fn weight(sample: &wit::Sample) -> usize {
    sample.labels.iter().fold(sample.name.len(), |all, (name, value)| all.saturating_add(name.len()).saturating_add(value.len()))
}

/// What a guest says is not believed.
fn check(answer: wit::Answer) -> Result<Answer, String> {
    let wit::Answer { carry, lines, samples } = answer;
    let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
    for (what, found, most) in [
        ("bytes to carry", carry.len(), LONGEST_CARRY),
        ("lines", lines.len(), LINES),
        ("bytes of text", bytes, BYTES),
        ("samples", samples.len(), SAMPLES),
        ("bytes of samples", samples.iter().map(weight).sum(), SAMPLE_BYTES),
    ] {
        if found > most {
            return Err(format!("it gave {found} {what}, at most {most} are allowed"));
        }
    }
    let kind = |kind| match kind {
        wit::Kind::Counter => Kind::Counter,
        wit::Kind::Gauge => Kind::Gauge,
        wit::Kind::Histogram => Kind::Histogram,
    };
    Ok(Answer {
        carry,
        lines: lines.into_iter().map(|line| Line { time: line.time, text: line.text, continues: line.continues }).collect(),
        samples: samples.into_iter().map(|s| Sample { name: s.name, kind: kind(s.kind), labels: s.labels, value: s.value }).collect(),
    })
}

/// Stands for a plugin that is not loaded, or not yet.
pub struct Missing {
    name: String,
    cause: String,
}

impl Missing {
    pub fn row(name: &str, cause: &str, failure_policy: FailurePolicy) -> AdapterRow {
        AdapterRow { adapter: Arc::new(Self { name: name.to_owned(), cause: format!("it is not loaded: {cause}") }), failure_policy }
    }

    fn error(&self) -> PluginError {
        PluginError::Failed { plugin: self.name.clone(), cause: self.cause.clone() }
    }
}

#[async_trait]
impl Adapter for Missing {
    fn name(&self) -> &str {
        &self.name
    }

    async fn process(&self, _: &Origin, _: &[u8], _: &[Line]) -> Result<Answer, PluginError> {
        Err(self.error())
    }

    async fn flush(&self, _: &Origin, _: &[u8]) -> Result<Answer, PluginError> {
        Err(self.error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_checked() {
        let line = |length: usize| wit::Line { time: 1, text: vec![b'x'; length], continues: false };
        let sample = wit::Sample { name: "a".into(), kind: wit::Kind::Gauge, labels: vec![], value: 1.0 };
        let check = |carry: usize, lines: Vec<wit::Line>, samples: usize, expect: Option<&str>| {
            let given = wit::Answer { carry: vec![0; carry], lines, samples: vec![sample.clone(); samples] };
            assert_eq!(check(given).err().as_deref(), expect);
        };
        check(LONGEST_CARRY, vec![line(BYTES)], SAMPLES, None);
        check(0, vec![line(0); LINES], 0, None);
        check(LONGEST_CARRY + 1, vec![], 0, Some("it gave 65537 bytes to carry, at most 65536 are allowed"));
        check(0, vec![line(0); LINES + 1], 0, Some("it gave 4097 lines, at most 4096 are allowed"));
        check(0, vec![line(BYTES), line(1)], 0, Some("it gave 1048577 bytes of text, at most 1048576 are allowed"));
        check(0, vec![], SAMPLES + 1, Some("it gave 1025 samples, at most 1024 are allowed"));
    }
}
