//! Adapters: what a container writes goes through them before it is stored as its log; mirrored by `wit/adapter.wit`.
//! `node` feeds them, `wasm` provides them.

use crate::schedule::{FailurePolicy, PluginError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    Stdout,
    Stderr,
    File,
}

/// Which stream a call is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub container: String,
    pub attempt: u32,
    pub source: Source,
    /// Of a file: its path in the container.
    pub path: String,
    /// Sorted by name.
    pub arguments: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// Without its newline.
    pub text: Vec<u8>,
    /// The text goes on in the next line.
    pub continues: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A change of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub kind: Kind,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Given back with the stream's next call.
    pub carry: Vec<u8>,
    pub lines: Vec<Line>,
    pub samples: Vec<Sample>,
}

/// One call's lines, as `wit/adapter.wit` says. Texts of a batch are at most [`BATCH_BYTES`] together.
pub const BATCH_LINES: usize = 512;
pub const BATCH_BYTES: usize = 64 << 10;

#[async_trait]
pub trait Adapter: Send + Sync {
    fn name(&self) -> &str;

    /// Calls of one stream follow each other. Dropping the future ends the call.
    async fn process(&self, origin: &Origin, carry: &[u8], lines: &[Line]) -> Result<Answer, PluginError>;

    /// The stream has ended.
    async fn flush(&self, origin: &Origin, carry: &[u8]) -> Result<Answer, PluginError>;
}

#[derive(Clone)]
pub struct AdapterRow {
    pub adapter: Arc<dyn Adapter>,
    pub failure_policy: FailurePolicy,
}

impl std::fmt::Debug for AdapterRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdapterRow").field("name", &self.adapter.name()).field("failure_policy", &self.failure_policy).finish()
    }
}

/// The loaded adapters by their plugin's name, replaced whole on each change. `None`: the loader has not looked yet. `wasm`
/// writes, `node` reads.
pub type AdapterSet = Option<Arc<BTreeMap<String, AdapterRow>>>;
