//! The engine on one redb file.
//!
//! One writer thread owns the database. It folds all transactions that wait into one commit (group commit), shows the result
//! to readers as a new [`snapshot::Snapshot`], gives the events to watchers and then answers. Readers work on a snapshot and
//! never wait for the writer.
//!
//! Invariants:
//! - What a reader or watcher sees is on disk, or was written lazily. Lazy transactions are commits that redb keeps in memory;
//!   the next durable commit, at most [`crate::LAZY_DELAY`] later, takes them to the disk.
//! - A lazy revision is given out only below a bound that is on disk ("reserved"). After a crash the store goes on above the
//!   bound, so no revision is ever used twice.
//! - History is an undo log: the superseded state of a key, by the revision that superseded it. A create costs its value
//!   once, and current state is one table in key order, which is what GET and LIST read.
//!
//! Values are read from redb and the page cache, not held in a map of their own: the API server keeps final bytes in its
//! watch cache, and a second copy of everything would spend the memory budget of a board on reads that seldom happen.

mod apply;
mod compact;
mod failure;
mod snapshot;
mod tables;
mod watch;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch as signal};

use self::snapshot::{ReadError, Snapshot};
use self::writer::{Request, Writer};
use crate::hub::{Hub, Limits};
use crate::watcher::QueueLimits;
use crate::{Entry, Error, EventBatch, Page, Revision, Store, Txn, TxnOutcome};

/// Limits of the engine. The defaults fit a board with 64 MiB for the whole server.
#[derive(Clone, Debug)]
pub struct Config {
    /// redb's own page cache, bytes; the kernel's page cache stands behind it.
    pub cache_bytes: usize,
    /// History younger than this is kept: etcd's default in Kubernetes (`--etcd-compaction-interval`).
    pub history: Duration,
    /// At most so many revisions of history are kept, whatever their age, so that a busy store does not grow without bound.
    pub history_revisions: u64,
    /// Recent events kept in memory for watchers that resume; older ones are replayed from the disk.
    pub recent_events: usize,
    pub recent_bytes: usize,
    /// A watcher's queue; one that lets it fill is cut off with [`Error::Slow`].
    pub watch_batches: usize,
    pub watch_bytes: usize,
    /// Between progress marks to watchers, when something was written: etcd's interval for Kubernetes (5 s).
    pub progress_interval: Duration,
    /// Writes are refused with [`Error::Full`] when the file system has fewer free bytes; deletes may use up three quarters
    /// of these. redb cannot go on after a write that the disk refused, so the store stops before.
    pub min_free_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_bytes: 8 << 20,
            history: Duration::from_secs(300),
            history_revisions: 100_000,
            recent_events: 4096,
            recent_bytes: 4 << 20,
            watch_batches: 16 * 1024,
            watch_bytes: 16 << 20,
            progress_interval: Duration::from_secs(5),
            min_free_bytes: 2 << 20,
        }
    }
}

/// Ranges with a limit up to this are read on the calling task: some dozens of microseconds. Larger ones go to the blocking
/// pool, so that a list of everything does not hold up the other connections of the thread.
const INLINE_LIMIT: usize = 64;

/// How long a read waits for the writer to reopen the file after an I/O error.
const REOPEN_PATIENCE: Duration = Duration::from_secs(5);

/// The store in one file, held exclusively.
pub struct RedbStore {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer shows to everyone else.
struct Shared {
    path: PathBuf,
    hub: Hub,
    /// The last published state; `None` when closed.
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    /// Ranges and watches below this revision are refused, though their history may still be on disk for a while.
    oldest: AtomicU64,
    /// Raised when the file was reopened and reads that failed may be tried again.
    reopened: signal::Sender<u64>,
}

impl RedbStore {
    /// Opens or makes the file. The folder must exist.
    ///
    /// Fails with [`Error::InUse`] when another process or store holds the file, and with [`Error::Format`] when another
    /// version of the program wrote it; what the file says is then unchanged.
    pub fn open(path: impl AsRef<Path>, config: Config) -> Result<Arc<Self>, Error> {
        let path = path.as_ref().to_path_buf();
        let mut opened = tables::open(&path, config.cache_bytes)?;
        opened.pass_lost_revisions().map_err(|failure| failure.into_error("opening the state file"))?;
        let limits = Limits {
            ring_events: config.recent_events,
            ring_bytes: config.recent_bytes,
            queue: QueueLimits { batches: config.watch_batches, bytes: config.watch_bytes },
        };
        let hub = Hub::new(opened.revision, limits);
        let snapshot = Snapshot::take(&opened.database, opened.revision).map_err(ReadError::into_error)?;
        let shared = Arc::new(Shared {
            path,
            hub,
            snapshot: RwLock::new(Some(Arc::new(snapshot))),
            oldest: AtomicU64::new(0),
            reopened: signal::Sender::new(0),
        });
        let (requests, inbox) = mpsc::channel();
        let writer = Writer::new(shared.clone(), config, opened, inbox);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| Error::Engine { operation: "start of the writer thread", source: Box::new(source) })?;
        Ok(Arc::new(Self { shared, requests, writer: Mutex::new(Some(thread)) }))
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Reads here and now, and again on the next snapshot when the writer had to reopen the file meanwhile.
    async fn read<T>(&self, read: impl Fn(&Snapshot) -> Result<T, ReadError> + Send) -> Result<T, Error> {
        let mut reopened = self.shared.reopened.subscribe();
        loop {
            let result = read(&*self.shared.current()?);
            match result {
                Ok(found) => return Ok(found),
                Err(error) => again(error, &mut reopened).await?,
            }
        }
    }

