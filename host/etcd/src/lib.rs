//! The store over etcd v3 (3.4 and later), for several API servers on one state.
//!
//! Invariants
//! - Revisions are etcd's own. Everything else that writes to the same etcd raises them, too, and is told to watchers as bare
//!   progress marks ([`feed`]).
//! - Reads are linearizable. [`Store::current_revision`] is one such read, shared by all who wait for it.
//! - A transaction is one etcd transaction. When its answer is lost with the connection, the error says so
//!   ([`store::Error::Undecided`]); it is never silently made twice.
//! - Every write is durable in etcd: [`store::Durability::Lazy`] changes nothing here.
//! - History is forgotten by one of the servers for all ([`compactor`]).
//!
//! Where is it: `members` is who is asked, `failure` what their answers mean, `proto` the messages, `feed` a watch.

mod compactor;
mod current;
mod failure;
mod feed;
mod members;
mod proto;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use store::watcher::WatchStream;
use store::{Compare, Entry, Error, EventBatch, Op, Page, Revision, Store, Txn, TxnOutcome};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use crate::current::Current;
use crate::failure::{Meaning, cause};
use crate::feed::Feed;
use crate::members::{Members, Repeat};
use crate::proto::{RangeRequest, RangeResponse, Request, RequestOp, method};

/// Keys that one answer of an unlimited range holds: a list of everything comes in parts of some megabytes.
const PAGE: i64 = 5_000;

/// How long the first member may take to answer at start: etcd may be starting, too.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct Config {
    /// `http://HOST:PORT` or `https://HOST:PORT` of each member.
    pub servers: Vec<String>,
    /// PEM files. The CA is needed for https, certificate and key when etcd asks for one.
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// Put before every key, so that several clusters can share one etcd.
    pub namespace: String,
    /// History younger than this is kept; `None`: nothing is compacted from here.
    pub compaction_interval: Option<Duration>,
    /// How long a call may take, on however many members it is tried.
    pub timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            ca_file: None,
            cert_file: None,
            key_file: None,
            namespace: String::new(),
            // Upstream's default.
            compaction_interval: Some(Duration::from_secs(300)),
            // Longer than etcd itself waits for a new leader, shorter than the minute that API requests may take.
            timeout: Duration::from_secs(12),
        }
    }
}

pub struct EtcdStore {
    members: Arc<Members>,
    namespace: Bytes,
    seen: Arc<Seen>,
    current: Current,
    /// The compaction point as last heard of: what an error says, never what decides.
    oldest: AtomicU64,
    /// `None`: closed.
    live: Mutex<Option<Live>>,
}

/// The highest revision that any answer showed.
#[derive(Default)]
struct Seen(AtomicU64);

#[derive(Default)]
struct Live {
    feeds: Vec<Arc<Feed>>,
    _compactor: Option<AbortOnDropHandle<()>>,
}

impl Seen {
    fn note(&self, revision: i64) -> Revision {
        let revision = u64::try_from(revision).unwrap_or_default();
        self.0.fetch_max(revision, Ordering::AcqRel);
        revision
    }
}

impl EtcdStore {
    /// Connects; fails when no member answers within half a minute.
    pub async fn connect(config: Config) -> Result<Arc<Self>, Error> {
        let members = Arc::new(Members::new(&config)?);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let status: proto::StatusResponse = loop {
            match members.call(method::STATUS, proto::StatusRequest {}, Repeat::Freely).await {
                Ok(status) => break status,
                Err(error) if tokio::time::Instant::now() < deadline && failure::meaning(&error) != Meaning::Refused => {
                    tracing::warn!(error = failure::told(&error), "waiting for etcd");
                }
                Err(error) => return Err(failure::read_error("connecting to etcd", &error)),
            }
        };
        tracing::info!(version = status.version, member = members.url(members.chosen()), "etcd is the store");
        let seen = Arc::new(Seen::default());
        let compactor = config.compaction_interval.map(|interval| {
            let members = members.clone();
            AbortOnDropHandle::new(tokio::spawn(async move { compactor::run(members, interval).await }))
        });
        let current = Current::new(members.clone(), seen.clone());
        let live = Live { feeds: Vec::new(), _compactor: compactor };
        let store =
            Self { members, namespace: config.namespace.into(), seen, current, oldest: AtomicU64::new(0), live: Mutex::new(Some(live)) };
        store.current_revision().await?;
        Ok(Arc::new(store))
    }

    fn key(&self, key: &[u8]) -> Bytes {
        if self.namespace.is_empty() { Bytes::copy_from_slice(key) } else { [&self.namespace, key].concat().into() }
    }

