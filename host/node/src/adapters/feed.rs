//! One stream through its adapters into the log: read, adapt, write, note how far it is. A line leaves the raw log only when
//! what became of it is written; what an agent had not noted is done again by the next one.

use super::metrics::Metrics;
use super::plan::{self, Plan};
use super::tail::{Chunk, Position, Tail, now};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::adapt::{AdapterRow, AdapterSet, Answer, Line, Origin, Source};
use interfaces::schedule::FailurePolicy;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use workload::log::{Entry, LogWriter, Stream, Watch};

/// After a failure under policy `Fail`: doubled from here…
const RETRY: Duration = Duration::from_millis(500);
/// …to here. A change of the plugins ends the pause.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// When a file whose folder is not there yet, or cannot be read, is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// When a file that is watched is looked at without a change: a watch that the kernel dropped is made anew.
const LONG: Duration = Duration::from_secs(600);

/// Where a feed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has, or may get, something to do.
    Working,
    /// An adapter of policy `Fail` fails: lines wait on disk.
    Stuck,
    /// Everything is written, and nothing more comes.
    Done,
}

/// How far a feed is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    position: Position,
    /// Of each stage, in base64.
    carries: Vec<String>,
}

/// An adapter on a feed's way.
pub struct Stage {
    pub plugin: String,
    pub origin: Origin,
    /// Samples are dropped without.
    pub metrics: Option<Arc<Metrics>>,
    carry: Vec<u8>,
    /// Its last call failed: told once, until one succeeds.
    failing: bool,
}

impl Stage {
    pub fn new(plan: &Plan, feed: &plan::Feed, stage: &plan::Stage, metrics: Option<Arc<Metrics>>) -> Self {
        Self { plugin: stage.plugin.clone(), origin: plan.origin(feed, stage), metrics, carry: Vec::new(), failing: false }
    }
}

pub struct Feed {
    pub tail: Tail,
    pub watched: std::path::PathBuf,
    pub cursor: std::path::PathBuf,
    pub source: Source,
    pub stages: Vec<Stage>,
    pub log: LogWriter,
    pub set: watch::Receiver<AdapterSet>,
    /// The container's run is over, and all it wrote is in the raw log.
    pub ended: CancellationToken,
    pub state: watch::Sender<State>,
}

impl Feed {
    /// Until everything is written. Dropping it loses nothing: the next one goes on from the cursor.
    pub async fn run(mut self) {
        let mut position = self.load();
        let mut complained = false;
        loop {
            // Both before the file is read: what comes later is read by the next round.
            let ended = self.ended.is_cancelled();
            let watch = Watch::new(&self.watched).ok();
            let (tail, read) = match self.read(position, ended).await {
                Some(outcome) => outcome,
                None => return,
            };
            self.tail = tail;
            let chunk = match read {
                Ok(chunk) => chunk,
                Err(error) => {
                    if !complained {
                        self.note(&format!("{} cannot be read: {error}", self.subject()));
                    }
                    complained = true;
                    if ended {
                        // A file that cannot be read holds nothing up.
                        self.state.send_replace(State::Done);
                        return;
                    }
                    self.pause(ended, LOOK_AGAIN, watch).await;
                    continue;
                }
            };
            if chunk.next == position {
                if ended {
                    self.finish().await;
                    self.save(position);
                    self.state.send_replace(State::Done);
                    return;
                }
                self.pause(ended, if watch.is_some() { LONG } else { LOOK_AGAIN }, watch).await;
                continue;
            }
            complained = false;
            if chunk.lost {
                self.note(&format!("lines of {} were rotated away before they could be adapted", self.subject()));
            }
            let lines = self.adapt(chunk.lines).await;
            self.write(lines);
            position = chunk.next;
            self.save(position);
        }
    }

    async fn read(&mut self, position: Position, ended: bool) -> Option<(Tail, io::Result<Chunk>)> {
        let what = self.tail.clone_empty();
        let mut tail = std::mem::replace(&mut self.tail, what);
        let read = tokio::task::spawn_blocking(move || {
            let chunk = tail.read(position, ended);
            (tail, chunk)
        });
        // The process ends when this fails.
        read.await.ok()
    }

