//! The list and watch behind a cache: `k8s.io/client-go/tools/cache/reflector.go`.

use crate::api::{Api, ListOptions, refusal};
use crate::error::{Error, Result};
use crate::transport::ResponseBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use object::{Object, Value};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Pause after a failure: reflector.go's back-off, doubled up to the maximum, with as much again at random.
const FIRST_PAUSE: Duration = Duration::from_millis(800);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Quiet for this long, and the pauses start anew.
const FORGET_AFTER: Duration = Duration::from_secs(120);
/// A watch that ends sooner than this without an event counts as a failure.
const SHORT: Duration = Duration::from_secs(1);
/// A watch ends by itself after one to two times this, so that servers can shed load.
const WATCH_SECONDS: u64 = 300;
/// How much longer than asked a watch may last before the connection counts as dead.
const WATCH_SLACK: Duration = Duration::from_secs(30);

/// Where a reflector stands.
enum State {
    /// Everything must be read anew, at least as new as this revision (`"0"` at first, `""` after it expired).
    List(String),
    /// The list is in; changes come from this revision on.
    Watch(String),
}

/// Takes in what one list and watch tell, in their order. Called on the reflector's task: must not block.
pub trait Sink: Send + Sync + 'static {
    /// A whole list: what is not in it is gone.
    fn replace(&self, objects: Vec<Object>, revision: u64);
    fn upsert(&self, object: Object, revision: u64);
    /// The object's last state.
    fn remove(&self, object: Object, revision: u64);
    /// Nothing happened up to here.
    fn bookmark(&self, revision: u64);
    /// The last revision told; 0 before the first.
    fn revision(&self) -> u64;
}

/// Follows the objects that `which` selects in a namespace (`""` = all) until `stop`; of `which`, only the selectors count.
pub(crate) async fn run<S: Sink + ?Sized>(api: Api, ns: &str, which: &ListOptions, sink: &S, stop: CancellationToken) {
    let mut state = State::List("0".to_owned());
    let mut pauses = Pauses::default();
    let mut relisted: Option<Instant> = None;
    loop {
        let begun = Instant::now();
        let step = async {
            match &state {
                State::List(revision) => list(&api, ns, which, sink, revision).await,
                State::Watch(revision) => watch(&api, ns, which, sink, revision).await,
            }
        };
        let result = tokio::select! {
            () = stop.cancelled() => return,
            result = step => result,
        };
        let kind = &api.gvr().resource;
        match result {
            Ok(State::Watch(revision)) if begun.elapsed() < SHORT && matches!(&state, State::Watch(r) if *r == revision) => {
                tracing::debug!(%kind, "a watch ended at once and without events");
            }
            Ok(next) => {
                state = next;
                continue;
            }
            Err(failure) if failure.is_expired() => {
                tracing::debug!(%kind, "revision expired, listing again");
                let again = relisted.replace(begun).is_some_and(|last| last.elapsed() < FORGET_AFTER);
                state = State::List(String::new());
                // Once at once: nothing is wrong with the server.
                if !again {
                    continue;
                }
            }
            Err(failure) => {
                tracing::warn!(%kind, error = failure.chain(), "list and watch failed, trying again");
                state = match (state, failure) {
                    // What cannot be read once cannot be read again.
                    (_, Error::Decode { .. }) => State::List(String::new()),
                    // What was seen meanwhile moved the revision on.
                    (State::Watch(_), _) => State::Watch(sink.revision().to_string()),
                    (listing, _) => listing,
                };
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pauses.next()) => {}
        }
    }
}

async fn list<S: Sink + ?Sized>(api: &Api, ns: &str, which: &ListOptions, sink: &S, revision: &str) -> Result<State> {
    let options = ListOptions { resource_version: revision.to_owned(), ..which.clone() };
    let (objects, revision) = api.list(ns, &options).await?;
    sink.replace(objects, number(&revision));
    Ok(State::Watch(revision))
}

/// Follows one watch until it ends. A clean end goes on from the last revision seen.
async fn watch<S: Sink + ?Sized>(api: &Api, ns: &str, which: &ListOptions, sink: &S, revision: &str) -> Result<State> {
    let seconds = rand::random_range(WATCH_SECONDS..=2 * WATCH_SECONDS);
    let deadline = Instant::now() + Duration::from_secs(seconds) + WATCH_SLACK;
    let mut lines = Lines { body: api.watch(ns, which, revision, seconds).await?, buffer: BytesMut::new(), at: 0 };
    let mut last = revision.to_owned();
    loop {
        let line = match tokio::time::timeout_at(deadline, lines.next()).await {
            Ok(line) => line?,
            // A dead connection: go on from what was seen.
            Err(_) => None,
        };
        let Some(line) = line else { return Ok(State::Watch(last)) };
        let event: Event =
            serde_json::from_slice(&line).map_err(|source| Error::Decode { operation: format!("WATCH {}", api.gvr().resource), source })?;
        let version = event.object.resource_version().to_owned();
        let number = number(&version);
        match event.kind.as_str() {
            "ADDED" | "MODIFIED" => sink.upsert(event.object, number),
            "DELETED" => sink.remove(event.object, number),
            "BOOKMARK" => sink.bookmark(number),
            "ERROR" => {
                let body = event.object.into_value();
                let code = body.get("code").and_then(Value::as_u64).and_then(|c| u16::try_from(c).ok()).unwrap_or(500);
                return Err(refusal(code, body.to_string().as_bytes()).into());
            }
            other => {
                tracing::warn!(kind = %api.gvr().resource, event = other, "unknown watch event");
                continue;
            }
        }
        last = version;
    }
}

fn number(revision: &str) -> u64 {
    revision.parse().unwrap_or_default()
}

#[derive(serde::Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Object,
}

/// A body cut into lines.
struct Lines {
    body: ResponseBody,
    buffer: BytesMut,
    /// Up to here the buffer has no line end.
    at: usize,
}

impl Lines {
    /// The next line without its end; `None` when the body ends. A last line without an end is a cut connection's rest.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let fresh = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(self.at + end + 1).freeze();
                self.at = 0;
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Ok(Some(line));
            }
            self.at = self.buffer.len();
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(source)) => return Err(Error::Transport { operation: "WATCH".to_owned(), source }),
            }
        }
    }
}

#[derive(Default)]
struct Pauses {
    last: Option<(Instant, Duration)>,
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let now = Instant::now();
        let base = match self.last {
            Some((then, pause)) if now.duration_since(then) < FORGET_AFTER => (pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last = Some((now, base));
        base + base.mul_f64(rand::random_range(0.0..1.0))
    }
}