    /// As [`Self::read`], on the blocking pool.
    async fn read_aside<T, F>(&self, read: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&Snapshot) -> Result<T, ReadError> + Clone + Send + 'static,
    {
        let mut reopened = self.shared.reopened.subscribe();
        loop {
            let (snapshot, read) = (self.shared.current()?, read.clone());
            let joined = tokio::task::spawn_blocking(move || read(&snapshot)).await;
            match joined.map_err(|error| Error::Engine { operation: "read", source: Box::new(error) })? {
                Ok(found) => return Ok(found),
                Err(error) => again(error, &mut reopened).await?,
            }
        }
    }
}

/// Ok: the file was reopened and the read may be tried again.
async fn again(error: ReadError, reopened: &mut signal::Receiver<u64>) -> Result<(), Error> {
    let failure = match error {
        ReadError::Failed(error) => return Err(error),
        ReadError::Reopening(failure) => failure,
    };
    match tokio::time::timeout(REOPEN_PATIENCE, reopened.changed()).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(failure.into_error("read")),
    }
}

impl Shared {
    fn current(&self) -> Result<Arc<Snapshot>, Error> {
        self.snapshot.read().clone().ok_or(Error::Closed)
    }

    fn keeps(&self, revision: Revision) -> Result<(), Error> {
        let oldest = self.oldest.load(Ordering::Acquire);
        if revision < oldest { Err(Error::Compacted { requested: revision, oldest }) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, Error> {
        self.read(|snapshot| snapshot.get(key)).await
    }

    async fn range(&self, start: &[u8], end: &[u8], limit: usize, at: Option<Revision>) -> Result<Page, Error> {
        self.shared.keeps(at.unwrap_or(Revision::MAX))?;
        if (1..=INLINE_LIMIT).contains(&limit) {
            return self.read(|snapshot| snapshot.range(start, end, limit, at)).await;
        }
        let (start, end) = (start.to_vec(), end.to_vec());
        self.read_aside(move |snapshot| snapshot.range(&start, &end, limit, at)).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, Error> {
        crate::distinct_keys(&txn)?;
        self.ask(|reply| Request::Txn(txn, reply)).await
    }

    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<BoxStream<'static, Result<EventBatch, Error>>, Error> {
        self.shared.keeps(after)?;
        let (live, replay) = self.shared.hub.watch(prefix, after)?;
        let Some(upto) = replay else { return Ok(live.boxed()) };
        let snapshot = self.shared.current()?;
        snapshot.knows(after).map_err(ReadError::into_error)?;
        Ok(watch::Resumed::new(self.shared.clone(), snapshot, prefix, after, upto, live).boxed())
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.ask(|reply| Request::Compact(revision, reply)).await
    }

    async fn progress(&self) -> Result<Revision, Error> {
        self.shared.current()?;
        Ok(self.shared.hub.mark())
    }

    fn revision(&self) -> Revision {
        self.shared.hub.revision()
    }

    async fn close(&self) -> Result<(), Error> {
        let closed = self.ask(Request::Close).await;
        let thread = self.writer.lock().take();
        if let Some(thread) = thread {
            // The thread has answered and only drops what it owns.
            let _ = thread.join();
        }
        match closed {
            Err(Error::Closed) => Ok(()),
            other => other,
        }
    }
}

impl Drop for RedbStore {
    /// Takes lazy writes to the disk and gives the file free.
    fn drop(&mut self) {
        let (reply, _) = oneshot::channel();
        if self.requests.send(Request::Close(reply)).is_ok()
            && let Some(thread) = self.writer.lock().take()
        {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