    fn open(&self) -> Result<(), Error> {
        if self.live.lock().is_some() { Ok(()) } else { Err(Error::Closed) }
    }

    async fn read(&self, operation: &'static str, request: RangeRequest) -> Result<RangeResponse, Error> {
        let at = request.revision;
        match self.members.call(method::RANGE, request, Repeat::Freely).await {
            Ok(answer) => Ok(answer),
            Err(status) => Err(self.read_error(operation, at, &status).await),
        }
    }

    async fn read_error(&self, operation: &'static str, at: i64, status: &Status) -> Error {
        let requested = u64::try_from(at).unwrap_or_default();
        match failure::meaning(status) {
            Meaning::Compacted => match self.oldest(requested).await {
                Ok(oldest) => Error::Compacted { requested, oldest },
                Err(error) => error,
            },
            Meaning::Future => match self.current_revision().await {
                Ok(current) => Error::Future { requested, current },
                Err(error) => error,
            },
            _ => failure::read_error(operation, status),
        }
    }

    /// The compaction point, which is above a revision. etcd names it only to a watch that begins before it.
    async fn oldest(&self, above: Revision) -> Result<Revision, Error> {
        let known = self.oldest.load(Ordering::Acquire);
        if known > above {
            return Ok(known);
        }
        let tell = |status: Status| failure::read_error("asking for the compaction point", &status);
        let mut open = feed::open_anywhere(&self.members, 0, PATIENCE).await.map_err(tell)?;
        match tokio::time::timeout(PATIENCE, open.compaction_point()).await {
            Ok(Ok(point)) => Ok(self.oldest.fetch_max(point, Ordering::AcqRel).max(point)),
            Ok(Err(status)) => Err(tell(status)),
            Err(_) => Err(tell(Status::deadline_exceeded("no compaction point was named"))),
        }
    }
}

