//! Ordered keys and bytes under one revision. The store knows no kinds and no JSON.
//!
//! Contract (every engine runs `suite`):
//! - One store-wide [`Revision`], raised by one with every committed transaction that wrote something. All writes of one
//!   transaction carry the same revision.
//! - A transaction is atomic: all compares hold and all operations happen, or none. When it is answered, it is durable
//!   (unless it asked for [`Durability::Lazy`]).
//! - A watch from revision `r` delivers every write with revision > `r` below its prefix, in order, once, and none that a
//!   crash could undo before it was acknowledged to its writer. `r` below the compaction point fails with `Compacted`.
//! - A range at revision `r` shows the state after `r`, as long as `r` is not compacted.
//! - A lazy write is answered and seen by readers and watchers at once. A crash may undo the last [`LAZY_DELAY`] ([`HEARTBEAT_DELAY`]) of lazy
//!   writes, but the revision never goes back: revisions that a crash took away are not given out again, and a watch or a
//!   range that starts at one of them fails with `Compacted`, as after a compaction.
//!
//! Where is it: `memory` and `redb` are engines (crate `etcd` is one, too), `hub` gives events to watchers, `watcher` is one
//! watcher's queue, `suite` is the contract as tests.

mod hub;
pub mod memory;
pub mod redb;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
pub mod watcher;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

pub type Revision = u64;

/// One key's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Bytes,
    pub value: Bytes,
    /// Of the write that made the key.
    pub create_revision: Revision,
    /// Of its last write.
    pub mod_revision: Revision,
}

/// A page of keys in order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// The revision that the page shows.
    pub revision: Revision,
    /// More keys follow in the range.
    pub more: bool,
    /// Keys left after this page.
    pub remaining: u64,
}

/// A condition of a transaction on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The key does not exist.
    Absent(Bytes),
    /// The key's last write had this revision.
    ModRevision(Bytes, Revision),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Put { key: Bytes, value: Bytes },
    Delete { key: Bytes },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// On disk before it is answered.
    #[default]
    Durable,
    /// Answered from memory, on disk within [`LAZY_DELAY`]: events.
    Lazy,
    /// Answered from memory, on disk within [`HEARTBEAT_DELAY`] or with the next durable write: what is written again and
    /// again, and whose loss is made good by the next beat. Leases.
    Heartbeat,
}

impl Durability {
    /// How long the disk may be behind; `None`: not at all.
    pub fn delay(self) -> Option<std::time::Duration> {
        match self {
            Self::Durable => None,
            Self::Lazy => Some(LAZY_DELAY),
            Self::Heartbeat => Some(HEARTBEAT_DELAY),
        }
    }
}

/// How long a lazy write may be missing from the disk.
pub const LAZY_DELAY: std::time::Duration = std::time::Duration::from_secs(3);

/// The same for a heartbeat. Whoever watches a lease counts from when it saw the last beat, not from the time written in it,
/// so an old one after a crash costs nothing; and an idle board writes to its flash once a minute instead of with each beat.
pub const HEARTBEAT_DELAY: std::time::Duration = std::time::Duration::from_secs(60);

#[derive(Clone, Debug, Default)]
pub struct Txn {
    pub compares: Vec<Compare>,
    pub ops: Vec<Op>,
    pub durability: Durability,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnOutcome {
    /// All happened at this revision.
    Committed(Revision),
    /// A compare failed; the state of the compared keys, in order of the compares, read in the same transaction.
    Failed(Vec<Option<Entry>>),
}

/// One write as a watcher sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub key: Bytes,
    /// `None`: deleted at `revision`.
    pub value: Option<Bytes>,
    /// The state before, when there was one.
    pub previous: Option<Entry>,
    pub create_revision: Revision,
    pub revision: Revision,
}

/// All events of one revision below the prefix, or a bare progress mark with no events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    pub revision: Revision,
    pub events: Vec<Event>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("revision {requested} was compacted; the oldest kept is {oldest}")]
    Compacted { requested: Revision, oldest: Revision },
    #[error("revision {requested} is not reached yet; the store is at {current}")]
    Future { requested: Revision, current: Revision },
    #[error("the watcher fell behind and was cut off at revision {at}")]
    Slow { at: Revision },
    #[error("{path} is in use by another process")]
    InUse { path: String },
    #[error("{path} has state format {found}; this program reads format {expected}")]
    Format { path: String, found: u64, expected: u64 },
    #[error("no space left for the state; free some and retry")]
    Full(#[source] std::io::Error),
    /// Nothing happened; it may be tried again soon.
    #[error("{operation} failed: the store cannot be reached")]
    Unavailable { operation: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// The answer to a write was lost: it may have happened or not.
    #[error("{operation}: no answer came from the store; it may have happened")]
    Undecided { operation: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{operation} failed: it is larger than the store takes")]
    TooLarge { operation: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// A transaction may name a key in one operation only.
    #[error("the transaction writes the key {key:?} twice")]
    DuplicateKey { key: String },
    #[error("{operation} failed: {source}")]
    Engine { operation: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the store is closed")]
    Closed,
}

/// An engine.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The current state of a key.
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, Error>;

    /// Keys in `[start, end)` in order, at most `limit` (0 = all), as of `at` (`None` = now).
    async fn range(&self, start: &[u8], end: &[u8], limit: usize, at: Option<Revision>) -> Result<Page, Error>;

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, Error>;

    /// Every write below `prefix` after `after`. The stream ends after an error.
    async fn watch(&self, prefix: &[u8], after: Revision) -> Result<BoxStream<'static, Result<EventBatch, Error>>, Error>;

    /// Forgets history before `revision`. Current values stay.
    async fn compact(&self, revision: Revision) -> Result<(), Error>;

    /// Gives every watcher a bare progress mark (a batch without events) of the current revision, behind all events up to it,
    /// and answers that revision: etcd's `WatchProgressRequest`. A cache that saw the mark is as fresh as the store was.
    /// Engines also send marks by themselves, some seconds apart, when something was written.
    async fn progress(&self) -> Result<Revision, Error>;

    /// Of the last committed write that this process knows of. Where other processes write to the same store, theirs may be
    /// ahead: see [`Store::current_revision`].
    fn revision(&self) -> Revision;

    /// Of the last write of anyone that was committed when this was called (etcd's linearizable read).
    async fn current_revision(&self) -> Result<Revision, Error> {
        Ok(self.revision())
    }

    /// Writes everything lazy and closes; later calls fail with [`Error::Closed`].
    async fn close(&self) -> Result<(), Error>;
}

/// The end of the range that holds exactly the keys with this prefix: etcd's `GetPrefixRangeEnd`.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0xff; 8]
}

/// Refuses a transaction that writes one key twice: its events could not be told apart by revision.
pub fn distinct_keys(txn: &Txn) -> Result<(), Error> {
    let key = |op: &Op| match op {
        Op::Put { key, .. } | Op::Delete { key } => key.clone(),
    };
    let mut seen: Vec<Bytes> = txn.ops.iter().map(key).collect();
    seen.sort_unstable();
    match seen.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[Bytes]>::first) {
        Some(twice) => Err(Error::DuplicateKey { key: String::from_utf8_lossy(twice).into_owned() }),
        None => Ok(()),
    }
}