    /// Until something may have changed since it was known whether the run has `ended`.
    async fn pause(&self, ended: bool, most: Duration, watch: Option<Watch>) {
        let changed = async {
            match &watch {
                Some(watch) => drop(watch.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = self.ended.cancelled(), if !ended => {}
            () = tokio::time::sleep(most) => {}
        }
    }

    async fn adapt(&mut self, mut lines: Vec<Line>) -> Vec<Line> {
        for index in 0..self.stages.len() {
            if !lines.is_empty() {
                lines = self.stage(index, Some(lines)).await;
            }
        }
        lines
    }

    /// What each adapter still holds passes those after it.
    async fn finish(&mut self) {
        let mut lines = Vec::new();
        for index in 0..self.stages.len() {
            if !lines.is_empty() {
                lines = self.stage(index, Some(lines)).await;
            }
            lines.extend(self.stage(index, None).await);
        }
        self.write(lines);
        for stage in &mut self.stages {
            stage.carry.clear();
        }
    }

    /// One batch through one adapter, or with `None` its flush; waits while it fails and must not be passed by.
    async fn stage(&mut self, index: usize, lines: Option<Vec<Line>>) -> Vec<Line> {
        let mut pause = RETRY;
        loop {
            let row = self.row(index).await;
            let Some(stage) = self.stages.get(index) else { return lines.unwrap_or_default() };
            let (policy, outcome) = match &row {
                Some(row) => (row.failure_policy, call(row, stage, lines.as_deref()).await),
                None => (FailurePolicy::Fail, Err(format!("adapter {} is not loaded", stage.plugin))),
            };
            let cause = match outcome {
                Ok(answer) => return self.succeed(index, answer),
                Err(cause) => cause,
            };
            let passes = policy == FailurePolicy::Ignore;
            self.fail(index, &cause, passes, lines.is_none());
            if passes {
                return lines.unwrap_or_default();
            }
            self.state.send_replace(State::Stuck);
            let mut set = self.set.clone();
            tokio::select! {
                changed = set.changed() => if changed.is_err() { tokio::time::sleep(pause).await },
                () = tokio::time::sleep(pause) => {}
            }
            self.set = set;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    /// The adapter as it is loaded now; waits until the loader has looked at all.
    async fn row(&mut self, index: usize) -> Option<AdapterRow> {
        let plugin = self.stages.get(index)?.plugin.clone();
        let set = self.set.wait_for(Option::is_some).await.ok()?.clone();
        set.as_ref()?.get(&plugin).cloned()
    }

    fn succeed(&mut self, index: usize, answer: Answer) -> Vec<Line> {
        self.state.send_if_modified(|state| std::mem::replace(state, State::Working) != State::Working);
        let subject = self.subject();
        let mut again = None;
        if let Some(stage) = self.stages.get_mut(index) {
            stage.carry = answer.carry;
            if let Some(metrics) = &stage.metrics {
                metrics.record(&answer.samples);
            }
            if std::mem::take(&mut stage.failing) {
                again = Some(format!("adapter {} of {subject} works again", stage.plugin));
            }
        }
        if let Some(text) = again {
            self.note(&text);
        }
        answer.lines
    }

    fn fail(&mut self, index: usize, cause: &str, passes: bool, at_end: bool) {
        let subject = self.subject();
        let Some(stage) = self.stages.get_mut(index) else { return };
        if std::mem::replace(&mut stage.failing, true) && !(passes && at_end) {
            return;
        }
        let held = stage.carry.len();
        let then = match (passes, at_end) {
            (true, true) if held > 0 => format!("{held} bytes that it held back are lost (policy Ignore)"),
            (true, _) => "lines pass as they are (policy Ignore)".to_owned(),
            (false, _) => "lines wait until it works (policy Fail)".to_owned(),
        };
        self.note(&format!("adapter of {subject} failed: {cause}; {then}"));
    }

    fn subject(&self) -> String {
        match self.source {
            Source::Stdout => "stdout".to_owned(),
            Source::Stderr => "stderr".to_owned(),
            Source::File => self.stages.first().map(|stage| stage.origin.path.clone()).unwrap_or_default(),
        }
    }

    /// A line of ours.
    fn note(&self, text: &str) {
        let text = format!("coracle: {text}").into_bytes();
        self.append(&[Entry { time: now(), stream: Stream::Stderr, continues: false, text }]);
    }

    fn write(&self, lines: Vec<Line>) {
        let stream = if self.source == Source::Stderr { Stream::Stderr } else { Stream::Stdout };
        let entry = |line: Line| Entry { time: line.time, stream, continues: line.continues, text: line.text };
        self.append(&lines.into_iter().map(entry).collect::<Vec<_>>());
    }

    /// As of any log: one that cannot be written loses lines, and nothing waits for a disk that is full.
    fn append(&self, entries: &[Entry]) {
        if let Err(error) = self.log.append(entries) {
            tracing::warn!(%error, cursor = %self.cursor.display(), "adapted log lines are lost");
        }
    }

    fn load(&mut self) -> Position {
        let cursor: Cursor = std::fs::read(&self.cursor).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        for (stage, carry) in self.stages.iter_mut().zip(&cursor.carries) {
            stage.carry = STANDARD.decode(carry).unwrap_or_default();
        }
        cursor.position
    }

    fn save(&self, position: Position) {
        let carries = self.stages.iter().map(|stage| STANDARD.encode(&stage.carry)).collect();
        if let Err(error) = write_whole(&self.cursor, &Cursor { position, carries }) {
            tracing::warn!(%error, path = %self.cursor.display(), "the place in an adapted log is not noted");
        }
    }
}

fn write_whole(path: &Path, cursor: &Cursor) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(cursor)?)?;
    std::fs::rename(new, path)
}

/// A plugin's errors name it.
async fn call(row: &AdapterRow, stage: &Stage, lines: Option<&[Line]>) -> Result<Answer, String> {
    let answer = match lines {
        Some(lines) => row.adapter.process(&stage.origin, &stage.carry, lines).await,
        None => row.adapter.flush(&stage.origin, &stage.carry).await,
    };
    answer.map_err(|error| error.to_string())
}