#[async_trait]
impl Store for EtcdStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, Error> {
        self.open()?;
        let request = RangeRequest { key: self.key(key), ..RangeRequest::default() };
        let answer = self.read("get", request).await?;
        self.seen.note(answer.header.map_or(0, |header| header.revision));
        Ok(answer.kvs.into_iter().next().and_then(|kv| feed::entry(kv, &self.namespace)))
    }

    async fn range(&self, start: &[u8], end: &[u8], limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        self.open()?;
        let (mut key, range_end) = (self.key(start), self.key(end));
        if key >= range_end {
            // Nothing is in it; whether the revision is there is still to be answered.
            let revision = at.map_or(0, wire_revision);
            let answer = self.read("range", RangeRequest { key, revision, count_only: true, ..RangeRequest::default() }).await?;
            let now = self.seen.note(answer.header.map_or(0, |header| header.revision));
            return Ok(Page { revision: at.unwrap_or(now), ..Page::default() });
        }
        let mut page = Page { revision: at.unwrap_or(0), ..Page::default() };
        loop {
            let wanted = if limit == 0 { PAGE } else { i64::try_from(limit).unwrap_or(i64::MAX) };
            // Revision 0 is etcd's "now"; nothing was written at etcd's first revision, so 1 shows the same nothing.
            let revision = if at.is_some() || page.revision > 0 { wire_revision(page.revision) } else { 0 };
            let request =
                RangeRequest { key: key.clone(), range_end: range_end.clone(), limit: wanted, revision, ..RangeRequest::default() };
            let answer = self.read("range", request).await?;
            let now = self.seen.note(answer.header.map_or(0, |header| header.revision));
            if revision == 0 {
                page.revision = now;
            }
            let found = answer.kvs.len() as u64;
            if let Some(last) = answer.kvs.last() {
                key = [&last.key[..], &[0]].concat().into();
            }
            page.entries.extend(answer.kvs.into_iter().filter_map(|kv| feed::entry(kv, &self.namespace)));
            if limit > 0 || !answer.more {
                page.more = answer.more;
                page.remaining = u64::try_from(answer.count).unwrap_or_default().saturating_sub(found);
                return Ok(page);
            }
        }
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, Error> {
        self.open()?;
        store::distinct_keys(&txn)?;
        if txn.compares.is_empty() && txn.ops.is_empty() {
            return Ok(TxnOutcome::Committed(self.current_revision().await?));
        }
        let (mut compare, mut failure) = (Vec::new(), Vec::new());
        for condition in txn.compares {
            let (key, revision) = match condition {
                // A key that does not exist counts as last written at 0.
                Compare::Absent(key) => (self.key(&key), 0),
                Compare::ModRevision(key, revision) => (self.key(&key), i64::try_from(revision).unwrap_or(i64::MAX)),
            };
            let equals = Some(proto::Equals::ModRevision(revision));
            compare.push(proto::Compare { target: proto::Target::ModRevision as i32, key: key.clone(), equals });
            failure.push(RequestOp { request: Some(Request::Range(RangeRequest { key, ..RangeRequest::default() })) });
        }
        let write = |op: Op| match op {
            Op::Put { key, value } => Request::Put(proto::PutRequest { key: self.key(&key), value }),
            Op::Delete { key } => Request::DeleteRange(proto::DeleteRangeRequest { key: self.key(&key) }),
        };
        let success = txn.ops.into_iter().map(|op| RequestOp { request: Some(write(op)) }).collect();
        let request = proto::TxnRequest { compare, success, failure };
        let answer: proto::TxnResponse = self
            .members
            .call(method::TXN, request, Repeat::Cautiously)
            .await
            .map_err(|status| failure::write_error("transaction", &status))?;
        let revision = self.seen.note(answer.header.map_or(0, |header| header.revision));
        if answer.succeeded {
            return Ok(TxnOutcome::Committed(revision));
        }
        let state = |op: proto::ResponseOp| op.range.and_then(|range| range.kvs.into_iter().next());
        let states = answer.responses.into_iter().map(|op| state(op).and_then(|kv| feed::entry(kv, &self.namespace)));
        Ok(TxnOutcome::Failed(states.collect()))
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<BoxStream<'static, Result<EventBatch, Error>>, Error> {
        self.open()?;
        let open = feed::open_anywhere(&self.members, after, PATIENCE).await.map_err(|status| failure::read_error("watch", &status))?;
        // Asked behind the watch's beginning: etcd would tell of a revision that is compacted what the compaction left of it.
        let revision = wire_revision(after);
        self.read("watch", RangeRequest { key: self.key(&[0]), revision, count_only: true, ..RangeRequest::default() }).await.map_err(
            |error| match error {
                Error::Compacted { oldest, .. } => Error::Compacted { requested: after, oldest },
                other => other,
            },
        )?;
        let feed = Arc::new(Feed::new(prefix, after));
        {
            let mut live = self.live.lock();
            let live = live.as_mut().ok_or(Error::Closed)?;
            // Only the list itself holds feeds whose task has ended.
            live.feeds.retain(|feed| Arc::strong_count(feed) > 1);
            live.feeds.push(feed.clone());
        }
        let stream = WatchStream::of(feed.watcher.clone());
        let (members, namespace, seen) = (self.members.clone(), self.namespace.clone(), self.seen.clone());
        let task = tokio::spawn(async move {
            feed::run(members, feed, namespace, open, |revision| {
                seen.0.fetch_max(revision, Ordering::AcqRel);
            })
            .await;
        });
        Ok(Watch { stream, _task: AbortOnDropHandle::new(task) }.boxed())
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.open()?;
        let request = proto::CompactionRequest { revision: i64::try_from(revision).unwrap_or(i64::MAX) };
        match self.members.call(method::COMPACT, request, Repeat::Freely).await {
            Ok(proto::CompactionResponse { .. }) => {
                self.oldest.fetch_max(revision, Ordering::AcqRel);
                Ok(())
            }
            Err(status) if failure::meaning(&status) == Meaning::Compacted => Ok(()),
            Err(status) => Err(self.read_error("compaction", i64::try_from(revision).unwrap_or(i64::MAX), &status).await),
        }
    }

    async fn progress(&self) -> Result<Revision, Error> {
        let revision = self.current_revision().await?;
        let live = self.live.lock();
        live.as_ref().ok_or(Error::Closed)?.feeds.iter().for_each(|feed| feed.want(revision));
        Ok(revision)
    }

    fn revision(&self) -> Revision {
        self.seen.0.load(Ordering::Acquire)
    }

    async fn current_revision(&self) -> Result<Revision, Error> {
        self.open()?;
        self.current
            .get()
            .await
            .map_err(|error| Error::Unavailable { operation: "asking for the revision", source: cause(error.to_string()) })
    }

    async fn close(&self) -> Result<(), Error> {
        let live = self.live.lock().take();
        for feed in live.into_iter().flat_map(|live| live.feeds) {
            feed.watcher.end(Error::Closed);
        }
        Ok(())
    }
}

/// A revision to read at: etcd takes 0 for "now", and nothing was written at its first revision, 1.
fn wire_revision(revision: Revision) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX).max(1)
}

/// A watch's stream; its feed ends with it.
struct Watch {
    stream: WatchStream,
    _task: AbortOnDropHandle<()>,
}

impl Stream for Watch {
    type Item = Result<EventBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.stream).poll_next(context)
    }
}
